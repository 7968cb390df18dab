"""Reads a user's document with all its files, from files and addresses, in the form of OpenAPI 3.1."""

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from hashlib import sha256
from importlib import import_module
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin, urlsplit

from msgspec import structs

from mockserver.contract.document import Conversion, is_remote
from mockserver.contract.document_cache import find, keep
from mockserver.contract.source import parse_source, read_content
from mockserver.contract.swagger import converted
from mockserver.contract.tree import Document, Problem
from mockserver.errors import ContractError
from mockserver.messages import Json, kind_of

Fetch = Callable[[str], bytes]
"""Returns what an address holds; a ContractError says why it cannot be had."""


def unfetched(address: str) -> bytes:
    """Refuse an address."""
    what, fix = f"{address} is not read", "add --allow-remote-refs, or keep a copy"
    raise ContractError(what, where=address, why="it is not a file", fix=fix)


def name_of(source: str) -> str:
    """Return the name of a file, or of what an address names."""
    return PurePosixPath(urlsplit(source).path).name or "openapi" if is_remote(source) else Path(source).name


def read_part(source: str, name: str, fetch: Fetch) -> bytes:
    """Return what a file holds that a document refers to by a name; "" is the document itself."""
    place = urljoin(source, name) if is_remote(source) else name
    if is_remote(place):
        return fetch(place)
    return read_content(Path(source).parent / name if name else Path(source))


def read_document(source: Path | str, fetch: Fetch = unfetched) -> Document:
    """Read a user's document, with the files that it refers to, in the form of OpenAPI 3.1: once, if it is large."""
    shown = str(source)
    content = read_part(shown, "", fetch)
    kind = f"document {name_of(shown)}"
    kept = find(content, kind)
    if kept is not None and all(_digest(Path(shown).parent / name) == known for name, known in kept["files"].items()):
        return _restored(kept)
    files: dict[str, str] = {}

    def read(name: str) -> bytes:
        files[name] = ""  # until it can be read
        found = read_part(shown, name, fetch)
        files[name] = sha256(found).hexdigest()
        return found

    def load(name: str) -> Json:
        known = dialect(name)
        if known is not None:
            return known
        return parse_source(read(name), name if is_remote(name) else str(Path(shown).parent / name)).data

    def read_beside(name: str) -> bytes:
        folder = Path(shown).parent.resolve()
        if not is_remote(shown) and not is_remote(name) and not (folder / name).resolve().is_relative_to(folder):
            raise ContractError(f"{name} is not read", why="it leaves the folder of the document")
        return read(name)

    document = convert(parse_source(content, shown).data, name_of(shown), load, shown, read_beside)
    if not is_remote(shown) and not any(map(is_remote, files)):
        problems = [structs.astuple(each) for each in document.problems]
        keep(content, {"document": document, "origins": document.origins, "problems": problems, "files": files}, kind)
    return document


def _restored(kept: Json) -> Document:
    """Return a document as it was kept."""
    document = Document(kept["document"], kept["origins"])
    document.problems = [Problem(*each) for each in kept["problems"]]
    document.files = list(kept["files"])
    document.tolerant = True
    return document


def _digest(path: Path) -> str:
    """Return the digest of a file's content, "" if it cannot be read."""
    try:
        return sha256(read_content(path)).hexdigest()
    except ContractError:
        return ""


def dialect(address: str) -> Json | None:
    """Return a schema of JSON Schema's own, which needs no network; None for another address."""
    if not address.startswith(("http://json-schema.org/", "https://json-schema.org/")):
        return None
    try:
        registry = import_module("jsonschema_specifications").REGISTRY
    except ImportError:  # of the package jsonschema, which need not be installed
        return None
    found = registry.get(address) or registry.get(address + "#")
    return None if found is None else deepcopy(found.contents)


def convert(
    data: Json, file: str, load: Callable[[str], Json], shown: str = "", read: Callable[[str], bytes] = unfetched
) -> Document:
    """Return a document in the form of OpenAPI 3.1.

    `load` returns what another file holds by its name, `read` the bytes of one that is an example.
    """
    version = version_of(data, shown or file)
    moved: Mapping[str, str] = {}
    if version == "2.0":
        data, moved = converted(data)
    return Conversion(data, file, version, load, read, moved).run()


def version_of(data: Json, file: str) -> str:
    """Return the version of OpenAPI that a document is written in: "2.0", "3.0", "3.1" or "3.2"."""
    if not isinstance(data, dict):
        why = "it is empty" if data is None else f"it is {kind_of(data)}, and no object"
        fix = "name a file that begins with openapi: 3.1.0, or with another version of OpenAPI"
        raise ContractError("the document is not OpenAPI", where=file, why=why, fix=fix)
    said = str(data.get("openapi", data.get("swagger", "")))
    match = re.fullmatch(r"(2\.0|3\.\d+)(\.\d+)*(-.*)?", said)
    if match is None:
        raise ContractError(
            "the document is not OpenAPI",
            where=f"{file}#/openapi",
            why=f"it says {said!r}" if said else "it names no version",
            fix="begin it with openapi: 3.1.0 (Swagger 2.0 and OpenAPI 3.0 to 3.2 are read)",
        )
    return match[1]
