"""The help of the commands: options in sections, an example of each command, and the three ways in."""

from collections.abc import Iterable, Mapping, Sequence

import click

SECTIONS: Mapping[str, Sequence[str]] = {
    "Contract": "api contract strict_contract allow_remote_refs formats watch".split(),
    "Answers": (
        "answers dynamic echo fixtures play seed locale clock strict_accept callbacks callback_hosts keep_alive".split()
    ),
    "Requests": "strict refusals invalid auth api_key".split(),
    "State": "store state".split(),
    "Stubs": ["stubs"],
    "Journal and lines": (
        "journal journal_size journal_body quiet log_format redacted_names shown_names metrics".split()
    ),
    "Page and control routes": "control control_remote control_hosts control_token".split(),
    "Network": "host port workers tls tls_cert tls_key cors cors_origin".split(),
    "Limits": (
        "max_body max_in_flight head_timeout body_timeout shutdown_timeout max_records max_record_bytes "
        "max_store_bytes max_scopes max_stub_bytes journal_bytes".split()
    ),
}
"""The options of serving, by what they are about."""

OTHER = "Options"
"""The section of a command's own options, and of those that are in no other."""

EXAMPLES: Mapping[str, Sequence[str]] = {
    "serve": ["mockserver serve", "mockserver serve --contract openapi.yaml --port 8080"],
    "run": [
        "mockserver run -- npm test",
        "mockserver run --contract openapi.yaml --report junit=report.xml -- npm test",
    ],
    "proxy": ["mockserver proxy https://api.example.com --contract openapi.yaml --record recorded"],
    "replay": ["mockserver replay recorded --contract openapi.yaml"],
    "import": ["mockserver import recording.har --into imported --contract openapi.yaml"],
    "mcp": ["mockserver mcp --contract openapi.yaml", "mockserver mcp --url http://127.0.0.1:4010"],
    "check": ["mockserver check http://127.0.0.1:8000 --contract openapi.yaml"],
    "check-client": ["mockserver check-client --release 2.17.0"],
    "matrix": ["mockserver matrix --releases 2.10.0,2.17.0"],
    "validate": ["mockserver validate openapi.yaml"],
    "explain": ["mockserver explain openapi.yaml"],
    "drift": ["mockserver drift old.yaml openapi.yaml --fail-on breaking"],
    "mutants": ["mockserver mutants"],
    "coverage": ["mockserver coverage journal.jsonl --contract openapi.yaml"],
    "reverify": ["mockserver reverify recorded https://api.example.com --contract openapi.yaml"],
}
"""Examples of each command."""

WAYS = """\
mockserver serves, tests and checks any API by its OpenAPI document.

You write an app against an API: serve it, and see each request on the page that the start names.

  mockserver serve --contract openapi.yaml

You write tests: run them beside a mock that judges what they send; in pytest, use the fixture `mockserver`.

  mockserver run --contract openapi.yaml -- npm test

You keep an API in CI: check that a server keeps its contract, and that a change breaks nobody.

  mockserver check http://127.0.0.1:8000 --contract openapi.yaml
  mockserver drift old.yaml openapi.yaml

Without --contract they speak of the API that is built in.
All commands: mockserver --help; one of them: mockserver serve --help.
"""
"""What the command says alone."""

WIDEST = 120
"""The most columns of a help."""


def with_examples(name: str, command: click.Command) -> click.Command:
    """Return a command whose help ends with its examples."""
    if name in EXAMPLES:
        noun = "Examples" if len(EXAMPLES[name]) > 1 else "Example"
        command.epilog = "\n".join(["\b", f"{noun}:", *(f"  {each}" for each in EXAMPLES[name])])
    return command


def write_options(
    ctx: click.Context, formatter: click.HelpFormatter, options: Iterable[click.Parameter], own: Mapping[str, str]
) -> None:
    """Write options in their sections, a command's own first; `own` names the section of some of them."""
    sections = {name: title for title, names in SECTIONS.items() for name in names}
    sections.update(own)
    rows: dict[str, list[tuple[str, str]]] = {title: [] for title in (OTHER, *SECTIONS, *own.values())}
    for each in options:
        if (record := each.get_help_record(ctx)) is not None:
            rows[sections.get(each.name or "", OTHER)].append(record)
    for title, written in rows.items():
        if written:
            with formatter.section(title):
                formatter.write_dl(written)
