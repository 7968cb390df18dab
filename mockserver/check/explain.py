"""`mockserver explain FILE`: what a mock of an OpenAPI document remembers, and why."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from mockserver import api as packs
from mockserver.errors import UsageError
from mockserver.messages import Json
from mockserver.terminal.text import visible


@click.command("explain")
@click.argument("file")
@click.option("--api", "name", help="The API pack; by default the one that plays any document.")
@click.option("--resources", type=click.Path(path_type=Path), help="A file that says what the resources are.")
@click.option(
    "--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True, help="How it is told."
)
@click.option("--allow-remote-refs", "remote", is_flag=True, help="Read documents on other machines, too.")
def command(file: str, name: str | None, resources: Path | None, form: str, remote: bool) -> None:
    """Say which resources the API of the OpenAPI document FILE keeps, what each operation does with them, and why.

    What was not understood is answered statelessly. x-mock-resource in the document, or a file for --resources,
    corrects what is inferred.
    """
    options = {} if resources is None else {"resources": resources}
    text, found = explained(file, name, options, remote=remote)
    click.echo(json.dumps(found, indent=2) if form == "json" else "\n".join(map(visible, text.split("\n"))))


def explained(
    file: str, name: str | None, options: Mapping[str, Any] = MappingProxyType({}), *, remote: bool = False
) -> tuple[str, Json]:
    """Explain what a pack keeps of a document, as text and as JSON; a UsageError says that it keeps nothing."""
    api = packs.choose(name, file)
    if api is None or not api.explain:
        used = "without an API pack" if api is None else f"the API pack {api.name} plays its own operations"
        raise UsageError("there is nothing to explain", where="--api", why=used, fix="leave --api out")
    contracts = packs.read_contracts(file, api, remote=remote)
    text, found = packs.load(api.explain)(contracts, api.settings(**options) if api.settings else None)
    return text, found
