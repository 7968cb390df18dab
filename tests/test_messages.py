"""Messages name what a value is in words, and never by a class of Python."""

import re
from pathlib import Path

import pytest

from mockserver.contract.reader import read_file
from mockserver.errors import ContractError
from mockserver.messages import Json, kind_of
from tests.strategies import write_document

PYTHONS_OWN = re.compile(
    r"NoneType|\w+Error\b|\b(dict|list|str|int|float|bool)\b (object|has)|a (dict|str|int|float)\b"
)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "null"),
        (True, "true or false"),
        ({}, "an object"),
        ([], "a list"),
        ("", "a text"),
        (0, "a number"),
        (0.5, "a number"),
        (b"", "no JSON value"),
    ],
)
def test_the_kind_of_a_value_is_named_in_words(value: Json, words: str) -> None:
    assert kind_of(value) == words


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "x",
        {"openapi": "3.1.0", "paths": {"/a": {"get": []}}},
        {"openapi": "3.1.0", "paths": {"/a": {"get": {"responses": []}}}},
        {"openapi": "3.1.0", "paths": {"/a": {"get": {"parameters": 5, "responses": {"200": {}}}}}},
        {"openapi": "3.1.0", "paths": {"/a": {"get": {"responses": {"200": None}}}}},
        {"openapi": "3.1.0", "info": [], "paths": {"/a": {"get": {"responses": {"200": {}}}}}},
    ],
)
def test_a_document_that_is_none_is_told_without_words_of_python(document: Json, tmp_path: Path) -> None:
    try:
        contract = read_file(write_document(tmp_path, document), partly=True)
    except ContractError as refused:
        texts = [str(refused)]
    else:
        texts = [str(each) for each in contract.problems] + list(contract.left_out.values())
        assert texts or isinstance(document.get("info"), list)
    assert not [text for text in texts if PYTHONS_OWN.search(text)], texts
