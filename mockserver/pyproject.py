"""Finds the API pack in force, and the settings in pyproject.toml."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import Field
from pathlib import Path
from typing import Any

from mockserver import api as packs
from mockserver.errors import MockserverError, StartError, UsageError, reason
from mockserver.settings import MEMORIES, words_of


def api_of(args: Sequence[str], defaults: Mapping[str, Any]) -> packs.Api | None:
    """Find the API pack in force: by the options, else the environment, else pyproject.toml, else the default."""

    def given(name: str) -> str | None:
        value = os.environ.get(f"MOCKSERVER_{name.upper()}") or defaults.get(name)
        said: list[str] = []
        for at, text in enumerate(args):
            if text == "--":
                break
            if text == f"--{name}" and at + 1 < len(args):
                said.append(args[at + 1])
            if text.startswith(f"--{name}="):
                said.append(text.partition("=")[2])
        if said:
            return ",".join(said) if name == "contract" else said[-1]
        return None if value is None else _as_text(value)

    return packs.choose(given("api"), given("contract"))


def _as_text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def read_pyproject(folder: Path, args: Sequence[str] = ()) -> dict[str, Any]:
    """Return [tool.mockserver] of the nearest pyproject.toml, from `folder` upwards; {} if there is none.

    It may hold the options of the pack that it names itself, and of the one that is in force by `args`.
    """
    for each in (folder, *folder.parents):
        path = each / "pyproject.toml"
        if path.is_file():
            return _checked(path, _table(path), args)
    return {}


def _table(path: Path) -> dict[str, Any]:
    """Read the table of a pyproject.toml."""
    import tomllib

    try:
        tools = tomllib.loads(path.read_text("utf-8")).get("tool", {})
    except (OSError, ValueError) as error:
        raise UsageError("pyproject.toml cannot be read", where=str(path), why=str(error)) from error
    table = tools.get("mockserver", {}) if isinstance(tools, dict) else tools
    if not isinstance(table, dict):
        raise UsageError("[tool.mockserver] is not a table", where=str(path), fix="write [tool.mockserver] and options")
    return {key.replace("-", "_"): value for key, value in table.items()}


def _checked(path: Path, said: Mapping[str, Any], args: Sequence[str]) -> dict[str, Any]:
    """Return the options of a table as the command takes them; a UsageError names an unknown one."""
    if not said:
        return {}
    named = {key: _as_text(said[key]) for key in ("api", "contract") if key in said}
    api = packs.choose(named.get("api"), named.get("contract"))
    known = {each.name: each for pack in (api, api_of(args, said)) for each in packs.options(pack)}
    for key in said:
        if key not in known:
            raise packs.unknown_option(key, api, known, f"[tool.mockserver] in {path}")
    return {key: _default(path.parent, known[key], value) for key, value in said.items()}


def _default(folder: Path, option: Field[Any], value: Any) -> Any:
    """Convert a value of pyproject.toml to that of an option; paths are relative to its folder."""
    if option.name == "contract":
        return [_contract_below(folder, str(each)) for each in (value if isinstance(value, list) else [value])]
    if "Path" in str(option.type):
        return str(folder / str(value))
    if option.name == "state":
        return ",".join(word if word in MEMORIES else str(folder / word) for word in words_of(str(value)))
    if option.name == "store" and str(value).startswith("sqlite:///") and not str(value).startswith("sqlite:////"):
        return f"sqlite:///{folder / str(value).removeprefix('sqlite:///')}"
    if isinstance(value, list):
        return ",".join(map(str, value))
    return value if isinstance(value, bool) else str(value)


def _contract_below(folder: Path, text: str) -> str:
    """Return a contract of pyproject.toml with its path from where the command runs."""
    prefix, mark, file = text.rpartition("=") if text.startswith("/") else ("", "", text)
    if (folder / text).is_file():
        return str(folder / text)
    return f"{prefix}{mark}{folder / file}" if (folder / file).is_file() else text


def defaults(args: Sequence[str]) -> dict[str, Any]:
    """Read pyproject.toml; its errors are ignored while a shell completes the line."""
    try:
        return read_pyproject(_working_folder(), args)
    except MockserverError:
        if "_MOCKSERVER_COMPLETE" not in os.environ:
            raise
        return {}


def _working_folder() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        where, fix = os.environ.get("PWD", "."), "change to a folder that exists"
        raise StartError("the working folder is gone", where=where, why=reason(error), fix=fix) from error
