"""A canned answer may say `template: true`: its texts are then filled in for each call, and nothing else is."""

import json
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.answer.choose import Answers
from mockserver.answer.filling import Filling
from mockserver.answer.fixtures import Fixtures, content_of
from mockserver.answer.making.words import pool
from mockserver.answer.template import FILTERS, MOST_WORK, VALUES, compile_body
from mockserver.api import Call
from mockserver.contract.reader import read_file
from mockserver.engine import Mock
from mockserver.errors import FixtureError
from mockserver.messages import Json, Request, Response
from mockserver.settings import Settings
from tests.answer.test_fixtures import STOP, TEXT, played, put
from tests.project.test_house import run
from tests.strategies import ROOT, write_document
from tests.talk import ask, events, header, value, whole

NOW = datetime(2026, 4, 22, 12, 34, 41, 342245, UTC)

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Orders", "version": "1"},
    "paths": {
        "/orders/{id}": {
            "parameters": [
                {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}},
                {"name": "q", "in": "query", "schema": {"type": "string"}},
            ],
            "put": {
                "operationId": "put_order",
                "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
                "responses": {"200": {"$ref": "#/components/responses/Order"}},
            },
        }
    },
    "components": {
        "responses": {
            "Order": {
                "description": "The order.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}},
            }
        },
        "schemas": {"Order": {"type": "object", "properties": {"id": {"type": "integer"}}}},
    },
}


def mock_of(folder: Path, body: Json, seed: int = 1, **more: Any) -> Mock:
    """Make a mock of orders whose canned answer is a template."""
    put(folder, "fixtures/put_order/200.json", {"template": True, "body": body})
    contract = str(write_document(folder, DOCUMENT))
    return Mock(Settings(contract=contract, fixtures=folder / "fixtures", seed=seed, clock=NOW, **more))


def order(mock: Mock, sent: Json = None, **more: Any) -> Response:
    return ask(mock.handle, "PUT", "/orders/7", {} if sent is None else sent, **more)


def answered(folder: Path, body: Json, sent: Json = None, **more: Any) -> Any:
    """Give the answer of a template to one call."""
    response = order(mock_of(folder, body), sent, **more)
    assert (response.status, header(response, "x-mock-source")) == (200, "canned"), response.body
    return value(response)


# -- what a user sees ------------------------------------------------------------------------------------------------


def test_an_answer_repeats_what_its_request_says(tmp_path: Path) -> None:
    body = {
        "id": "{{ path.id }}",
        "name": "{{ body.name | upper }}",
        "found": "{{ query.q }} for {{ headers['x-request-id'] }}",
        "list": [{"deep": "{{ body.tags[1] }}"}, "as it stands", 5],
    }
    sent = {"name": "milk", "tags": ["a", "b"]}
    found = answered(tmp_path, body, sent, query="q=cheese", x_request_id="r-1")
    assert found == {"id": 7, "name": "MILK", "found": "cheese for r-1", "list": [{"deep": "b"}, "as it stands", 5]}


@pytest.mark.parametrize("sent", [3, 1.5, True, None, "3", [1, {"a": None}], {"b": []}, 2**70], ids=repr)
def test_an_expression_that_stands_alone_keeps_the_type_of_its_value(tmp_path: Path, sent: Json) -> None:
    found = answered(tmp_path, {"x": "{{ body.count }}", "y": " {{ body.count }}"}, {"count": sent})
    assert json.dumps(found["x"]) == json.dumps(sent)
    assert found["y"] == " " + (sent if isinstance(sent, str) else json.dumps(sent))


@pytest.mark.parametrize("name", ["items", "keys", "values", "get", "count", "format"])
def test_a_field_has_its_own_value_whatever_python_calls_the_same(tmp_path: Path, name: str) -> None:
    assert answered(tmp_path, {"x": f"{{{{ body.{name} }}}}"}, {name: [1]}) == {"x": [1]}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ query.q | default('none') }}", "none"),
        ("{{ body.deep.deeper.name | default(none) }}", None),
        ("{{ 'vip' if body.vip is defined else 'plain' }}", "plain"),
        ("{% for n in body.list %}{{ loop.index }}:{{ n }} {% endfor %}", "1:5 2:6 "),
        ("{% if body.list[0] > 4 %}big{% else %}small{% endif %}", "big"),
        ("{% set total = body.list | sum %}{{ total }} in all", "11 in all"),
        ("{{ body.list | map('string') | join('-') }}", "5-6"),
        ("{{ body.list[0] + 1 }}", 6),
        ("{{ path.id | string }}", "7"),
        ("{{ path.id ~ '/' ~ body.list }}", "7/[5, 6]"),
        ("{{ headers['Content-TYPE'] }}", "application/json"),
        ("{# nothing #}", ""),
        ("{% raw %}{{ path.id }}{% endraw %}", "{{ path.id }}"),
        ("a line\n", "a line\n"),
        ("{{ path.id }}\n", "7\n"),
    ],
)
def test_a_template_has_defaults_conditions_loops_and_filters(tmp_path: Path, template: str, expected: Json) -> None:
    assert answered(tmp_path, {"x": template}, {"list": [5, 6]}) == {"x": expected}


def test_the_time_is_that_of_the_mocks_clock(tmp_path: Path) -> None:
    names = {"at": "now", "day": "now.date", "s": "now.unix", "ms": "now.unix_ms", "end": "now.plus(days=1, hours=-1)"}
    assert answered(tmp_path, {name: f"{{{{ {text} }}}}" for name, text in names.items()}) == {
        "at": "2026-04-22T12:34:41.342245Z",
        "day": "2026-04-22",
        "s": 1_776_861_281,
        "ms": 1_776_861_281_342,
        "end": "2026-04-23T11:34:41.342245Z",
    }


DRAWN = {"roll": "{{ random.randint(1, 1000000) }}", "key": "{{ random.uuid() }}", "mail": "{{ faker.email }}"}


def test_the_same_seed_gives_the_same_bytes_and_the_next_call_others(tmp_path: Path) -> None:
    first, again = mock_of(tmp_path, DRAWN), mock_of(tmp_path, DRAWN)
    told = [order(first).body for _ in range(3)]
    assert told == [order(again).body for _ in range(3)]
    assert len(set(told)) == 3
    assert 1 <= json.loads(told[0])["roll"] <= 1_000_000
    assert order(mock_of(tmp_path, DRAWN, seed=2)).body not in told


def test_a_seed_that_is_preferred_gives_the_same_bytes_each_time(tmp_path: Path) -> None:
    mock = mock_of(tmp_path, DRAWN)
    told = [order(mock, prefer="seed=5") for _ in range(2)]
    assert told[0].body == told[1].body
    assert header(told[0], "preference-applied") == "seed=5"
    assert header(order(mock_of(tmp_path, {"id": "{{ path.id }}"}), prefer="seed=5"), "preference-applied") is None


def test_the_words_of_faker_are_in_the_language_of_the_mock(tmp_path: Path) -> None:
    found = value(order(mock_of(tmp_path, {"x": "{{ faker.city }}"}, locale="de_DE")))["x"]
    assert found in pool("city", "de_DE")


def test_the_kept_item_that_the_path_names_is_the_record(tmp_path: Path) -> None:
    contract = read_file(write_document(tmp_path, DOCUMENT))
    put(
        tmp_path,
        "fixtures/put_order/200.json",
        {"template": True, "body": {"was": "{{ record.status | default('new') }}"}},
    )
    answers = Answers(
        Fixtures((contract,), tmp_path / "fixtures"),
        "canned",
        lambda *_: Random(0),
        now=lambda: 0,
    )
    answers.record_of = lambda call: {"status": "paid"} if call.path["id"] == 7 else None
    for number, status in ((7, "paid"), (8, "new")):
        request = Request("PUT", f"/orders/{number}")
        draft = answers.answer(Call(request, contract.operations[0], {"id": number}, {}, {}))
        assert draft.value == {"was": status}


def test_a_template_is_had_by_name_in_a_preference_and_in_a_stub(tmp_path: Path) -> None:
    mock = mock_of(tmp_path, {})
    put(tmp_path, "fixtures/put_order/200.echo.json", {"template": True, "body": {"x": "{{ body.a }}"}})
    mock.reload()
    assert value(order(mock, {"a": 1}, prefer="example=echo")) == {"x": 1}
    mock.served.stubs.add("default", {"operation": "put_order", "example": "echo", "partial": {"id": 8}})
    assert value(order(mock, {"a": 2})) == {"x": 2, "id": 8}


def test_the_events_of_a_script_are_filled_in_and_played(tmp_path: Path) -> None:
    script = [{"event": {**TEXT, "content": "You said: {{ body.prompt }}"}}, {"event": STOP}]
    put(tmp_path, "stream/200.json", {"template": True, "body": script})
    put(tmp_path, "stream/200.echo.json", {"template": True, "body": script})
    for prefer in (None, "example=echo"):
        told = events(whole(played(Mock(Settings(fixtures=tmp_path, seed=0)), prefer)).body)
        assert told == [{**TEXT, "content": "You said: What were the main findings in Q3?"}, STOP]


def test_the_example_of_the_page_is_answered_as_it_says(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "templates.md").read_text("utf-8")
    fixture, sent, expected = map(json.loads, re.findall(r"```json\n(.*?)```", text, re.DOTALL))
    mock = mock_of(tmp_path, {})
    put(tmp_path, "fixtures/put_order/200.json", fixture)
    mock.reload()
    assert value(order(mock, sent, x_customer="Ada")) == expected


def test_the_page_names_all_that_a_template_may_use() -> None:
    text = (ROOT / "docs" / "templates.md").read_text("utf-8")
    filters = {name for name in FILTERS if not name.startswith("_")} - {"d", "count"}  # short for others
    assert {name for name in filters | VALUES.keys() if f"`{name}`" not in text} == set()


# -- what is no template ---------------------------------------------------------------------------------------------

LIKE_ONE: list[Json] = [
    {"x": "{{ path.id }}"},
    {"template": True},
    {"template": "true", "body": "{{ path.id }}"},
    {"template": True, "body": "{{ path.id }}", "id": 1},
    {"template": True, "text": "{{ path.id }}"},
]


@pytest.mark.parametrize("body", LIKE_ONE, ids=json.dumps)
def test_without_the_flag_an_answer_stands_as_it_was_recorded(tmp_path: Path, body: Json) -> None:
    mock = mock_of(tmp_path, {})
    assert content_of(body) == body
    put(tmp_path, "fixtures/put_order/200.json", body)
    mock.reload()
    assert value(order(mock)) == body


@pytest.mark.parametrize("flag", [True, False])
def test_an_answer_that_looks_like_a_template_is_written_with_the_flag_false(tmp_path: Path, flag: bool) -> None:
    mock, body = mock_of(tmp_path, {}), {"template": flag, "body": "{{ path.id }}"}
    assert content_of(body) == {"template": False, "body": body}
    put(tmp_path, "fixtures/put_order/200.json", content_of(body))
    mock.reload()
    assert value(order(mock)) == body


def test_keys_are_no_templates(tmp_path: Path) -> None:
    assert answered(tmp_path, {"{{ path.id }}": "{{ path.id }}"}) == {"{{ path.id }}": 7}


HOSTILE_TEXTS = st.sampled_from(
    ["{{ 7*7 }}", "{% for x in y %}", "{{", "{#", "}}", "{{ body }}", "${7*7}", "{{ path.id"]
)
BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | HOSTILE_TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | HOSTILE_TEXTS, inner, max_size=3),
    max_leaves=8,
)


def filling_of(sent: Json) -> Filling:
    """Give what fills in a template for a call with a body, and with its text in the query."""
    operation: Any = None  # no template looks at it
    call = Call(Request("PUT", "/orders/7"), operation, {"id": 7}, {"q": json.dumps(sent)}, sent)
    return Filling(call, 0, lambda: sent, lambda: Random(0), "en_US")


@given(BODIES)
def test_what_a_client_sends_is_never_a_template(sent: Json) -> None:
    text = json.dumps(sent)
    templates = [
        "{{ body }}",
        "{{ record | default(none) }}",
        "{{ query.q }}",
        "<{{ body | tojson }}>",
        "<{{ query.q }}>",
    ]
    whole_value, record, query, written, in_text = compile_body(templates, "f")(filling_of(sent))
    assert (whole_value, record) == (sent, sent)
    assert json.loads(written[1:-1]) == sent
    assert (query, in_text) == (text, f"<{text}>")


# -- what is wrong with one ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "why", "fix"),
    [
        ("{{ path.id", "unexpected end of template", "correct the template"),
        ("a\n{{ 1 + }}", "in line 2 of the text", "correct the template"),
        ("{{ path.id | uper }}", "No filter named 'uper'", "correct the template"),
        ("{{ boddy.name }}", "there is nothing called 'boddy'", "did you mean 'body'?"),
        ("{{ _work }}", "there is nothing called '_work'", "there are path, query"),
        ("{{ lipsum() }}", "there is nothing called 'lipsum'", "there are path, query"),
        ("{% include 'x' %}", "a template has no include here", "use values, if, for and set"),
        ("{% macro x() %}{% endmacro %}", "a template has no macro here", "use values, if, for and set"),
        ("{% for x in body recursive %}{{ loop(x) }}{% endfor %}", "no recursive here", "use values"),
        ("{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}", "it is nested too deeply", "make it simpler"),
        ("{% for a in [1] %}" * 40 + "{% endfor %}" * 40, "it is nested too deeply", "make it simpler"),
    ],
)
def test_what_can_be_seen_at_the_start_stops_it(tmp_path: Path, template: str, why: str, fix: str) -> None:
    with pytest.raises(FixtureError) as caught:
        mock_of(tmp_path, {"a/b": [1, {"x": template}]})
    error = caught.value
    assert (error.exit_code, error.what.startswith("the template ")) == (3, True)
    assert error.where == f"{tmp_path / 'fixtures/put_order/200.json'}#/body/a~1b/1/x"
    assert why in error.why
    assert error.fix.startswith(fix)


def test_a_template_for_a_status_that_is_not_declared_stops_the_start(tmp_path: Path) -> None:
    put(tmp_path, "fixtures/put_order/202.json", {"template": True, "body": {}})
    with pytest.raises(FixtureError, match="no contract declares a JSON answer 202 here"):
        mock_of(tmp_path, {})


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ query.q }}", "there is no 'q'"),
        ("{{ record.status }}", "no item is kept under the path of the request"),
        ("{{ body.a.b.c }}", "there is no 'a'"),
        ("{{ path.id + 'x' }}", "an operation does not fit the kinds of its values"),
        ("{{ path.id() }}", "what is called is no function: write it without ( )"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ faker.emial }}", "Faker has no provider 'emial'"),
        ("{{ '%s' % 1 }}", "% is for numbers"),
        ("{{ random }}", "its value is no JSON value"),
        ("{{ 1e308 * 10 }}", "its value is no JSON value"),
        ("{{ {1: 2} }}", "an object has a name that is no text"),
        ("{{ now.plus(days=10**9) }}", "a number is too large"),
        ("{{ ''.__class__.__mro__ }}", "there is no '__class__'"),
        ("{{ body.update({'a': 1}) }}", "there is no 'update'"),
        ("{{ 'x'.format }}", "there is no 'format'"),
    ],
)
def test_what_fails_for_a_call_is_told_as_the_fault_of_the_fixture(tmp_path: Path, template: str, why: str) -> None:
    response = order(mock_of(tmp_path, {"x": [template]}))
    assert (response.status, header(response, "x-mock-fault")) == (500, "fixture")
    assert (header(response, "x-should-retry"), header(response, "x-mock-source")) == ("false", None)
    assert why in str(header(response, "x-mock-message")).replace("%25", "%")
    told = value(response)["detail"]
    for text in (repr(template), why, f"{tmp_path / 'fixtures/put_order/200.json'}#/body/x/0", "; "):
        assert text in told


def test_an_answer_that_breaks_the_contract_once_it_is_filled_in_is_the_fault_of_the_fixture(tmp_path: Path) -> None:
    mock = mock_of(tmp_path, {"id": "{{ body.id }}"})
    assert value(order(mock, {"id": 5})) == {"id": 5}
    response = order(mock, {"id": "five"})
    assert (response.status, header(response, "x-mock-fault")) == (500, "fixture")
    told = value(response)["detail"]
    assert f"{tmp_path / 'fixtures/put_order/200.json'}#/body/id" in told
    assert 'expected {"type": "integer"}, received "five"' in told


def test_a_script_that_breaks_the_contract_once_it_is_filled_in_is_the_fault_of_the_fixture(tmp_path: Path) -> None:
    put(tmp_path, "stream/200.json", {"template": True, "body": [{"event": {"type": "{{ body.prompt }}"}}]})
    mock = Mock(Settings(fixtures=tmp_path, seed=0))
    sent = {"index_ids": ["idx-a"], "prompt": "x"}
    response = ask(mock.handle, "POST", "/api/v1/chat/ses-abc123/messages/stream", sent)
    assert (response.status, header(response, "x-mock-fault")) == (500, "fixture")
    assert "#/body/0/event)" in value(response)["detail"]


def test_a_template_that_fails_for_a_request_that_is_only_warned_of_is_told(tmp_path: Path) -> None:
    mock = mock_of(tmp_path, {"x": "{{ query.q }}"}, invalid="warn")
    response = ask(mock.handle, "PUT", "/orders/seven", {})
    assert response.status == 500
    assert "there is no 'q'" in value(response)["detail"]


# -- bounds ----------------------------------------------------------------------------------------------------------

TEXTS, ZEROS = "a " * 500_000, [0] * 500_000

HOSTILE: list[tuple[str, Json]] = [
    ("{{ 'a' * 10**9 }}", None),
    ("{{ 10**9 * [0] }}", None),
    ("{{ range(10**12) }}", None),
    ("{{ range(-(10**30), 10**30) }}", None),
    ("{{ 2**(2**40) }}", None),
    ("{% set a = 'x' * 1000000 %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}", None),
    ("{% set a = [1] %}" + "{% set a = [a, a] %}" * 40 + "{{ a }}", None),
    ("{% set a = [1] %}" + "{% set a = a + a %}" * 40 + "{{ a }}", None),
    ("{% for i in range(9999) %}" * 3 + "{% endfor %}" * 3, None),
    ("{% for i in range(99999) %}" + "x" * 99_999 + "{% endfor %}", None),
    ("{% for i in range(99999) %}" + "{% if i %}{% endif %}" * 999 + "{% endfor %}", None),
    ("{% for i in range(99999) %}{{ 'b' in body }}{% endfor %}", TEXTS),
    ("{% for i in range(99999) %}{{ body == body }}{% endfor %}", TEXTS),
    ("{% for i in range(99999) %}{{ body.strip() | length }}{% endfor %}", TEXTS),
    ("{% for i in range(99999) %}{{ body[::-1] | length }}{% endfor %}", TEXTS),
    ("{% for i in range(99999) %}{{ body | sort | length }}{% endfor %}", ZEROS),
    ("{{ body | select('in', body) | list | length ~ (body | select('in', body) | list) }}", [*range(400_000)]),
    ("{{ body | replace('a', body) }}", TEXTS),
    ("{{ body.split(' ') | map('replace', '', body) | join }}", TEXTS),
    ("{{ body | join(body | string) }}", ZEROS),
    ("{{ [body] * 10000 }}", ZEROS),
    ("{{ body }}" * 50, TEXTS),
]


@pytest.mark.parametrize(("template", "sent"), HOSTILE, ids=[template[:50] for template, _ in HOSTILE])
def test_what_a_template_reads_builds_and_writes_is_bounded(template: str, sent: Json) -> None:
    filling = filling_of(sent)
    started = time.thread_time()
    with pytest.raises(FixtureError, match=f"reads, builds or writes more than {MOST_WORK:,} bytes"):
        compile_body(template, "f")(filling)
    assert time.thread_time() - started < 5  # most of them would take hours, or all memory


def test_the_bound_is_that_of_the_whole_answer() -> None:
    sent = filling_of("x" * (MOST_WORK // 10))
    assert len(compile_body(["{{ body }}"] * 4, "f")(sent)) == 4
    with pytest.raises(FixtureError, match="reads, builds or writes more"):
        compile_body(["{{ body }}"] * 11, "f")(sent)


# -- what it costs those who have none -------------------------------------------------------------------------------


def test_without_a_template_nothing_of_jinja2_is_loaded(tmp_path: Path) -> None:
    mock_of(tmp_path, {})
    code = """
import sys
from pathlib import Path
from mockserver.engine import Mock
from mockserver.settings import Settings
Mock(Settings(contract=sys.argv[1], fixtures=Path(sys.argv[2])))
print(sorted({name.partition(".")[0] for name in sys.modules} & {"jinja2", "markupsafe"}))
"""
    arguments = (str(tmp_path / "notes.json"), str(tmp_path / "fixtures"))
    assert run(code, *arguments) == "['jinja2', 'markupsafe']\n"
    put(tmp_path, "fixtures/put_order/200.json", {"x": "{{ path.id }}"})
    assert run(code, *arguments) == "[]\n"


def test_without_jinja2_the_start_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mockserver.answer.template")
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(FixtureError) as caught:
        mock_of(tmp_path, {})
    error = caught.value
    assert "needs the extra templates, which is not installed" in error.what
    assert error.where == str(tmp_path / "fixtures/put_order/200.json")
    assert (error.exit_code, error.fix) == (3, "pip install 'llamacloud-mockserver[templates]'")
