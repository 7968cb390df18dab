"""What the properties draw from, and the judge that shares no code with the mock."""

import copy
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus
from uuid import UUID

from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from mockserver.answer.generate import generate
from mockserver.api import read_contracts
from mockserver.apis.llamacloud_chat.pack import API, VERSIONS
from mockserver.contract.openapi import Contract, Media, Operation
from mockserver.contract.schema import Schema
from mockserver.messages import Json
from tests.talk import MESSAGE

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "fixtures" / "llamacloud-chat"

versions = st.sampled_from(VERSIONS)
seeds = st.integers(0, 2**63)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(-1e6, 1e6)
    | st.text(max_size=12)
    | st.sampled_from(["query", "read_only", "stop", "text", "", "null", "1", 1.0, 0, "idx-abc123"])
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@cache
def contract_of(version: str) -> Contract:
    """Give a bundled contract, read once."""
    return read_contracts(version, API)[0]


def operations(version: str) -> dict[str, Operation]:
    """Give the operations of a version by id."""
    return {operation.id: operation for operation in contract_of(version).operations}


def every_operation() -> list[tuple[str, str]]:
    """Give (version, operation id) of all bundled operations."""
    return [(version, name) for version in VERSIONS for name in operations(version)]


class Place(NamedTuple):
    """A representation of an answer somewhere in the bundled contracts."""

    version: str
    operation: Operation
    status: int
    media: Media

    def __str__(self) -> str:
        return f"{self.version}-{self.operation.id}-{self.status}-{self.media.type.rpartition('/')[2]}"


def every_media() -> list[Place]:
    """Give every representation of every declared answer."""
    return [
        Place(version, operation, status, media)
        for version in VERSIONS
        for operation in contract_of(version).operations
        for status, reply in operation.exact.items()
        for media in reply.media
    ]


def component_schemas(version: str) -> list[Schema]:
    """Give the named schemas of a version."""
    document = contract_of(version).document
    return [Schema(document, f"/components/schemas/{name}", version) for name in document["components"]["schemas"]]


class Judge:
    """Judges values by one document with `jsonschema` alone; references are resolved over the whole document."""

    def __init__(self, document: Json) -> None:
        self._registry = Registry[Any]().with_resource("urn:document", DRAFT202012.create_resource(document))
        self._validators: dict[str, Draft202012Validator] = {}

    def errors(self, pointer: str, value: Json) -> list[str]:
        """Give what is wrong with `value` by the schema at `pointer`."""
        if pointer not in self._validators:
            schema = {"$ref": f"urn:document#{pointer}"}
            checker = Draft202012Validator.FORMAT_CHECKER
            self._validators[pointer] = Draft202012Validator(schema, registry=self._registry, format_checker=checker)
        return [f"{error.json_path}: {error.message}" for error in self._validators[pointer].iter_errors(value)]

    def errors_of(self, media: Media, body: bytes) -> list[str]:
        """Give what is wrong with a body as a representation; of a stream, each event is judged."""
        if media.item_schema is not None:
            events = [json.loads(line[6:]) for line in body.decode().splitlines() if line.startswith("data: ")]
            found = [error for event in events for error in self.errors(media.item_schema.pointer, event)]
            return found if events else ["no event"]
        return self.errors(media.schema.pointer, json.loads(body)) if media.schema is not None else []


@cache
def judge(version: str) -> Judge:
    """Give the judge of a bundled document."""
    return Judge(contract_of(version).document)


BODIES: Mapping[str, Json] = {
    "set_title": {"first_message": MESSAGE},
    "stream": {"index_ids": ["idx-abc123"], "prompt": MESSAGE},
}
"""A right body for each operation that must have one."""


def target(operation: Operation, session_id: str = "ses-abc123") -> str:
    """Give the path of a call."""
    return operation.path.replace("{session_id}", session_id)


class Canned(NamedTuple):
    """One bundled fixture."""

    operation: str
    status: int
    name: str
    path: Path

    @property
    def value(self) -> Json:
        """The value in the file."""
        return json.loads(self.path.read_text("utf-8"))

    @property
    def is_script(self) -> bool:
        """Whether it is a scripted turn."""
        return self.operation == "stream" and self.status == 200

    @property
    def events(self) -> list[Json]:
        """The events of a scripted turn."""
        return [step["event"] for step in self.value]

    def __str__(self) -> str:
        return f"{self.operation}-{self.status}-{self.name}"


def bundled_fixtures() -> list[Canned]:
    """Give the bundled fixtures, by their names alone."""
    found = []
    for path in sorted(FIXTURES.rglob("*.json")):
        status, _, name = path.name.removesuffix(".json").partition(".")
        found.append(Canned(path.parent.name, int(status), name, path))
    return found


def satisfies(version: str, canned: Canned) -> bool:
    """Say whether a fixture is an answer that a version allows, by the independent judge; of a script, each event."""
    operation = operations(version).get(canned.operation)
    reply = operation.exact.get(canned.status) if operation else None
    streams = [each.item_schema for each in reply.media if each.item_schema] if reply else []
    if streams:
        return not [error for event in canned.events for error in judge(version).errors(streams[0].pointer, event)]
    media = [each for each in reply.media if each.type == "application/json"] if reply else []
    return any(each.schema and not judge(version).errors(each.schema.pointer, canned.value) for each in media)


def places_of(value: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Give the path of every value in a value, its own first."""
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places_of(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places_of(item, (*path, index))


def put(value: Json, path: tuple[str | int, ...], new: Json) -> Json:
    """Give a copy of `value` in which another value stands at `path`."""
    if not path:
        return new
    changed = copy.deepcopy(value)
    node = changed
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = new
    return changed


def without(value: Json, path: tuple[str | int, ...]) -> Json:
    """Give a copy of `value` that lacks what stands at `path`."""
    changed = copy.deepcopy(value)
    node = changed
    for part in path[:-1]:
        node = node[part]
    del node[path[-1]]
    return changed


def paths_in(value: Json) -> st.SearchStrategy[tuple[str | int, ...]]:
    """Draw the path of something in a value."""
    return st.sampled_from(list(places_of(value)))


@st.composite
def near(draw: st.DrawFn, schema: Schema) -> Json:
    """Draw a value that satisfies a schema, or one that a few changes may have led astray, or anything."""
    if draw(st.integers(0, 9)) == 0:
        return draw(json_values)
    value = generate(schema, Random(draw(seeds)))
    for _ in range(draw(st.integers(0, 3))):
        path: tuple[str | int, ...] = draw(paths_in(value))
        cut: bool = draw(st.booleans())
        value = without(value, path) if path and cut else put(value, path, draw(json_values))
    return value


def own_document() -> Any:
    """Give a small right document of a user's own, to be changed at will."""
    note = {
        "type": "object",
        "required": ["id", "text"],
        "properties": {
            "id": {"type": "string"},
            "text": {"type": "string", "maxLength": 80},
            "parent": {"anyOf": [{"$ref": "#/components/schemas/Note"}, {"type": "null"}]},
        },
    }
    reply = {
        "description": "The note.",
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Note"},
                "examples": {"short": {"value": {"id": "n1", "text": "buy milk"}}},
            }
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Notes", "version": "1"},
        "paths": {
            "/notes/{note_id}": {
                "parameters": [{"$ref": "#/components/parameters/NoteId"}],
                "get": {"operationId": "read", "responses": {"200": {"$ref": "#/components/responses/Note"}}},
                "put": {
                    "operationId": "write",
                    "requestBody": {
                        "required": True,
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Note"}}},
                    },
                    "responses": {"200": {"$ref": "#/components/responses/Note"}},
                },
            }
        },
        "components": {
            "parameters": {"NoteId": {"name": "note_id", "in": "path", "required": True, "schema": {"type": "string"}}},
            "responses": {"Note": reply},
            "schemas": {"Note": note},
        },
    }


def write_document(folder: Path, document: Json, name: str = "notes.json") -> Path:
    """Write a document as JSON into a folder."""
    path = folder / name
    path.write_text(json.dumps(document), "utf-8")
    return path


# Requests as bytes, good and bad

any_text = st.text(st.characters(), max_size=12)
"""Texts, lone surrogates among them."""

wild_values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=8,
)
"""Values that Python's json reads and writes: besides those of JSON, NaN, infinities and lone surrogates."""

lengths_near_a_limit = st.sampled_from([0, 1, 9, 10, 11, 999, 1000, 1001])


@st.composite
def long_texts(draw: st.DrawFn) -> str:
    """Draw a text whose length lies about a limit, of one character, which may take four bytes."""
    return draw(st.sampled_from("aé𝄞 \u0301")) * draw(lengths_near_a_limit)


def lists_near_ten(items: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Draw lists about the limit of ten."""
    return st.lists(items, max_size=3) | st.builds(lambda item, size: [item] * size, items, st.integers(9, 12))


_ids = lists_near_ten(st.text(max_size=6)) | lists_near_ten(st.text(max_size=3) | json_values) | json_values
_extra = st.dictionaries(st.text(max_size=6), json_values, max_size=2)
_lax_booleans = st.sampled_from(["true", "TRUE", "yes", "off", "t", "0", "2", "", " true", 1, 0, 2, 1.0, 0.5])


def _near(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[Json]:
    """Draw objects with these fields, any of which may be missing, and some others."""
    exact = st.fixed_dictionaries(required, optional=optional)
    holed = st.fixed_dictionaries({}, optional=required | optional)
    return st.builds(lambda fields, extra: {**extra, **fields}, exact | holed, _extra)


title_values = _near({"first_message": st.text() | long_texts() | json_values}, {})
create_values = _near(
    {},
    {
        "index_ids": _ids,
        "shared_access": st.sampled_from(["query", "read_only", "QUERY", "", "read_only "]) | json_values,
    },
)
stream_values = _near(
    {"index_ids": _ids, "prompt": st.text() | long_texts() | json_values},
    {"require_all_indexes": st.booleans() | _lax_booleans | json_values},
)
body_values = {"set_title": title_values, "create": create_values, "stream": stream_values}
"""Nearly right bodies of the operations that take one."""


@st.composite
def json_bodies(draw: st.DrawFn, values: st.SearchStrategy[Json]) -> bytes:
    """Draw a body that is JSON, in any of the forms and encodings that Python's json reads."""
    value = draw(values | wild_values)
    text = json.dumps(value, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, None, 1])))
    codecs = ["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "utf-32-le"]
    return text.encode(draw(st.sampled_from(codecs)), "surrogatepass")


@st.composite
def broken_bodies(draw: st.DrawFn, values: st.SearchStrategy[Json]) -> bytes:
    """Draw a body that was JSON before something happened to it."""
    body = draw(json_bodies(values))
    at = draw(st.integers(0, len(body)))
    pieces = [b"NaN", b"-Infinity", b"1e999", b"\x00", b"\n", b"\t", b"'", b'"', b",", b"}", b"]", b"//", b"\xff"]
    pieces += [b"\xed\xa0\x80", b"\\ud800", b"\xef\xbb\xbf", b"{}", b"9" * 4301, b"01", b"+1", b"\xc2\xa0", b"\\x"]
    piece = draw(st.sampled_from(pieces) | st.binary(max_size=4))
    return {
        "cut": body[:at],
        "put in": body[:at] + piece + body[at:],
        "put over": body[:at] + piece + body[at + len(piece) :],
        "put after": body + piece,
        "put before": piece + body,
    }[draw(st.sampled_from(["cut", "put in", "put over", "put after", "put before"]))]


@st.composite
def repeated_keys(draw: st.DrawFn) -> bytes:
    """Draw an object whose keys stand there more than once."""
    key = st.sampled_from(["first_message", "index_ids", "prompt", "shared_access", "x"])
    pairs = draw(st.lists(st.tuples(key, json_values | st.text()), min_size=2, max_size=5))
    return ("{" + ",".join(f"{json.dumps(name)}:{json.dumps(item)}" for name, item in pairs) + "}").encode()


def bodies(values: st.SearchStrategy[Json]) -> st.SearchStrategy[bytes]:
    """Draw bodies good and bad, none so long that hypothesis warns of showing it."""
    return st.one_of(
        st.just(b""), json_bodies(values), json_bodies(values), broken_bodies(values), repeated_keys(), st.binary()
    ).filter(lambda body: len(body) <= 7_000)


content_types = st.one_of(
    st.just("application/json"),
    st.sampled_from(
        [
            None,
            "",
            " ",
            "application/json; charset=utf-8",
            "application/json;charset=utf-16",
            "application/json;",
            "application/json ; q=1",
            "application/json, text/plain",
            "APPLICATION/JSON",
            "application/vnd.api+json",
            "application/+json",
            "application/jsonp",
            "application/ json",
            "application/a/b+json",
            "application",
            "application/",
            "text/plain",
            "text/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json\x0b",
            "application/json\xa0",
            "é/json",
            "application/é+json",
            "(comment) application/json",
            '"application/json"',
            "; charset=utf-8",
        ]
    ),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=24),
)
"""Media types as a client may state them, None for none at all."""


@st.composite
def uuid_texts(draw: st.DrawFn) -> str:
    """Draw a UUID, in a form that is allowed or nearly."""
    plain = str(draw(st.builds(UUID, int=st.integers(0, 2**128 - 1))))
    at, other = draw(st.integers(0, 35)), draw(st.characters(codec="utf-8"))
    return draw(
        st.sampled_from(
            [
                plain,
                plain.upper(),
                plain.replace("-", ""),
                "{" + plain + "}",
                "(" + plain + ")",
                "{" + plain.replace("-", "") + "}",
                "{" + plain,
                plain + "}",
                "urn:uuid:" + plain,
                "URN:UUID:" + plain,
                "urn:uuid:" + plain.replace("-", ""),
                " " + plain,
                plain + " ",
                plain[:at],
                plain[at:],
                plain[:at] + plain[at + 1 :],
                plain[:at] + other + plain[at + 1 :],
                plain[:at] + "-" + plain[at:],
                plain.replace("-", "_"),
                plain + plain,
            ]
        )
    )


number_texts = st.one_of(
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        [
            *"1.0 1. .5 1.5 1_000 1__0 _1 1_ +5 -5 --5 1e3 1E0 0x10 0b1 007 -0 +-1 -1.0 1,000 true null NaN".split(),
            *("", " 7 ", "\t7\n", "1 000", "1\x00", "\u0663", "\uff11", "9" * 4300, "9" * 4301, "0" * 5000),
            *("9223372036854775807", "9223372036854775808", "1.0000000000000000001"),
        ]
    ),
    st.text("0123456789_+-. eE", max_size=8),
)
"""Texts that are numbers, or nearly."""

_parameter_names = st.sampled_from(
    ["", *"project_id organization_id page_size page_token session_id session unknown Project_ID project_id[]".split()]
)


@st.composite
def queries(draw: st.DrawFn) -> str:
    """Draw a query string: declared parameters with right and wrong values, repeated, encoded, among others."""
    parts = []
    for name in draw(st.lists(_parameter_names, max_size=4)):
        value = draw(uuid_texts() | number_texts | st.text(max_size=8))
        raw = value.encode().decode("latin-1").translate({ord(mark): None for mark in "#&"})
        form = draw(st.sampled_from([quote(value), quote_plus(value), quote(value, safe=""), raw]))
        parts.append(draw(st.sampled_from([f"{name}={form}", f"{name}={form}", f"{quote(name)}={form}", name])))
    return "&".join(parts + draw(st.lists(st.sampled_from(["", "=", "%", "%zz", "a;b", "%ED%A0%80=1"]), max_size=1)))
