"""The checks find nothing in the mock, however it is served; nor does Schemathesis, nor do released clients."""

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from mockserver.apis.llamacloud_chat.check.part import PART
from mockserver.apis.llamacloud_chat.pack import API, VERSIONS
from mockserver.check.client.command import command as check_client
from mockserver.check.provider.command import ServerInfo, ask_health, contracts_of, placed
from mockserver.check.provider.run import Options, check_target
from mockserver.check.report.model import Report
from mockserver.check.target import at_url
from tests.clients.checked import released
from tests.clients.environments import CACHE
from tests.clients.releases import PYTHONS, Release
from tests.grid import ASKED, KEY, STATELESS, UNRULED, Configuration, arguments, covering, grid
from tests.needs import PATIENCE, running
from tests.redis_server import redis_server
from tests.schemathesis_runs import PHASES, judge
from tests.self_check_table import CHECKED, Checked

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
WHOLE = pytest.mark.thorough("it takes minutes; other tests check a part of it")

LITTLE, MUCH = 7, 700
"""How many requests are drawn: for the parts of the operations, and for all of them, as the command does."""

Tell = Callable[[str, str, int, int, float], None]
"""Says what was checked, for the table of `make check`: the fields of `Checked`."""


class Part(NamedTuple):
    """A configuration, the operations that get cases of their own (all where none is named), and how many are drawn."""

    configuration: Configuration
    operations: Sequence[str]
    drawn: int

    def __str__(self) -> str:
        return f"{self.configuration}-{'+'.join(self.operations) or 'all'}"


def parts(*, thorough: bool = THOROUGH) -> list[Part]:
    """Give what is checked: pairs of settings with a third of the operations each; if thorough, the whole grid.

    Of that, a few configurations that have every triple of settings are checked in full.
    """
    if not thorough:
        rows = covering([(*each, asked) for each in grid() for asked in ASKED], 2)
        return [Part(Configuration(*row[:-1]), ASKED[row[-1]], LITTLE) for row in rows]
    full, some = set(covering(grid(), 3)), cycle(ASKED.values())
    return [Part(each, (), MUCH) if each in full else Part(each, next(some), LITTLE) for each in grid()]


@contextmanager
def served(chosen: Configuration, folder: Path) -> Iterator[str]:
    """Serve as a configuration says, by the command, on a free port; gives the base URL."""
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server()).url if chosen.store == "redis" else ""
        command = [sys.executable, "-m", "mockserver", "serve", "--port", "0", *arguments(chosen, folder, redis)]
        server = stack.enter_context(running(command, folder / "serve.log"))
        ready = server.said("export LLAMA_CLOUD_API_KEY=")
        found = re.match(r"mockserver is ready at (http://\S+:\d+): contract (\S+).*?, answers (\w+), ", ready)
        assert found, ready
        assert (found[2].rstrip(","), found[3]) == (chosen.era, chosen.source)
        assert (f", store {chosen.store}:" in ready) == (chosen.store != "memory")
        yield found[1]
        assert "Traceback" not in server.log.read_text("utf-8")


def checked(url: str, part: Part) -> Report:
    """Check a served mock as the command would."""
    key, state = KEY if part.configuration.key == "one" else "any-key", part.configuration.source not in STATELESS
    with at_url(url, PATIENCE) as target:
        contracts = contracts_of("auto", ServerInfo(ask_health(target)), API)
        options = Options(part=PART, key=key, examples=part.drawn, state=state, operations=part.operations)
        return check_target(target, placed(contracts), options)


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    return lambda *fields: record_property(CHECKED, [*Checked(*fields)])  # what pytest-xdist can send


@pytest.mark.parametrize("part", parts(), ids=str)
def test_the_mock_keeps_its_contract_however_it_is_served(part: Part, tmp_path: Path, tell: Tell) -> None:
    chosen = part.configuration
    with served(chosen, tmp_path) as url:
        report = checked(url, part)
    figures = report.figures
    tell(
        "mockserver check", f"{chosen.source} {chosen.era}", figures["cases"], len(report.findings), figures["seconds"]
    )
    assert [f"{each.rule} {each.operation} {each.where}: {each.message}" for each in report.findings] == []
    assert figures["cases"] > 60 * figures["operations"] + part.drawn / 2
    if chosen.source not in STATELESS:
        assert PART.state.keys() - set(report.passed) == UNRULED[chosen.era]


@WHOLE
@pytest.mark.parametrize("release", PYTHONS, ids=str)
def test_a_released_client_keeps_the_contract_of_its_era(release: Release, tmp_path: Path, tell: Tell) -> None:
    released(release.version)
    began = time.monotonic()
    options = ["--release", release.version, "--cache", str(CACHE), "--quiet", "--report", f"json={tmp_path}/r.json"]
    done = CliRunner().invoke(check_client, options)
    report = json.loads((tmp_path / "r.json").read_text("utf-8"))
    figures = report["figures"]
    tell("check-client", f"llama-cloud {release.version}", figures["calls"], len(report["problems"]), since(began))
    assert (done.exit_code, report["problems"]) == (0, [])
    assert figures["never exercised"] == 0
    assert figures["calls"] > 1_000


@WHOLE
@pytest.mark.parametrize("era", ["auto", *VERSIONS])
def test_schemathesis_finds_nothing_with_all_its_checks(era: str, tmp_path: Path, tell: Tell) -> None:
    chosen = Configuration("simulated", era, "memory", "sse", "1", "one", "strict")
    began = time.monotonic()
    with served(chosen, tmp_path) as url:
        verdict = judge(url, KEY, tmp_path)
    tell("Schemathesis", f"{chosen.source} {era}", verdict.cases, verdict.findings, since(began))
    assert (verdict.code, verdict.findings) == (0, 0), verdict.text
    assert verdict.phases == dict.fromkeys(PHASES, "success")
    assert verdict.cases > 500


def since(began: float) -> float:
    return time.monotonic() - began
