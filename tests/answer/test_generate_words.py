"""Made values mean something: texts by format, name and language; fields by direction; tags by discriminator."""

import json
import re
import subprocess
import sys
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.answer.generate import assemble, generate
from mockserver.answer.making.formats import FORMATS
from mockserver.answer.making.pattern import PatternError, parse, sized, texts
from mockserver.answer.making.words import by_name, check_locale
from mockserver.contract.schema import Schema
from mockserver.errors import UsageError
from mockserver.messages import Json

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}


def schema_of(node: Json, **components: Json) -> Schema:
    return Schema({"components": {"schemas": {"It": node, **components}}}, "/components/schemas/It", "own")


def fields(**more: Json) -> Json:
    return {"type": "object", "properties": more}


def many(node: Json, count: int = 25, **more: Any) -> list[Any]:
    return [generate(schema_of(node), Random(seed), **more) for seed in range(count)]


# -- texts -----------------------------------------------------------------------------------------------------------

JSON_SCHEMA = (
    "date-time date time duration email idn-email hostname idn-hostname ipv4 ipv6 uri uri-reference iri "
    "iri-reference uuid uri-template json-pointer relative-json-pointer regex"
)
OPENAPI = (
    "base64url binary byte char commonmark date-time-local decimal decimal128 double double-int float html http-date "
    "int16 int32 int64 int8 media-range password sf-binary sf-boolean sf-decimal sf-integer sf-string sf-token "
    "time-local uint16 uint32 uint64 uint8"
)


def test_every_format_of_json_schema_and_of_openapis_registry_is_known() -> None:
    assert set(f"{JSON_SCHEMA} {OPENAPI}".split()) <= FORMATS.keys()


@pytest.mark.parametrize("name", sorted(FORMATS))
@pytest.mark.parametrize("more", [{}, {"maxLength": 22}, {"minLength": 12}], ids=str)
def test_texts_of_a_format_are_right_at_every_length_that_the_format_has(name: str, more: dict[str, int]) -> None:
    fixed = {"uuid": 36, "char": 1, "sf-boolean": 2, "http-date": 29, "date": 10, "time-local": 8}
    if not more.get("minLength", 0) <= fixed.get(name, 15) <= more.get("maxLength", 99):
        return
    schema = schema_of({"type": "string", "format": name, **more})
    for seed in range(30):
        made = generate(schema, Random(seed))
        assert made
        assert schema.is_valid(made), made


PATTERNS = {
    r"^[A-Z]{2}-\d{3,5}$": r"[A-Z]{2}-\d{3,5}",
    r"^(?:red|green|blue)$": r"red|green|blue",
    r"^v?\d+(\.\d+){2}(-[\w.]+)?$": r"v?\d+(\.\d+){2}(-[\w.]+)?",
    r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$": r"([0-9a-f]{2}:){5}[0-9a-f]{2}",
    r"^[^\s@]+@[^\s@]+\.[a-z]{2,}$": r"[^\s@]+@[^\s@]+\.[a-z]{2,}",
    r"^\u0041[\x42-\x44]\/\-$": r"A[B-D]/-",
    r"^(?<one>a|b)-\1$": r"a-a|b-b",
    r"^[\]\\^-]+$": r"[\]\\^-]+",
    r"^a{,3}$": r"a\{,3\}",
    r"^[\d-]+.$": r"[\d-]+.",
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_texts_are_made_from_the_syntax_of_a_pattern(pattern: str) -> None:
    make = texts(pattern)
    made = [make(Random(seed)) for seed in range(40)]
    assert [each for each in made if not re.fullmatch(PATTERNS[pattern], each)] == []
    assert len(set(made)) > 1 or pattern in (r"^a{,3}$",)


@pytest.mark.parametrize("pattern", ["^(a", "a)", "[a", r"\u{zz}", r"^\p{Nonsense}$", "[[:alpha:]]", "(?<a"])
def test_what_is_no_pattern_of_ecma_262_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        parse(pattern)


@given(st.integers(0, 30), st.integers(0, 9), st.integers(0, 99))
def test_texts_are_made_to_a_length(low: int, more: int, seed: int) -> None:
    made = sized("^[a-z]+(-[0-9]{2})*x?$", low, low + more) if low + more else None
    text = made(Random(seed)) if made is not None else "a"
    assert re.fullmatch("[a-z]+(-[0-9]{2})*x?", text)
    assert made is None or low <= len(text) <= low + more


NAMED = {
    "email": r"[^@ ]+@[^@ ]+",
    "userEmail": r"[^@ ]+@[^@ ]+",
    "home_page": None,
    "website": r"https?://.+",
    "first_name": r"[A-Z].*",
    "currency": r"[A-Z]{3}",
    "createdAt": r"2026-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "user_id": r"[0-9a-f-]{36}",
    "ip_address": r"[\d.]+",
    "price": r"\d+\.\d\d",
}


@pytest.mark.parametrize("name", NAMED)
def test_a_text_means_what_its_name_says(name: str) -> None:
    made = {each[name] for each in many(fields(**{name: TEXT}))}
    form = NAMED[name] or r"We .+\."
    assert [each for each in made if not re.fullmatch(form, each)] == []
    assert len(made) > 5


def test_a_description_tells_the_meaning_where_the_name_does_not() -> None:
    node = fields(value={**TEXT, "description": "The customer's e-mail address."})
    assert all("@" in each["value"] for each in many(node))


def test_numbers_are_of_the_range_that_their_name_says() -> None:
    made = many(fields(age=WHOLE, latitude={"type": "number"}, price={"type": "number"}))
    assert all(
        18 <= each["age"] <= 90 and -90 <= each["latitude"] <= 90 and 1 <= each["price"] <= 1000 for each in made
    )


@pytest.mark.parametrize(
    ("faker", "form"),
    [
        ("city", r"\D+"),
        ("name.firstName", r"[A-Z]\w+"),
        ("bothify(text='AB-##')", r"AB-\d\d"),
        ({"bothify": {"text": "X##"}}, r"X\d\d"),
        ("internet.email", r".+@.+"),
        ("no_such_provider", r"We .+\."),
        ("__class__", r"We .+\."),
        ("seed_instance", r"We .+\."),
        ("pystr(max_chars=10**9)", r"We .+\."),
        (17, r"We .+\."),
    ],
)
def test_x_faker_names_a_provider_and_is_ignored_where_there_is_none(faker: Json, form: str) -> None:
    made = {each["value"] for each in many(fields(value={**TEXT, "x-faker": faker}))}
    assert [each for each in made if not re.fullmatch(form, each)] == []


def test_x_faker_makes_numbers_and_keeps_to_the_schema() -> None:
    node = fields(value={"type": "integer", "maximum": 3, "x-faker": "random_int(min=1, max=9)"})
    assert {each["value"] for each in many(node, 60)} == {1, 2, 3}


def test_words_are_of_a_language() -> None:
    node = fields(city=TEXT, note=TEXT)
    german, english = ({each["city"] for each in many(node, 40, locale=locale)} for locale in ("de_DE", "en_US"))
    assert not german & english


@pytest.mark.parametrize(
    ("locale", "fix"), [("xx_XX", "de_DE"), ("de-DE", "de_AT, de_CH, de_DE"), ("__init__", "de_DE")]
)
def test_a_language_without_words_is_refused_with_those_that_are_like_it(locale: str, fix: str) -> None:
    with pytest.raises(UsageError, match="no words for the locale") as caught:
        check_locale(locale)
    assert fix in caught.value.fix


def test_every_known_name_has_words_in_every_kind_of_language() -> None:
    for name in ("name", "email", "city", "phone", "company", "street", "zip", "job", "title", "tag", "iban"):
        for locale in ("de_DE", "ja_JP", "en_IN"):
            make = by_name(name, locale)
            assert make is not None
            assert make(Random(0))


CODE = """
import json, sys
from random import Random
from mockserver.answer.generate import generate
from mockserver.contract.schema import Schema
schema = Schema({"components": {"schemas": {"It": json.loads(sys.argv[1])}}}, "/components/schemas/It", "own")
print(json.dumps([generate(schema, Random(seed)) for seed in range(5)]))
"""


def test_the_same_seed_makes_the_same_values_in_every_process() -> None:
    names = ("email", "city", "note", "tags", "name")
    node = fields(
        **dict.fromkeys(names, TEXT), when={**TEXT, "format": "date-time"}, code={**TEXT, "pattern": "^[a-z]{9}$"}
    )
    node |= {"additionalProperties": WHOLE, "not": {"required": ["email", "city"]}}
    made = [
        subprocess.run([sys.executable, "-c", CODE, json.dumps(node)], check=True, capture_output=True).stdout
        for _ in range(2)
    ]
    assert made[0] == made[1]
    assert json.loads(made[0]) == [generate(schema_of(node), Random(seed)) for seed in range(5)]


# -- rich values -----------------------------------------------------------------------------------------------------


def test_optional_fields_are_there_lists_are_not_empty_and_maps_have_entries() -> None:
    node = fields(
        a=WHOLE, list={"type": "array", "items": WHOLE}, map={"type": "object", "additionalProperties": WHOLE}
    )
    for each in many(node):
        assert each.keys() == {"a", "list", "map"}
        assert each["list"]
        assert len(each["map"]) >= 2


# -- directions ------------------------------------------------------------------------------------------------------

ACCOUNT = {
    "type": "object",
    "required": ["id", "name", "password"],
    "properties": {
        "id": {**TEXT, "readOnly": True},
        "name": TEXT,
        "password": {"$ref": "#/components/schemas/Secret"},
    },
}
SECRET = {**TEXT, "writeOnly": True}


@pytest.mark.parametrize(("direction", "gone"), [("answer", "password"), ("request", "id")])
def test_answers_leave_out_what_is_write_only_and_requests_what_is_read_only(direction: Any, gone: str) -> None:
    account = schema_of(
        {"type": "object", "properties": {"one": ACCOUNT, "list": {"type": "array", "items": ACCOUNT}}}, Secret=SECRET
    )
    for seed in range(10):
        made = generate(account, Random(seed), direction=direction)
        for each in (made["one"], *made["list"]):
            assert each.keys() == {"id", "name", "password"} - {gone}


# -- discriminators --------------------------------------------------------------------------------------------------


def pets(mapping: Json) -> Schema:
    kinds = {name: {"$ref": f"#/components/schemas/{name}"} for name in ("Cat", "Dog")}
    told = {"propertyName": "kind", **({"mapping": mapping} if mapping else {})}
    return schema_of(
        {"oneOf": list(kinds.values()), "discriminator": told},
        Cat={**fields(kind=TEXT, claws=WHOLE), "required": ["kind", "claws"]},
        Dog={**fields(kind=TEXT, bark=TEXT), "required": ["kind", "bark"]},
    )


@pytest.mark.parametrize(
    ("mapping", "cat", "dog"),
    [
        (None, "Cat", "Dog"),
        ({"feline": "#/components/schemas/Cat", "canine": "#/components/schemas/Dog"}, "feline", "canine"),
        ({"feline": "Cat"}, "feline", "Dog"),
    ],
)
def test_the_tag_is_the_mappings_name_of_the_branch(mapping: Json, cat: str, dog: str) -> None:
    made = [generate(pets(mapping), Random(seed)) for seed in range(30)]
    assert {(each["kind"], "claws" in each) for each in made} == {(cat, True), (dog, False)}


@pytest.mark.parametrize(
    ("mapping", "tag"),
    [
        (None, "Kätzchen"),
        ({"feline": "#/components/schemas/Kätzchen"}, "feline"),
        ({"feline": "#/components/schemas/K%C3%A4tzchen"}, "feline"),
    ],
)
def test_the_tag_is_not_encoded_as_the_reference_to_its_branch_is(mapping: Json, tag: str) -> None:
    told = {"propertyName": "kind", **({"mapping": mapping} if mapping else {})}
    branches = [{"$ref": "#/components/schemas/K%C3%A4tzchen"}, {"$ref": "#/components/schemas/Dog"}]
    schema = schema_of(
        {"oneOf": branches, "discriminator": told},
        Kätzchen={**fields(kind=TEXT, claws=WHOLE), "required": ["kind", "claws"]},
        Dog={**fields(kind=TEXT, bark=TEXT), "required": ["kind", "bark"]},
    )
    made = [generate(schema, Random(seed)) for seed in range(30)]
    assert {(each["kind"], "claws" in each) for each in made} == {(tag, True), ("Dog", False)}


def test_a_schema_that_inherits_a_discriminator_is_tagged_by_its_name() -> None:
    pet = {
        **fields(kind=TEXT),
        "required": ["kind"],
        "discriminator": {"propertyName": "kind", "mapping": {"cat": "Cat"}},
    }
    cat = {"allOf": [{"$ref": "#/components/schemas/Pet"}, fields(claws=WHOLE)]}
    schema = schema_of(
        {"type": "array", "items": {"$ref": "#/components/schemas/Cat"}, "minItems": 1}, Pet=pet, Cat=cat
    )
    assert {each["kind"] for each in generate(schema, Random(0))} == {"cat"}


# -- put together ----------------------------------------------------------------------------------------------------


def test_a_value_is_put_together_from_what_the_schemas_show() -> None:
    node = fields(
        id={**WHOLE, "examples": [42]},
        name={**TEXT, "example": "Ann"},
        plan={**TEXT, "default": "free"},
        kind={"const": "user"},
    )
    assert assemble(schema_of(node)) == {"id": 42, "name": "Ann", "plan": "free", "kind": "user"}


def test_the_example_of_a_whole_wins_over_those_of_its_parts() -> None:
    node = {**fields(name={**TEXT, "example": "Ann"}), "example": {"name": "Bob"}}
    assert assemble(schema_of(node)) == {"name": "Bob"}


def test_what_shows_nothing_is_made_always_the_same() -> None:
    node = fields(name={**TEXT, "example": "Ann"}, age=WHOLE, tags={"type": "array", "items": TEXT})
    made = [assemble(schema_of(node)) for _ in range(2)]
    assert made[0] == made[1]
    assert made[0].keys() == {"name", "age", "tags"}


@pytest.mark.parametrize(
    "node",
    [
        fields(name=TEXT),
        {"type": "object", "properties": {"a": {**WHOLE, "example": 1}}, "not": {"required": ["a"]}, "required": ["a"]},
        False,
    ],
    ids=str,
)
def test_nothing_is_put_together_of_schemas_that_show_nothing_or_have_no_value(node: Json) -> None:
    assert assemble(schema_of(node)) is None


def test_a_wrong_example_is_passed_over_and_the_other_sides_fields_are_left_out() -> None:
    node = fields(age={**WHOLE, "examples": ["old", 7]}, name={**TEXT, "example": "Ann"})
    assert assemble(schema_of(node)) == {"age": 7, "name": "Ann"}
    account = {**ACCOUNT, "required": ["name"], "example": {"id": "1", "name": "Ann", "password": "x"}}
    assert assemble(schema_of(account, Secret=SECRET)) == {"id": "1", "name": "Ann"}
