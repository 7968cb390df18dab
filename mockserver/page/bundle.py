"""Puts the page's files into one document that needs no other, and runs under a policy of hashes."""

import base64
import html
import json
import re
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from mockserver.messages import Json

FILES = Path(__file__).parent
ENTRY = "main.js"

VENDORED = {"preact": "vendor/preact.mjs", "preact/hooks": "vendor/hooks.mjs", "htm": "vendor/htm.mjs"}
"""The modules of others. Views that change live need a small renderer that never reads markup from data: Preact's."""

_IMPORT = re.compile(r'import\s*(?:(\w+)|\{([^}]*)\})\s*from\s*"([^"]+)";?')
_LIST = re.compile(r"export\s*\{([^}]*)\};?")
_NAMED = re.compile(r"^export (?=(?:async )?(?:function|const|class)\b)", re.MULTILINE)
_NAME = re.compile(r"^export (?:async )?(?:function|const|class) (\w+)", re.MULTILINE)
_DEFAULT = re.compile(r"export default\s*")


class Page(NamedTuple):
    """The page as one document, and the policy under which a browser runs it."""

    content: bytes
    policy: str


@lru_cache(maxsize=1)
def live_page() -> Page:
    """Return the page that asks the mock that serves it."""
    script, style = _script(), _read("page.css")
    policy = (
        f"default-src 'none'; script-src {_hashed(script)}; style-src {_hashed(style)}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return Page(_document(script, style, "").encode(), policy)


def report_page(report: Json) -> bytes:
    """Return the page that shows a report, which opens from disk and asks nobody."""
    script, style = _script(), _read("page.css")
    policy = f"default-src 'none'; script-src {_hashed(script)}; style-src {_hashed(style)}; img-src data:"
    # A data block is not run, and without < nothing in it can end it.
    data = json.dumps(report).replace("<", "\\u003c")
    head = f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">'
    return _document(script, style, f'{head}<script type="application/json" id="report">{data}</script>').encode()


def _document(script: str, style: str, more: str) -> str:
    parts = {"/* style */": style, "/* script */": script, "<!-- more -->": more}
    return re.sub("|".join(map(re.escape, parts)), lambda found: parts[found[0]], _read("page.html"))


def _hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"


def _read(name: str) -> str:
    return (FILES / name).read_text("utf-8")


@lru_cache(maxsize=1)
def _script() -> str:
    """Return all modules as one script, each a function that returns what it exports."""
    made: dict[str, str] = {}
    _add(ENTRY, made)
    return "\n".join(made.values())


def _add(name: str, made: dict[str, str]) -> None:
    """Add a module after those that it imports."""
    if name in made:
        return
    text = _read(name)
    for _, _, source in _IMPORT.findall(text):
        _add(_file_of(source), made)
    exported = [*_NAME.findall(text), *(pair for group in _LIST.findall(text) for pair in group.split(","))]
    default = ["default: _default"] if _DEFAULT.search(text) else []
    text = _IMPORT.sub(lambda found: _bound(*found.groups("")), text)
    text = _DEFAULT.sub("const _default = ", _NAMED.sub("", _LIST.sub("", text)))
    members = ", ".join([_member(each) for each in exported] + default)
    made[name] = f"const {_variable(name)} = (() => {{\n{text}\nreturn {{ {members} }};\n}})();"


def _bound(default: str, names: str, source: str) -> str:
    """Write an import as an assignment."""
    module = _variable(_file_of(source))
    if default:
        return f"const {default} = {module}.default;"
    return f"const {{{names.replace(' as ', ': ')}}} = {module};"


def _member(exported: str) -> str:
    own, _, name = exported.strip().partition(" as ")
    return f"{name or own}: {own}"


def _file_of(source: str) -> str:
    return VENDORED.get(source) or source.removeprefix("./")


def _variable(name: str) -> str:
    return "$" + re.sub(r"\W", "_", name)
