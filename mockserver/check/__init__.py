"""The checks in Python: does a server keep its contract, does a client, and what has changed between two contracts?

Each gives a `Report`; `render` writes it as the commands do. Only `check_server` needs the extra `check`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from mockserver.check.report.model import Report
from mockserver.messages import Finding

__all__ = ["Finding", "Report", "check_client", "check_server", "drift", "render"]


def check_server(
    target: Any,
    *,
    api: str | None = None,
    contract: str = "auto",
    key: str | None = None,
    examples: int = 700,
    seconds: float = 0.0,
    seed: int = 0,
    timeout: float = 10.0,
    operations: Sequence[str] = (),
    state: bool | None = None,
    read_only: bool = False,
    fail_fast: bool = False,
    allow_remote: bool = False,
    path_values: Mapping[str, str] | None = None,
) -> Report:
    """Send requests of every kind to a server, and look at every answer, as `mockserver check` does.

    `target` is a URL, an ASGI application, or a `Handler`: a function from `mockserver.messages.Request` to
    `Response`; the last two are asked in this process. `api` names the API pack ("none" for none), `contract` one of
    its versions, "auto", or a file. `key` is sent with each request; without it, the one in the environment variable
    of the API. `path_values` are values for parameters of paths, by name or by "OPERATION.NAME". `state` says whether
    the server keeps state, which is found out where it is None. Times are in seconds.
    The other options are those of the command, docs/checking.md. A UsageError says what cannot be meant, a StartError
    that nothing answers at the URL.
    """
    from mockserver.check.provider.command import check_any

    return check_any(
        target,
        api,
        contract,
        key=key,
        allow_remote=allow_remote,
        state=state,
        examples=examples,
        seconds=seconds,
        seed=seed,
        patience=timeout,
        operations=operations,
        read_only=read_only,
        at_first=fail_fast,
        path_values=tuple((path_values or {}).items()),
    )


def check_client(
    release: str | None = None,
    *,
    python: Path | None = None,
    api: str | None = None,
    contract: str = "auto",
    cache: Path | None = None,
    allow: Sequence[str] = (),
    operations: Sequence[str] = (),
    examples: int = 4,
    seed: int = 0,
) -> Report:
    """Play every answer that a contract allows to an official Python client, as `mockserver check-client` does.

    It is a release of the client, the newest that is known without one, "latest" for the newest that the package
    index has, in an environment that is made once and kept in `cache`; or what the interpreter `python` has.
    `examples` answers are drawn for each operation, beside those at the edges. `allow` names what fails nothing, as
    "not-in-contract:NAME". A UsageError says what cannot be meant, a StartError that the client cannot be had.
    """
    from mockserver.check.client.command import check_release, read_allowed
    from mockserver.check.client.report import accepting, client_report
    from mockserver.check.client.run import Choice

    choice = Choice(drawn=examples, seed=seed, operations=operations)
    allowed = read_allowed(allow)
    return accepting(client_report(check_release(release, python, api, contract, cache, choice)), allowed)


def drift(
    before: str,
    after: str,
    *,
    api: str | None = None,
    fail_on: Literal["breaking", "risky", "never"] = "breaking",
    cache: Path | None = None,
) -> Report:
    """Compare two contracts, as `mockserver drift` does: each change, whom it breaks, what a version has to say of it.

    Each is a version of the API pack's contract, the path of a document, or a client ("client:2.16.0",
    "client:PATH"). A change from the severity `fail_on` on is an error. A UsageError says what cannot be compared, a
    ContractError what in a document is not understood.
    """
    from mockserver.api import choose
    from mockserver.check.changes.command import read_source, report_of

    pack = choose(api)
    a, b = (read_source(each, pack, cache).description for each in (before, after))
    return report_of(a, b, fail_on)


def render(
    report: Report, form: Literal["terminal", "markdown", "json", "html", "junit", "sarif", "github"] = "terminal"
) -> str:
    """Write a report in one of the forms of the option `--report`."""
    from mockserver.check.report.formats import FORMATS
    from mockserver.check.report.locate import NO_FILES

    return FORMATS[form](report, NO_FILES)
