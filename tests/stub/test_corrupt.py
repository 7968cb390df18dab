"""One broken field breaks the schema, by the word of a judge that shares no code; what cannot be broken is refused."""

import json
import re
import time
from collections.abc import Iterator
from functools import cache
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.answer.generate import generate
from mockserver.contract.schema import Schema
from mockserver.contract.tree import join
from mockserver.errors import StubError
from mockserver.messages import Json
from mockserver.stub.corrupt import WAYS, broken, sample, stands
from tests.strategies import Place, every_media, judge, places_of, put, seeds, without


def schema_of(place: Place) -> Schema:
    """Give the schema of a body, or of the events of a stream."""
    schema = place.media.item_schema or place.media.schema
    assert schema is not None
    return schema


def distinct() -> Iterator[Place]:
    """Give the representations of answers that the contracts say something of, one for each schema of a version."""
    seen = set()
    for place in every_media():
        schema = place.media.item_schema or place.media.schema
        if schema is not None and schema.node:
            key = place.version, schema.pointer
            if key not in seen:
                seen.add(key)
                yield place


MEDIA = {str(place): place for place in distinct()}
"""The representations, by name."""


@cache
def pointers(name: str) -> list[str]:
    """Give the places of fields in an answer, out of some made ones."""
    made = [generate(schema_of(MEDIA[name]), Random(seed)) for seed in range(30)]
    return sorted({join("", *path) for value in made for path in places_of(value) if 0 < len(path) <= 5})


def at(value: Json, path: tuple[str | int, ...]) -> Json:
    """Give what stands at a path."""
    for part in path:
        value = value[part]
    return value


@cache
def breakable(name: str, pointer: str, way: str) -> bool:
    """Say whether the judge knows a made value that a way breaks at a place."""
    return any(True for _ in breaks(name, pointer, way))


def breaks(name: str, pointer: str, way: str) -> Iterator[Json]:
    """Give values that are right until one field of theirs is broken in a way, and then are wrong to the judge."""
    place = MEDIA[name]
    others: dict[str, list[Json]] = {
        "null": [None],
        "wrong-type": [17, {}, "17", [], True],
        "wrong-value": ["", "no such value", "x" * 20_000, -1, 10**9],
    }
    for seed in range(40):
        value = generate(schema_of(place), Random(seed))
        if not stands(value, pointer):
            continue
        path = next(path for path in places_of(value) if join("", *path) == pointer)
        news = [] if way == "missing" else [each for each in others[way] if fits(way, at(value, path), each)]
        made = [without(value, path)] if way == "missing" else [put(value, path, new) for new in news]
        yield from (each for each in made if judge(place.version).errors(schema_of(place).pointer, each))


def kind(value: Json) -> str:
    return {bool: "boolean", int: "number", float: "number"}.get(type(value), type(value).__name__)


def fits(way: str, old: Json, new: Json) -> bool:
    """Say whether putting `new` for `old` is what a way says."""
    return {"null": new is None, "wrong-type": kind(old) != kind(new), "wrong-value": kind(old) == kind(new)}[way]


def tried(value: Json, way: str, pointer: str, schema: Schema) -> Json:
    """Break a field; None where that is refused."""
    try:
        return broken(value, way, pointer, schema)
    except StubError as error:
        if error.what != f"{pointer} cannot be broken by {way}":
            raise
        return None


names = st.sampled_from(sorted(MEDIA))
ways = st.sampled_from(WAYS)


@given(names, st.data(), ways, seeds)
def test_a_break_breaks_the_schema_or_is_refused_because_nothing_breaks_there(
    name: str, data: st.DataObject, way: str, seed: int
) -> None:
    pointer = data.draw(st.sampled_from(pointers(name)))
    place, schema = MEDIA[name], schema_of(MEDIA[name])
    value = generate(schema, Random(seed))
    made = tried(value, way, pointer, schema)
    if made is None:
        assert not breakable(name, pointer, way)
        return
    assert judge(place.version).errors(schema.pointer, made)
    assert not schema.is_valid(made)


@given(names, st.data(), ways, seeds)
def test_a_break_changes_that_one_field_alone_where_that_is_enough(
    name: str, data: st.DataObject, way: str, seed: int
) -> None:
    schema = schema_of(MEDIA[name])
    value = generate(schema, Random(seed))
    path = data.draw(st.sampled_from([path for path in places_of(value) if path] or [("none",)]))
    before = json.dumps(value)
    made = tried(value, way, join("", *path), schema)
    if made is None:
        return
    assert json.dumps(value) == before
    if way == "missing":
        alone = without(value, path)
        assert made == alone or schema.is_valid(alone)
    else:
        new = at(made, path)
        alone = put(value, path, new)
        assert made == alone or schema.is_valid(alone) or not fits(way, at(value, path), new)


# The fields that tests ask for


def summary(version: str = "2.17") -> Schema:
    return schema_of(MEDIA[f"{version}-create-201-json"])


@pytest.mark.parametrize(
    ("way", "pointer"),
    [
        ("missing", "/session_id"),
        ("null", "/session_id"),
        ("wrong-type", "/session_id"),
        ("wrong-type", "/generated_title"),
        ("wrong-type", "/job_metadata"),
        ("wrong-type", "/job_metadata/turns"),
        ("null", "/job_metadata/turns"),
        ("wrong-type", "/job_metadata/is_error"),
        ("wrong-type", "/index_ids/0"),
        ("wrong-value", "/shared_access"),
        ("missing", "/shared_access"),
    ],
)
@given(seed=seeds)
def test_whatever_is_answered_can_be_broken_at_a_field_that_some_answer_has(way: str, pointer: str, seed: int) -> None:
    made = broken(generate(summary(), Random(seed)), way, pointer, summary())
    errors = judge("2.17").errors(summary().pointer, made)
    assert len(errors) == 1
    field = pointer.rpartition("/")[2]
    if way == "missing":
        assert errors == [f"$: '{field}' is a required property"]
    else:
        place = errors[0].partition(":")[0]  # of a union it is that of the whole
        assert ("$." + pointer[1:].replace("/0", "[0]").replace("/", ".")).startswith(place)
        assert place != "$"


@pytest.mark.parametrize(
    ("value", "pointer", "made"),
    [
        ({"job_metadata": {"turns": 2, "is_error": False}}, "/job_metadata/turns", {"turns": {}, "is_error": False}),
        ({"job_metadata": {"is_error": False}}, "/job_metadata/turns", {"turns": {}, "is_error": False}),
    ],
)
def test_what_stands_beside_the_field_stays(value: Json, pointer: str, made: Json) -> None:
    whole = {"session_id": "s", "last_updated_at": "t", "shared_access": "query"}
    assert broken({**whole, **value}, "wrong-type", pointer, summary()) == {**whole, "job_metadata": made}


def test_an_event_that_has_no_such_field_gives_way_to_one_that_has() -> None:
    schema = schema_of(MEDIA["2.17-retrieve-200-json"])
    value = {"session_id": "s", "last_updated_at": "t", "shared_access": "query", "events": [TEXT]}
    made = broken(value, "wrong-type", "/events/0/usage/turns", schema)
    assert made["events"][0]["type"] == "stop"
    assert kind(made["events"][0]["usage"]["turns"]) != "number"
    assert judge("2.17").errors(schema.pointer, made)


TEXT: Json = {"type": "text", "content": "Found."}


def test_an_object_is_of_no_wrong_type_where_there_may_be_one() -> None:
    schema = schema_of(MEDIA["2.17-stream-200-event-stream"])
    image = {"source_id": "s", "attachment_name": "a"}
    result = {"type": "tool_result", "name": "n", "call_id": "c", "result": [], "image_attachment": image}
    made = broken(result, "wrong-type", "/image_attachment", schema)
    assert kind(made["image_attachment"]) not in ("dict", "NoneType")


def test_a_text_that_may_be_only_so_long_gets_too_long() -> None:
    schema = Schema({"type": "object", "properties": {"text": {"type": "string", "maxLength": 80}}}, "", "own")
    assert len(broken({"text": "x"}, "wrong-value", "/text", schema)["text"]) > 80


@pytest.mark.parametrize(("low", "made"), [({"minimum": 0}, -1), ({"maximum": 10}, 10**9)])
def test_a_number_leaves_its_range(low: Json, made: int) -> None:
    schema = Schema({"type": "object", "properties": {"share": {"type": "number", **low}}}, "", "own")
    assert broken({"share": 0.5}, "wrong-value", "/share", schema) == {"share": made}


@pytest.mark.parametrize("pointer", ["/a~1b", "/a~0b", "/"])
def test_a_pointer_is_read_as_its_rules_say(pointer: str) -> None:
    name = {"/a~1b": "a/b", "/a~0b": "a~b", "/": ""}[pointer]
    schema = Schema({"type": "object", "required": [name], "properties": {name: {"type": "string"}}}, "", "own")
    assert broken({name: "x"}, "missing", pointer, schema) == {}


# What cannot be broken


@pytest.mark.parametrize("pointer", ["/nonsense", "/session_id/x", "/job_metadata/9", "/index_ids/x", "/index_ids/-1"])
@pytest.mark.parametrize("way", WAYS)
def test_a_place_that_no_answer_has_is_refused(way: str, pointer: str) -> None:
    with pytest.raises(StubError, match=f"^no answer has the place '{pointer}'\n  where: 2.17#/components") as refused:
        broken(generate(summary(), Random(0)), way, pointer, summary())
    assert refused.value.fix == "see the contract"
    with pytest.raises(StubError, match="no answer has the place"):
        sample(summary(), pointer)


@pytest.mark.parametrize(
    ("way", "pointer"),
    [
        ("missing", "/generated_title"),
        ("null", "/generated_title"),
        ("wrong-value", "/session_id"),
        ("wrong-value", "/job_metadata/turns"),
        ("missing", "/index_ids/0"),
    ],
)
def test_a_break_that_the_contract_allows_is_refused_soon(way: str, pointer: str) -> None:
    started = time.thread_time()
    with pytest.raises(StubError, match=f"^{pointer} cannot be broken by {way}\n") as refused:
        broken(generate(summary(), Random(0)), way, pointer, summary())
    assert time.thread_time() - started < 1
    assert refused.value.why == "the contract 2.17 allows it"
    assert re.fullmatch(r"2\.17#/components/schemas/\w+", refused.value.where)


@pytest.mark.parametrize("way", WAYS)
def test_the_whole_body_cannot_be_broken(way: str) -> None:
    with pytest.raises(StubError, match="the whole body cannot be broken"):
        broken({}, way, "", summary())


@pytest.mark.parametrize("token", ["01", "+0", " 0", "0 ", "1_0", "\u0660", "-1", ""])
def test_a_place_in_a_list_is_a_plain_number(token: str) -> None:
    assert stands({"a": [1] * 20}, "/a/0")
    assert not stands({"a": [1] * 20}, f"/a/{token}")
