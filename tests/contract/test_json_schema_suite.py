"""The JSON Schema test suite: each of its schemas as that of a request and of an answer, with all of its data."""

import json
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from mockserver.engine import Mock
from mockserver.messages import Json
from mockserver.settings import Settings
from tests.clients.environments import CACHE, PIP, kept
from tests.needs import untested
from tests.talk import ask

PACKAGE = "jsonschema==4.26.0"
"""A package whose source has the suite."""

REMOTES = "http://localhost:1234"
"""Where the suite's schemas expect its other files."""

OPTIONAL = (
    *("anchor", "bignum", "dependencies-compatibility", "dynamicRef", "ecmascript-regex", "float-overflow", "id"),
    *("no-schema", "non-bmp-regex", "refOfUnknownKeyword"),
)
"""What we hold to of the suite's optional parts."""

VOCABULARY = "schema that uses custom metaschema with with no validation vocabulary"
"""The one schema that is read as another dialect than it names."""

OLD = frozenset(
    "$ref additionalProperties allOf anyOf default definitions description enum exclusiveMaximum exclusiveMinimum "
    "format items maxItems maxLength maxProperties maximum minItems minLength minProperties minimum multipleOf not "
    "oneOf pattern properties required title type uniqueItems".split()
)
"""The keywords of draft 4 that OpenAPI 3.0 has."""

KINDS = frozenset("array boolean integer number object string".split())
"""The types that OpenAPI 3.0 has."""

PLACE = "#/components/schemas/Root"


class Group(NamedTuple):
    """A schema, with data of which it is said whether they are right."""

    name: str
    schema: Json
    data: list[tuple[Json, bool]]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


@pytest.fixture(scope="module")
def suite() -> Path:
    """Return the folder of the suite, fetched once."""
    return kept(CACHE.parent / "json-schema-suite" / PACKAGE.partition("==")[2], _fetch)


def _fetch(place: Path) -> None:
    options = ("--no-deps", "--no-binary", "jsonschema", "--dest", str(place / "source"))
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", *PIP, *options, PACKAGE], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        untested(f"{PACKAGE} cannot be had: {done.stderr[-300:]}")
    [archive] = (place / "source").glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        for member in opened:
            inside = member.name.partition("/")[2]
            if member.isfile() and inside.startswith(("json/tests/", "json/remotes/")):
                member.name = inside.removeprefix("json/")
                opened.extract(member, place, filter="data")


@pytest.fixture(scope="module")
def remotes(suite: Path) -> Iterator[str]:
    """Serve the other files that the suite refers to; return their address."""
    made = partial(_Quiet, directory=str(suite / "remotes"))
    with ThreadingHTTPServer(("127.0.0.1", 0), made) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def groups(suite: Path, remotes: str) -> list[Group]:
    """Return what there is of draft 2020-12."""
    folder = suite / "tests" / "draft2020-12"
    paths = [*sorted(folder.glob("*.json")), *(folder / "optional" / f"{name}.json" for name in OPTIONAL)]
    found = _groups(paths, remotes)
    assert len(found) >= 390
    return [group._replace(schema=_rooted(group.schema)) for group in found]


@pytest.fixture(scope="module")
def old_groups(suite: Path, remotes: str) -> list[Group]:
    """Return what there is of draft 4 that can be written in OpenAPI 3.0, and what 3.0 has besides."""
    found = _groups(sorted((suite / "tests" / "draft4").glob("*.json")), remotes)
    portable = [group._replace(schema=_moved(group.schema)) for group in found if _is_old(group.schema)]
    assert len(portable) >= 95
    return [
        *portable,
        Group("nullable", {"type": "string", "nullable": True}, [(None, True), ("a", True), (1, False)]),
        Group("nullable without a type", {"nullable": True, "minLength": 1}, [(None, True), ("", False)]),
        Group("nullable in a list", {"items": {"type": "integer", "nullable": True}}, [([None], True), (["a"], False)]),
    ]


def _groups(paths: list[Path], remotes: str) -> list[Group]:
    read = ((path, json.loads(path.read_text("utf-8").replace(REMOTES, remotes))) for path in paths)
    return [
        Group(
            f"{path.stem}: {group['description']}",
            group["schema"],
            [(test["data"], test["valid"]) for test in group["tests"]],
        )
        for path, several in read
        for group in several
    ]


def _rooted(schema: Json) -> Json:
    """Give a schema an identifier, below which its local references are read."""
    return {"$id": "urn:suite:root", **schema} if isinstance(schema, dict) else schema


def _is_old(schema: Json) -> bool:
    """Return whether OpenAPI 3.0 can say what a schema of draft 4 says."""
    if not isinstance(schema, dict):
        return False
    if "$ref" in schema:
        return str(schema["$ref"]).startswith("#")
    kind = schema.get("type", "object")
    known = schema.keys() <= OLD | {"$schema"} and isinstance(kind, str) and kind in KINDS
    return known and all(map(_is_old, _inner(schema)))


def _inner(schema: dict[str, Json]) -> Iterator[Json]:
    for key in ("items", "not", "additionalProperties"):
        if key in schema and not isinstance(schema[key], bool):
            yield schema[key]
    for key in ("allOf", "anyOf", "oneOf"):
        yield from schema.get(key, ())
    for key in ("properties", "definitions"):
        yield from schema.get(key, {}).values()


def _moved(schema: Json) -> Json:
    """Return a schema of draft 4 with its local references as they are where it stands in a document."""
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": PLACE + schema["$ref"][1:]}
    made = {key: value for key, value in schema.items() if key != "$schema"}
    for key in {"items", "not", "additionalProperties"} & made.keys():
        made[key] = _moved(made[key])
    for key in {"allOf", "anyOf", "oneOf"} & made.keys():
        made[key] = [_moved(each) for each in made[key]]
    for key in {"properties", "definitions"} & made.keys():
        made[key] = {name: _moved(each) for name, each in made[key].items()}
    return made


def _mock(folder: Path, version: str, group: Group) -> Mock:
    """Serve a document whose requests and answers have the schema; each of the data is an answer's example."""

    def answering(media: Json) -> Json:
        return {"get": {"responses": {"200": {"description": "", "content": {"application/json": media}}}}}

    held = {"schema": {"$ref": PLACE}}
    body = {"required": True, "content": {"application/json": held}}
    paths = {
        "/sent": {"post": {"requestBody": body, "responses": {"204": {"description": ""}}}},
        "/made": answering(held),
        **{f"/shown/{index}": answering(held | {"example": data}) for index, (data, _) in enumerate(group.data)},
    }
    document = {"openapi": version, "info": {"title": "Suite", "version": "1"}, "paths": paths}
    path = folder / "suite.json"
    path.write_text(json.dumps(document | {"components": {"schemas": {"Root": group.schema}}}), "utf-8")
    return Mock(Settings(contract=str(path), formats="annotate", seed=1, allow_remote_refs=True, journal_size=0))


def _misjudged(folder: Path, version: str, group: Group) -> Iterator[str]:
    """Say of which data the mock holds another view, and whether what it makes is wrong."""
    mock = _mock(folder, version, group)
    for index, (data, right) in enumerate(group.data):
        status = ask(mock.handle, "POST", "/sent", json.dumps(data).encode()).status
        if status != 204 if right else not 400 <= status < 500:
            yield f"{group.name}: the request {data!r} is answered with {status}"
        shown = ask(mock.handle, "GET", f"/shown/{index}")
        if (shown.status == 200 and json.dumps(json.loads(shown.body)) == json.dumps(data)) is not right:
            yield f"{group.name}: the example {data!r} is answered with {shown.status} {shown.body!r}"
    made = ask(mock.handle, "GET", "/made")
    if any(right for _, right in group.data) and (
        made.status != 200 or ask(mock.handle, "POST", "/sent", made.body).status != 204
    ):
        yield f"{group.name}: {made.status} {made.body!r} is made"


def test_every_schema_is_judged_and_made_as_the_suite_says(groups: list[Group], tmp_path: Path) -> None:
    """Requests are taken or refused, examples are answered or dropped, and what is made is right; formats are notes."""
    wrong = [each for group in groups for each in _misjudged(tmp_path, "3.1.0", group)]
    assert [each for each in wrong if VOCABULARY not in each] == []
    assert wrong, "the dialect is read now"


def test_every_schema_of_the_old_dialect_is_judged_and_made_so(old_groups: list[Group], tmp_path: Path) -> None:
    """As far as OpenAPI 3.0 has the keywords of draft 4, and with those that it has itself."""
    assert [each for group in old_groups for each in _misjudged(tmp_path, "3.0.3", group)] == []
