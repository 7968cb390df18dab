"""Makes the site of the docs in a folder, strictly: the pages of `docs/`, one for each option, and `llms.txt`."""

import re
import shutil
import subprocess
import sys
from dataclasses import Field
from hashlib import sha256
from pathlib import Path
from typing import Any

from mockserver import api as packs
from mockserver.settings import Settings, options_of

ROOT = Path(__file__).parent
FOLDER = ROOT / ".cache" / "site"

SECTIONS = {
    "Serve": "serving openapi state templates page agents control proxy sessions",
    "Test": "testing import",
    "Check": "checking clients drift coverage contracts ci",
    "Choose": "compare moving",
    "Know": "packs bounds decisions upstream changelog architecture contributing benchmarks",
}
"""The pages by what they are for."""

BESIDE = ("CHANGELOG", "ARCHITECTURE", "CONTRIBUTING", "BENCHMARKS")
"""Pages beside `docs/` that the site has, too."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LINK = re.compile(r"\[([^\]]*)\]\(((?:\.\./|docs/|[A-Za-z])[^)\s:]*)\)")


def options() -> list[tuple[Field[Any], str]]:
    """List every option with the API pack that it belongs to; "" for those of all."""
    found = [(each, "") for each in options_of(Settings)]
    for pack in packs.usable():
        found += [(each, pack.name) for each in (options_of(pack.settings) if pack.settings else ())]
    return found


def option_page(each: "Field[Any]", pack: str, meaning: str) -> str:
    """Write the page of an option."""
    name = each.name.replace("_", "-")
    flag = f"--{name} / --no-{name}" if each.type is bool else f"--{name}"
    owner = f" --api {pack}" if pack else ""
    value = "" if each.type is bool else f" {_example(each)}"
    kept = "true" if each.type is bool else _example(each)
    rows = [
        ("on the command line", f"`{flag}`"),
        ("as a variable", f"`MOCKSERVER_{each.name.upper()}`"),
        ("in `pyproject.toml`", f"`{each.name.replace('_', '-')}` of `[tool.mockserver]`"),
        ("in Python", f"`open_mock({each.name}=...)`"),
        ("default", "none" if each.default is None else f"`{each.default}`"),
    ]
    if "choices" in each.metadata:
        rows.append(("one of", ", ".join(f"`{choice}`" for choice in each.metadata["choices"])))
    if "range" in each.metadata:
        low, high = each.metadata["range"]
        rows.append(("at least", f"`{low}`") if high is None else ("from, to", f"`{low}`, `{high}`"))
    if pack:
        rows.append(("of the API pack", f"`{pack}`"))
    table = "\n".join(["| | |", "| --- | --- |", *(f"| {what} | {how} |" for what, how in rows)])
    said = f"{each.metadata['help']}\n\n" + (f"{meaning[0].upper()}{meaning[1:]}.\n\n" if meaning else "")
    shell = f"mockserver serve{owner} --{name}{value}\nMOCKSERVER_{each.name.upper()}={kept} mockserver serve{owner}"
    return f"# `--{name}`\n\n{said}{table}\n\n```sh\n{shell}\n```\n"


def _example(each: "Field[Any]") -> str:
    """Return a value that the option takes."""
    if "choices" in each.metadata:
        return str(each.metadata["choices"][-1])
    if "range" in each.metadata:
        return str(each.default if each.default is not None else each.metadata["range"][0])
    return "VALUE" if each.default is None else str(each.default)


def meanings() -> dict[str, str]:
    """Return what docs/serving.md says of each option, with its links as they are from a folder below."""
    text = (ROOT / "docs" / "serving.md").read_text("utf-8")
    rows = re.findall(r"^\| `--(?:no-)?([\w-]+)` \|.*\| ([^|]+) \|$", text, re.MULTILINE)
    return {name: re.sub(r"\]\((#|\w)", _from_below, meaning) for name, meaning in rows}


def _from_below(match: "re.Match[str]") -> str:
    return "](../serving.md#" if match[1] == "#" else f"](../{match[1]}"


def pages() -> dict[str, str]:
    """Return every page by its name in the site."""
    found = {path.name: path.read_text("utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
    for name in BESIDE:
        found[f"{name.lower()}.md"] = (ROOT / f"{name}.md").read_text("utf-8")
    found = {name: _LINK.sub(_within, text) for name, text in found.items()}
    told, rows = meanings(), []
    for each, pack in options():
        name = each.name.replace("_", "-")
        found[f"options/{name}.md"] = option_page(each, pack, told.get(name, ""))
        rows.append(f"| [`--{name}`]({name}.md) | {each.metadata['help']} |")
    table = "\n".join(["| option | |", "| --- | --- |", *rows])
    found["options/index.md"] = (
        f"# Options\n\nOf `serve`, `run`, `proxy`, `replay` and `import`; one page each.\n\n{table}\n"
    )
    return found


def _within(match: "re.Match[str]") -> str:
    """Lead a link to a page of the site; what lies outside it becomes a name."""
    text, target = match[1], match[2]
    place, mark, anchor = target.partition("#")
    place = place.removeprefix("../").removeprefix("docs/")
    if place.removesuffix(".md") in BESIDE:
        return f"[{text}]({place.lower()}{mark}{anchor})"
    if (ROOT / "docs" / place).is_file() or not place:
        return f"[{text}]({place}{mark}{anchor})"
    return f"{text} (`{place}` in the project)" if text.strip("`") != place else f"`{place}`"


def configuration() -> str:
    """Return the configuration of the site, which asks no other host for anything."""
    sections = [
        f'{{"{title}" = [{", ".join(_quoted(f"{name}.md") for name in names.split())}]}}'
        for title, names in SECTIONS.items()
    ]
    nav = ", ".join(['{"Start" = "index.md"}', *sections, '{"Options" = "options/index.md"}'])
    return f"""[project]
site_name = "mockserver"
site_description = "A mock server for any API, driven by its OpenAPI document."
nav = [{nav}]
[project.theme]
font = false
features = ["navigation.sections", "content.code.copy"]
palette = [
  {{media = "(prefers-color-scheme: light)", scheme = "default"}},
  {{media = "(prefers-color-scheme: dark)", scheme = "slate"}},
]
"""


def _quoted(text: str) -> str:
    return f'"{text}"'


def llms(text: str) -> str:
    """Return `llms.txt` as the site has it: with links to its own pages."""
    return re.sub(r"\]\((?:docs/)?([\w-]+)\.md\)", lambda match: f"]({match[1].lower()}/)", text)


def build(folder: Path = FOLDER) -> Path:
    """Build the site, unless what it is made of is as it was; return its folder."""
    made, images = pages(), sorted((ROOT / "docs" / "images").iterdir())
    config, told = configuration(), llms((ROOT / "llms.txt").read_text("utf-8"))
    parts = [config, told, *(f"{name}\n{text}" for name, text in made.items())]
    key = sha256("\0".join(parts).encode() + b"".join(path.read_bytes() for path in images)).hexdigest()
    site, mark = folder / "site", folder / "made"
    if mark.exists() and mark.read_text() == key:
        return site
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs" / "images", folder / "docs" / "images")
    for name, text in made.items():
        path = folder / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (folder / "zensical.toml").write_text(config, "utf-8")
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = _COLOUR.sub("", done.stdout + done.stderr).partition("Traceback")[0]
        sys.exit(f"the site cannot be built\n{said}")
    (site / "llms.txt").write_text(told, "utf-8")
    mark.write_text(key)
    return site


if __name__ == "__main__":
    print(build())
