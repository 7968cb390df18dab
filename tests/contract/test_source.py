"""Files are read as JSON or as YAML 1.2, by their content, and places in them are told by line and column."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mockserver.contract.source import DEEPEST, SourceFile, parse_source, read_source
from mockserver.contract.tree import join
from mockserver.errors import ContractError, StubError
from mockserver.messages import Json


def read(text: str, name: str = "doc.yaml") -> Json:
    return parse_source(text.encode(), name).data


def refused(text: str | bytes, name: str = "doc.yaml") -> ContractError:
    """Give why a text is not read."""
    with pytest.raises(ContractError) as caught:
        parse_source(text if isinstance(text, bytes) else text.encode(), name)
    return caught.value


@pytest.fixture(params=["libyaml", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read YAML by each of the parsers that there may be."""
    if request.param == "python":
        monkeypatch.delattr(yaml, "CSafeLoader")
    else:
        assert yaml.__with_libyaml__


# -- YAML 1.2 --------------------------------------------------------------------------------------------------------

MEANING: dict[str, Json] = {
    **{word: word for word in ("on", "off", "yes", "no", "NO", "y", "nULL", "tRUE", "=", "-x", ".", "e3", "+", "0o8")},
    **{word: word for word in ("12:30", "12:30:45", "2020-01-01", "2020-01-01T10:00:00Z", "1_000", "0b11", "1.2.3")},
    **dict.fromkeys(("null", "Null", "NULL", "~", "")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    "0": 0,
    "-7": -7,
    "+7": 7,
    "007": 7,
    "0o17": 15,
    "0x1F": 31,
    "123456789012345678901": 123456789012345678901,
    "1e3": 1000.0,
    "1E-2": 0.01,
    ".5": 0.5,
    "5.": 5.0,
    "-1.5e+3": -1500.0,
    "1.0": 1.0,
    "'5'": "5",
    '"null"': "null",
    "!!str 5": "5",
    "!!int 5": 5,
    "!!float 5": 5.0,
    "!!null ''": None,
    "! x": "x",
    "!!map {}": {},
    "!!seq []": [],
    "!!bool 'true'": True,
    "<<": "<<",
}


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("word", MEANING)
def test_a_word_means_what_the_core_schema_of_yaml_1_2_says(word: str) -> None:
    found = read(f"a: {word}\n")["a"]
    assert (found, type(found)) == (MEANING[word], type(MEANING[word]))


@pytest.mark.usefixtures("parser")
def test_keys_are_texts_in_their_own_spelling() -> None:
    text = "200: a\n404 : b\nnull: c\ntrue: d\n1e3: e\n2020-01-01: f\n0x1: g\n'on': h\non_: i\n? ~\n: j\n"
    assert list(read(text)) == ["200", "404", "null", "true", "1e3", "2020-01-01", "0x1", "on", "on_", "~"]


@pytest.mark.usefixtures("parser")
def test_merges_are_read_and_own_keys_win_over_them() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], z: 3}\nd: {w: 4, <<: *b}\ne: {<<: {v: 5}}\n"
    found = read(text)
    assert found["c"] == {"x": 1, "y": 1, "z": 3}
    assert found["d"] == {"w": 4, "y": 2, "z": 2}
    assert found["e"] == {"v": 5}


@pytest.mark.usefixtures("parser")
def test_an_alias_is_what_its_anchor_names_at_that_place() -> None:
    text = 'a: &x {k: [1]}\nb: *x\nc: &t "200"\nd: {*t : 1, &u name: 2}\ne: *u\n"<<": 5\n'
    assert read(text) == {
        "a": {"k": [1]},
        "b": {"k": [1]},
        "c": "200",
        "d": {"200": 1, "name": 2},
        "e": "name",
        "<<": 5,
    }


def test_json_is_read_in_a_file_of_yaml_and_yaml_in_one_of_json_or_without_a_suffix() -> None:
    for name in ("doc", "doc.json", "doc.yaml", "doc.yml", "/dev/fd/63"):
        assert read("openapi: 3.1.0\n", name) == {"openapi": "3.1.0"}
        assert read('{"a":\t"\\ud83d\\ude00"}', name) == {"a": "😀"}
        assert read("{a: on}", name) == {"a": "on"}
    assert read('{"a": NaN}') == {"a": "NaN"}, "a text of YAML"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("text", ['{"a": "é"}', "a: é\n"])
def test_byte_order_marks_and_unicode_encodings_are_taken(text: str, encoding: str) -> None:
    assert parse_source(text.encode(encoding), "doc").data == {"a": "é"}


def test_data_that_is_written_is_read_again() -> None:
    leaf = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT

    @given(st.recursive(leaf, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=20))
    def same(data: Json) -> None:
        assert read(json.dumps(data), "doc.json") == data
        assert read(yaml.safe_dump(data, default_style='"', allow_unicode=True)) == data

    same()


TEXT = st.text(st.characters(codec="utf-8"))


# -- places ----------------------------------------------------------------------------------------------------------


def members(node: Json, pointer: str = "") -> Iterator[tuple[str, str]]:
    """Give the pointer of every member, and how its text begins."""
    named = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, below in named:
        begin = json.dumps(key) if isinstance(key, str) else json.dumps(below)[:1]
        yield join(pointer, key), begin
        yield from members(below, join(pointer, key))


@given(
    st.recursive(st.integers() | st.text("aé/~ \\\n☃"), lambda i: st.lists(i) | st.dictionaries(st.text("ab/~\n"), i))
)
def test_the_place_of_every_member_is_where_it_begins(data: Json) -> None:
    for indent, ending in ((1, ".json"), (None, ".json"), (2, ".yaml")):
        text = json.dumps(data, indent=indent)
        source = SourceFile(name=f"doc{ending}", data=data, text=text, is_yaml=ending == ".yaml")
        before = (0, 0)
        for pointer, begin in members(data):
            name, line, column = source.where(pointer).rsplit(":", 2)
            assert name == f"doc{ending}"
            assert text.splitlines()[int(line) - 1][int(column) - 1 :].startswith(begin)
            assert before < (int(line), int(column))
            before = int(line), int(column)


def test_a_place_in_yaml_is_that_of_its_key_and_an_aliass_that_of_what_it_names(tmp_path: Path) -> None:
    path = tmp_path / "doc.yaml"
    path.write_text("# é\na: &x\n  k: [1, {z: 2}]\nb: *x\nc:\n  - 1\n  - *x\nd: {<<: *x}\n", "utf-8")
    source = read_source(path)
    places = {"": "1:1", "/a": "2:1", "/a/k": "3:3", "/a/k/1/z": "3:11", "/b": "4:1", "/c/1": "7:5"}
    places |= {"/b/k/1/z": "3:11", "/c/1/k": "3:3", "/d/k": "8:1", "/a/no/such": "2:1", "/no": "1:1"}
    assert {each: source.where(each).removeprefix(f"{path}:") for each in places} == places
    assert source.line("/c/0") == 6


# -- what is refused -------------------------------------------------------------------------------------------------

TWICE = {
    "doc.json": ('{"paths": {"/a": {},\n "/b": 1,\n  "/a": {}}}', "1:12", "3:3"),
    "doc.yaml": ("paths:\n  /a: {}\n  /b: 1\n  '/a': {}\n", "2:3", "4:3"),
    "alias.yaml": ("x: &k /a\npaths: {/a: 1, *k : 2}\n", "2:9", "2:16"),
    "merge.yaml": ("x: &k {}\ny:\n  <<: *k\n  <<: *k\n", "3:3", "4:3"),
    "same.yaml": ("a: {b: 1}\nc: {b: 1}\n200: 1\n'200': 2\n", "3:1", "4:1"),
}


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("name", TWICE)
def test_a_key_that_stands_twice_is_refused_with_both_places(name: str) -> None:
    text, first, second = TWICE[name]
    error = refused(text, name)
    assert re.fullmatch(r"the contract has the key '(/a|<<|200)' twice", error.what)
    assert (error.where, error.why) == (f"{name}:{second}", f"it is at {first} already")
    assert error.fix


BAD = {
    "doc.json": {
        '{"a": NaN}': ("contains what JSON cannot express", "1:7", "NaN is no number of JSON"),
        '{"a": [1,\n-Infinity]}': ("contains what JSON cannot express", "2:1", "-Infinity is no number"),
        '{"1e999": 1e999}': ("contains what JSON cannot express", "1:11", "1e999 is larger"),
        '{"a": "\\ud800"}': ("contains what JSON cannot express", "1:7", "half a surrogate pair"),
        '{"\\udc00": 1}': ("contains what JSON cannot express", "1:2", "half a surrogate pair"),
        '{"a": -%s}' % ("1" * 5000): ("contains what JSON cannot express", "1:7", "5,001 digits"),
        "[" * 201 + "]" * 201: ("is nested deeper than 200 levels", "1:201", ""),
        "[" * 9999 + "]" * 9999: ("is nested deeper than 200 levels", "1:201", ""),
        '{"a": 1,\n  "b" 2}': ("is not JSON", "2:7", "Expecting ':' delimiter"),
        "": ("is not JSON", "1:1", "Expecting value"),
    },
    "doc.yaml": {
        "a: .nan": ("contains what JSON cannot express", "1:4", ".nan is no number"),
        "a: -.INF": ("contains what JSON cannot express", "1:4", "-.INF is no number"),
        "a: 1e999": ("contains what JSON cannot express", "1:4", "1e999 is no number"),
        "a: " + "1" * 5000: ("contains what JSON cannot express", "1:4", "5,000 digits"),
        "a: !!binary aGk=": ("contains what JSON cannot express", "1:4", "binary means nothing in JSON"),
        "a: !mine {}": ("contains what JSON cannot express", "1:4", "the tag !mine means nothing"),
        "a: !!int x": ("is not YAML", "1:4", "'x' is no int"),
        "a: !!int true": ("is not YAML", "1:4", "'true' is no int"),
        "{a: 1}: 2": ("has a key that is no text", "1:1", ""),
        "? [a]\n: 2": ("has a key that is no text", "1:3", ""),
        "x: &x []\ny: {*x : 1}": ("has a key that is no text", "2:5", ""),
        "a: 1\n---\nb: 2": ("holds several documents", "2:1", "after ---"),
        "a:\n\t- b": ("is not YAML", "2:1", "found character"),
        "a: *no": ("is not YAML", "1:4", "*no names nothing"),
        "a: &a [*a]": ("contains what JSON cannot express", "1:8", "stands within what it names"),
        "a: {<<: 5}": ("is not YAML", "1:9", "<< merges a mapping"),
        "a: b: c": ("is not YAML", "1:5", "mapping values are not allowed"),
        "a: \x07": ("is not YAML", "1:4", "x0007"),
        "- " * 201: ("is nested deeper than 200 levels", "1:401", ""),
        "- " * 100_000: ("is nested deeper than 200 levels", "1:401", ""),
    },
}


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts], ids=lambda text: text[:20]
)
def test_what_cannot_be_read_is_refused_with_its_place(name: str, text: str) -> None:
    what, place, why = BAD[name][text]
    error = refused(text, name)
    assert error.what == f"the contract {what}"
    assert error.where == f"{name}:{place}"
    assert why in error.why
    assert error.fix


def test_what_is_not_utf_8_is_refused_at_its_byte() -> None:
    error = refused(b"a: b\xffc")
    assert (error.what, error.where) == ("the contract cannot be read", "doc.yaml")
    assert "at byte 4" in error.why


def test_an_error_says_what_the_file_is_for(tmp_path: Path) -> None:
    with pytest.raises(StubError, match="the file of stubs cannot be read"):
        read_source(tmp_path, "the file of stubs", StubError)


# -- bombs -----------------------------------------------------------------------------------------------------------


def doubled(form: str, levels: int = 60) -> str:
    """Give a document in which each of its parts refers twice to the one before."""
    lines = [f"a{n}: &a{n} {form.format(before=f'*a{n - 1}')}" for n in range(1, levels)]
    return "\n".join(["a0: &a0 {k: text}", *lines])


BOMBS = {
    "lists": doubled("[{before}, {before}]"),
    "mappings": doubled("{{x: {before}, y: {before}}}"),
    "merges": "\n".join(
        ["a0: &a0 {k0: 1}", *(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], k{n}: 1}}" for n in range(1, 4000))]
    ),
    "texts": f"a: &a {'x' * 50_000}\nb: [{', '.join(['*a'] * 1000)}]\n",
}


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("name", BOMBS)
def test_aliases_that_would_make_a_small_file_huge_are_refused(name: str) -> None:
    error = refused(BOMBS[name])
    assert error.what == "the contract is too large"
    assert "aliases would add more than" in error.why
    assert re.fullmatch(r"doc\.yaml:\d+:\d+", error.where)


@pytest.mark.parametrize("form", ["[{before}]", "{{x: {before}}}", "{{<<: {{x: {before}}}}}"])
def test_aliases_do_not_nest_deeper_than_what_is_written_out(form: str) -> None:
    assert "nested deeper" in refused(doubled(form, DEEPEST + 1)).what
    read(doubled(form, DEEPEST // 2 - 1))


def test_aliases_within_the_bounds_are_followed() -> None:
    assert read(doubled("[{before}, {before}]", 10))["a1"] == [{"k": "text"}, {"k": "text"}]
