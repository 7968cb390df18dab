"""The wishes of a request are read, met, or refused with what can be had."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.answer.prefer import NONE, Preference, read_preference
from mockserver.engine import Mock
from mockserver.messages import Headers, Json, Response
from mockserver.settings import Settings
from tests.strategies import judge, operations
from tests.talk import MESSAGE, TITLE, ask, header, value

BODY = {"first_message": MESSAGE}
MOCK = Mock(Settings(contract="2.6", seed=3))


def read(*fields: str) -> Preference:
    preference, findings = read_preference(Headers([(b"prefer", field.encode("latin-1")) for field in fields]))
    assert findings == []
    return preference


def title(prefer: str | None, mock: Mock = MOCK) -> Response:
    return ask(mock.handle, "POST", TITLE, BODY, prefer=prefer)


# -- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("code=404", Preference(code=404)),
        ("CODE=404", Preference(code=404)),
        (' code = "404" ', Preference(code=404)),
        ("example=unbound", Preference(example="unbound")),
        ('example="a, b; \\"c\\""', Preference(example='a, b; "c"')),
        ("dynamic=true", Preference(dynamic=True)),
        ("dynamic=false", Preference(dynamic=False)),
        ("seed=-7", Preference(seed=-7)),
        ("code=200,example=x,dynamic=false,seed=1", Preference(200, "x", False, 1)),
        ("code=200; example=x", Preference(200, "x")),
        ("code=404, code=500", Preference(code=404)),
        ("respond-async, wait=10, code=404", Preference(code=404)),
    ],
)
def test_a_field_is_read_as_rfc_7240_writes_it(field: str, expected: Preference) -> None:
    assert read(field) == expected


def test_many_fields_are_read_as_one() -> None:
    assert read("code=404", "example=x") == Preference(code=404, example="x")


@pytest.mark.parametrize("field", ["", "respond-async", "return=minimal", "handling=lenient, wait=5", ",,;=", '"'])
def test_preferences_of_others_are_no_wish(field: str) -> None:
    assert read(field) is NONE


def test_no_field_is_no_wish() -> None:
    assert read() is NONE


names = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1).filter(
    lambda text: text == " ".join(text.split())  # a run of white space is read as one space
)


@given(
    st.builds(
        Preference,
        code=st.none() | st.integers(200, 599),
        example=st.none() | names,
        dynamic=st.none() | st.booleans(),
        seed=st.none() | st.integers(-(10**18) + 1, 10**18 - 1),
    )
)
def test_what_is_written_is_what_is_read(wish: Preference) -> None:
    parts = []
    if wish.code is not None:
        parts.append(f"code={wish.code}")
    if wish.example is not None:
        parts.append('example="' + wish.example.replace("\\", "\\\\").replace('"', '\\"') + '"')
    if wish.dynamic is not None:
        parts.append(f"dynamic={str(wish.dynamic).lower()}")
    if wish.seed is not None:
        parts.append(f"seed={wish.seed}")
    assert read(", ".join(parts)) == wish


@given(st.text(st.characters(max_codepoint=255)))
@example('code="')
@example("code=\x00")
@example("seed=" + "9" * 5000)
def test_any_field_is_read_or_refused(field: str) -> None:
    response = title(field)
    assert response.status in (200, 400, *operations("2.6")["set_title"].exact)
    assert header(response, "x-mock-fault") in (None, "client")


# -- wishes that cannot be met ---------------------------------------------------------------------------------------


def refused(prefer: str) -> str:
    """Give the text of a refused wish."""
    response = title(prefer)
    assert response.status == 400
    assert header(response, "x-mock-fault") == "client"
    assert header(response, "x-mock-pointer") == "/header/prefer"
    assert header(response, "preference-applied") is None
    assert judge("2.6").errors("/components/schemas/HTTPError", value(response)) == []
    return str(value(response)["detail"])


@pytest.mark.parametrize("code", [418, 201, 299, 599])
def test_an_undeclared_status_is_refused_with_those_that_are_declared(code: int) -> None:
    text = refused(f"code={code}")
    assert f"no answer {code}" in text
    assert "2.6" in text
    declared = text.rpartition("declared are ")[2].rstrip(".").split(", ")
    assert set(declared) == set(operations("2.6")["set_title"].replies)


def test_an_unknown_example_is_refused_with_those_that_there_are() -> None:
    text = refused("example=nope")
    assert "'nope'" in text
    for known in ("200 unbound", "200 documented", "404 unknown-session", "503 overloaded", "401 invalid-token"):
        assert known in text


def test_an_example_of_another_status_is_refused_with_those_of_this_one() -> None:
    text = refused("code=404, example=unbound")
    assert "404 unknown-session" in text
    assert "200 unbound" not in text


def test_an_example_where_there_is_none_is_refused() -> None:
    response = ask(MOCK.handle, "DELETE", "/api/v1/chat/x", prefer="code=204, example=x")
    assert (response.status, value(response)["detail"]) == (400, "delete has no example 'x'; there are: none.")


@pytest.mark.parametrize(
    ("field", "hint"),
    [
        ("code=abc", "such as code=404"),
        ("code=99", "such as code=404"),
        ("code=600", "such as code=404"),
        ("code=4XX", "such as code=404"),
        ("code", "such as code=404"),
        ("code=", "such as code=404"),
        ("code=٤٠٤".encode().decode("latin-1"), "such as code=404"),
        ("dynamic=yes", "dynamic=true or dynamic=false"),
        ("dynamic", "dynamic=true or dynamic=false"),
        ("dynamic=True", "dynamic=true or dynamic=false"),
        ("seed=x", "whole number"),
        ("seed=1.5", "whole number"),
        ("seed=" + "9" * 19, "whole number"),
        ("code=200, seed=", "whole number"),
    ],
)
def test_a_misspelt_wish_is_refused_with_its_right_form(field: str, hint: str) -> None:
    assert hint in refused(field)


@pytest.mark.parametrize("field", ["example", "example=", 'example=""'])
def test_an_example_without_a_name_is_refused(field: str) -> None:
    assert "there are: " in refused(field)


# -- wishes that are met ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", [None, "respond-async", "wait=5, return=minimal"])
def test_preferences_of_others_change_nothing(field: str | None) -> None:
    response = title(field)
    assert (response.status, header(response, "x-mock-source")) == (200, "simulated")
    assert header(response, "preference-applied") is None


def test_dynamic_false_wins_over_generated_answers() -> None:
    mock = Mock(Settings(contract="2.6", answers="generated", seed=3))
    assert header(title(None, mock), "x-mock-source") == "generated"
    response = title("dynamic=false", mock)
    assert header(response, "x-mock-source") == "documented"
    assert header(response, "preference-applied") == "dynamic=false"


def test_dynamic_true_wins_over_a_simulation() -> None:
    response = title("dynamic=true")
    assert (response.status, header(response, "x-mock-source")) == (200, "generated")
    assert header(response, "preference-applied") == "dynamic=true"


def test_a_wish_for_success_is_met_by_the_simulation() -> None:
    response = title("code=200")
    assert (header(response, "x-mock-source"), value(response)["generated_title"]) == ("simulated", MESSAGE + "...")


def test_a_seed_makes_another_answer_and_the_same_again() -> None:
    first, second, again = (title(f"dynamic=true, seed={seed}").body for seed in (1, 2, 1))
    assert first != second
    assert first == again


@pytest.mark.parametrize(
    ("declared", "sent"),
    [
        (None, "1"),
        ({}, "1"),
        ({"schema": {"type": "integer"}}, "1"),
        ({"schema": {"type": "string"}}, "1"),
        ({"schema": {"type": "string", "pattern": "GMT$"}}, ".*GMT"),
        ({"schema": {"type": "integer", "minimum": 30, "maximum": 30}, "required": True}, "30"),
    ],
    ids=str,
)
@pytest.mark.parametrize("status", ["429", "503"])
def test_a_wish_to_be_turned_away_comes_with_a_time_to_try_again_where_the_contract_allows_it(
    tmp_path: Path, declared: Any, sent: str, status: str
) -> None:
    reply: Json = (
        {"description": "busy"} if declared is None else {"description": "", "headers": {"Retry-After": declared}}
    )
    responses = {"200": {"description": ""}, "404": {"description": ""}, status: reply}
    own = tmp_path / "own.json"
    info, paths = {"title": "t", "version": "1"}, {"/notes": {"get": {"operationId": "notes", "responses": responses}}}
    own.write_text(json.dumps({"openapi": "3.1.0", "info": info, "paths": paths}), "utf-8")
    mock = Mock(Settings(api="none", contract=str(own), seed=0))
    wait = header(ask(mock.handle, "GET", "/notes", prefer=f"code={status}"), "retry-after")
    assert re.fullmatch(sent, wait or "")
    assert header(ask(mock.handle, "GET", "/notes", prefer="code=404"), "retry-after") is None


def test_all_wishes_that_were_met_are_told() -> None:
    response = title("code=404, dynamic=true, seed=5")
    applied = header(response, "preference-applied")
    assert applied is not None
    assert set(applied.split(", ")) == {"code=404", "dynamic=true", "seed=5"}


def test_no_wish_is_called_met_that_was_not() -> None:
    response = title("example=unbound, dynamic=true")
    if response.status == 200:
        applied = header(response, "preference-applied") or ""
        generated = header(response, "x-mock-source") == "generated"
        assert ("dynamic=true" in applied) == generated
        assert ("example=unbound" in applied) != generated
    else:
        assert response.status == 400


# -- a bad request stays one -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefer", ["code=200", "example=unbound", "dynamic=true", "code=503", "code=999"])
def test_a_bad_request_is_refused_whatever_was_wished(prefer: str) -> None:
    bad = ask(MOCK.handle, "POST", TITLE, {}, prefer=prefer)
    assert (bad.status, header(bad, "preference-applied")) == (422, None)
    keyless = ask(MOCK.handle, "POST", TITLE, BODY, prefer=prefer, authorization=None)
    assert (keyless.status, header(keyless, "preference-applied")) == (401, None)
    lost = ask(MOCK.handle, "POST", TITLE + "s", BODY, prefer=prefer)
    assert (lost.status, header(lost, "preference-applied")) == (404, None)
    wrong = ask(MOCK.handle, "PUT", TITLE, BODY, prefer=prefer)
    assert (wrong.status, header(wrong, "preference-applied")) == (405, None)


APPLIED = [
    ("seed=7", ""),
    ("code=200, seed=7", "code=200"),
    ("example=never-run, seed=3", "example=never-run"),
    ("example=never-run, dynamic=true", "example=never-run"),
    ("dynamic=true, seed=3", "seed=3, dynamic=true"),
    ("dynamic=false", "dynamic=false"),
    ("code=404, example=session-not-found", "code=404, example=session-not-found"),
]


@pytest.mark.parametrize(("wish", "applied"), APPLIED)
def test_only_what_was_done_is_said_to_be_done(wish: str, applied: str) -> None:
    response = ask(Mock(Settings(seed=0)).handle, "POST", TITLE, {"first_message": "x"}, prefer=wish)
    assert (header(response, "preference-applied") or "") == applied
