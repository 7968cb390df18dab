"""Contract: operations are shown with how far they were touched, and one is tried with what it would refuse."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from mockserver.control.client import LocalAdmin
from mockserver.control.feed import node_at
from mockserver.engine import Mock
from mockserver.errors import UsageError
from mockserver.messages import Json, Request
from tests.conftest import settings
from tests.page.conftest import barriers, shown, title
from tests.strategies import ROOT
from tests.talk import MESSAGE, TITLE


def opened(page: Page, client: httpx.Client, operation: str) -> None:
    """Open an operation as a user does."""
    page.goto(shown(client))
    page.get_by_role("navigation", name="Views").get_by_role("link", name="Contract").click()
    page.get_by_role("region", name="Operations").get_by_role("link").filter(
        has=page.get_by_text(operation, exact=True)
    ).click()
    page.get_by_role("form", name="Try it").wait_for()


def test_an_operation_is_tried_with_what_is_filled_in_and_then_touched(page: Page, chat: httpx.Client) -> None:
    opened(page, chat, "set_title")
    link = page.get_by_role("region", name="Operations").get_by_role("link").filter(has_text="set_title")
    expect(link).to_contain_text("never touched")
    expect(page.get_by_text("The contract allows this request.")).to_be_visible()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("region", name="Body of the answer")).to_contain_text("generated_title")
    expect(link).to_contain_text("1 touched")
    expect(page.get_by_text("200 application/json")).to_contain_text("touched")
    assert barriers(page) == []


def test_what_would_be_refused_is_told_at_its_place_before_it_is_sent(page: Page, chat: httpx.Client) -> None:
    opened(page, chat, "set_title")
    page.get_by_role("textbox", name="Body").fill('{"first_message": 5}')
    told = page.get_by_role("status", name="What would be refused")
    expect(told).to_contain_text("Input should be a valid string")
    expect(told.locator("mark")).to_have_text(['"first_message": 5'])
    page.get_by_label("organization_id").fill("x")
    expect(page.get_by_label("organization_id")).to_have_attribute("aria-invalid", "true")
    assert barriers(page) == []
    assert chat.get("/__mock__/journal").json()["exchanges"] == []
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Answer 422")).to_be_visible()
    link = page.get_by_role("region", name="Operations").get_by_role("link").filter(has_text="set_title")
    expect(link).to_contain_text("1 of 1 failed")


def test_a_body_is_filled_in_field_by_field(page: Page, chat: httpx.Client) -> None:
    opened(page, chat, "stream")
    fields = page.get_by_role("group", name="Fields of the body")
    fields.get_by_label("prompt").fill('a "new" one')
    fields.get_by_label("index_ids").fill('["idx-7"]')
    fields.get_by_label("require_all_indexes").fill("true")
    body = json.loads(page.get_by_role("textbox", name="Body").input_value())
    assert body == {"prompt": 'a "new" one', "index_ids": ["idx-7"], "require_all_indexes": True}
    fields.get_by_label("index_ids").fill("7")
    expect(fields.get_by_label("index_ids")).to_have_attribute("aria-invalid", "true")
    expect(fields.locator(".note")).to_contain_text("Input should be a valid list")
    fields.get_by_label("require_all_indexes").fill("")
    assert "require_all_indexes" not in page.get_by_role("textbox", name="Body").input_value()


def test_another_body_is_generated_and_an_example_filled_in(
    page: Page, serve: Callable[..., str], tmp_path: Path
) -> None:
    document = (ROOT / "examples" / "any-api" / "orders.yaml").read_text("utf-8")
    (tmp_path / "orders.yaml").write_text(document, "utf-8")
    with httpx.Client(base_url=serve(seed=1, contract=str(tmp_path / "orders.yaml"))) as client:
        opened(page, client, "create_order")
        before = page.get_by_role("textbox", name="Body").input_value()
        page.get_by_role("button", name="Generate another").click()
        expect(page.get_by_role("textbox", name="Body")).not_to_have_value(before)
        expect(page.get_by_text("The contract allows this request.")).to_be_visible()


def test_the_texts_of_a_contract_are_texts(page: Page, serve: Callable[..., str], tmp_path: Path) -> None:
    attack = "<img src=x onerror=window.hit=1>"
    schema = {"type": "object", "properties": {attack: {"type": "string", "description": attack, "enum": [attack]}}}
    operation = {
        "operationId": "odd",
        "summary": attack,
        "description": attack + attack,
        "requestBody": {"content": {"application/json": {"schema": schema}}},
        "responses": {"200": {"description": attack, "content": {"application/json": {"schema": schema}}}},
    }
    document = {"openapi": "3.1.0", "info": {"title": attack, "version": "1"}, "paths": {"/odd": {"post": operation}}}
    (tmp_path / "odd.json").write_text(json.dumps(document), "utf-8")
    with httpx.Client(base_url=serve(seed=1, contract=str(tmp_path / "odd.json"))) as client:
        opened(page, client, "odd")
        for each in page.locator("details").all():
            each.evaluate("each => { each.open = true; }")
        expect(page.get_by_role("region", name="Operation odd")).to_contain_text(attack)
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("region", name="Body of the answer")).to_contain_text(attack)
        assert (page.locator("#page img").count(), page.evaluate("() => window.hit")) == (0, None)


def admin() -> LocalAdmin:
    return LocalAdmin(Mock(settings(seed=1)), "default")


def judged(given: Json) -> Json:
    return admin().call("POST", "/__mock__/judge", given).value


def test_a_judgement_names_the_operation_the_findings_and_what_the_contract_says() -> None:
    headers = [["content-type", "application/json"], ["authorization", "Bearer any-key"]]
    found = judged({"method": "post", "path": TITLE, "headers": headers, "body": '{"first_message": 5}'})
    assert found["operation"] == "set_title"
    assert [each["where"] for each in found["findings"]] == ["/body/first_message"]
    assert found["places"][0]["properties"]["first_message"]["type"] == "string"
    nowhere = judged({"method": "GET", "path": "/nothing"})
    assert (nowhere["operation"], len(nowhere["findings"])) == (None, 1)


def test_a_judgement_names_a_missing_key() -> None:
    headers = [["content-type", "application/json"]]
    found = judged({"method": "post", "path": TITLE, "headers": headers, "body": '{"first_message": "Hello"}'})
    assert [(each["rule"], each["fault"]) for each in found["findings"]] == [("key", "client")]


def test_a_judgement_says_that_an_operation_cannot_be_served(tmp_path: Path) -> None:
    parameter = {"name": "a", "in": "query", "schema": {"$ref": "gone.json"}}
    broken = {"operationId": "odd", "parameters": [parameter], "responses": {"200": {"description": "ok"}}}
    document = {"openapi": "3.1.0", "info": {"title": "odd", "version": "1"}, "paths": {"/odd": {"get": broken}}}
    (tmp_path / "odd.json").write_text(json.dumps(document), "utf-8")
    mock = Mock(settings(contract=str(tmp_path / "odd.json")))
    assert mock.handle(Request("GET", "/odd")).status == 501
    found = LocalAdmin(mock, "default").call("POST", "/__mock__/judge", {"method": "GET", "path": "/odd"}).value
    assert [each["fault"] for each in found["findings"]] == ["contract"]


TOP = {"method": "GET", "path": "/"}


@pytest.mark.parametrize(
    "given",
    [
        None,
        [],
        {},
        {"method": "GET"},
        {"method": 1, "path": "/"},
        {**TOP, "headers": [["a"]]},
        {**TOP, "x": 1},
    ],
)
def test_what_is_no_request_is_not_judged(given: Json) -> None:
    with pytest.raises(UsageError):
        judged(given)


def test_values_to_try_are_the_contracts_own_at_first_and_then_made() -> None:
    found = [
        admin().call("GET", "/__mock__/operations/{name}", query={"turn": turn}, name="set_title").value
        for turn in ("0", "1", "2")
    ]
    assert found[0]["body"]["value"] == {"first_message": MESSAGE}
    assert len({each["body"]["value"]["first_message"] for each in found}) == 3
    assert {each["name"] for each in found[0]["parameters"]} >= {"session_id", "authorization", "organization_id"}
    assert found[0]["body"]["schema"]["properties"]["first_message"]["type"] == "string"  # references are written out


def test_of_a_keyword_the_schema_is_shown_that_has_it_and_of_an_unknown_place_nothing() -> None:
    contracts = Mock(settings(seed=1, contract=str(ROOT / "examples" / "any-api" / "orders.yaml"))).served.contracts
    found = node_at(contracts, "orders#/components/schemas/Line/properties/quantity/minimum")
    assert found == {"type": "integer", "minimum": 1, "maximum": 99}
    assert [node_at(contracts, place) for place in (None, "", "orders#/nothing/here", "x#/paths")] == [None] * 4


def test_an_operation_that_is_not_there_is_not_found() -> None:
    assert admin().call("GET", "/__mock__/operations/{name}", name="x").status == 404


def test_a_touched_operation_shows_what_failed(page: Page, chat: httpx.Client) -> None:
    title(chat, 5)
    title(chat, MESSAGE)
    page.goto(shown(chat) + "#/contract")
    expect(page.get_by_role("link").filter(has_text="set_title")).to_contain_text("1 of 2 failed")
    expect(page.get_by_text("1 of 7 touched")).to_be_visible()
