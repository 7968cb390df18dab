"""Stubs: made from an exchange or an operation, changed, switched off, in the order in which they are asked."""

import json
import re

import httpx
from playwright.sync_api import Page, expect

from mockserver.page.bundle import FILES
from mockserver.stub.faults import KINDS
from tests.page.conftest import barriers, rows, shown, title
from tests.talk import MESSAGE


def stubs(client: httpx.Client) -> list[dict[str, object]]:
    found: list[dict[str, object]] = client.get("/__mock__/stubs").json()["stubs"]
    return found


def test_a_stub_is_made_of_an_exchange_and_answers_the_same_request(page: Page, chat: httpx.Client) -> None:
    before = title(chat, MESSAGE).json()
    page.goto(shown(chat))
    rows(page).click()
    page.get_by_role("link", name="Make a stub").click()
    form = page.get_by_role("form", name="Stub")
    expect(form.get_by_label("Operation")).to_have_value("set_title")
    expect(form.get_by_label("When")).to_have_value(re.compile(MESSAGE.replace("?", r"\?")))
    stubbed = {**before, "generated_title": "Stubbed"}
    form.get_by_role("textbox", name="Body").fill(json.dumps(stubbed))
    assert barriers(page) == []
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_role("list", name="Stubs").get_by_text("0 uses")).to_be_visible()
    assert title(chat, "another").json() != stubbed
    assert title(chat, MESSAGE).json() == stubbed
    expect(page.get_by_role("list", name="Stubs").get_by_text("1 use", exact=True)).to_be_visible()
    assert barriers(page) == []


def test_an_error_with_a_fault_by_choice_is_stubbed_for_an_operation(page: Page, chat: httpx.Client) -> None:
    page.goto(shown(chat) + "#/stubs/for/set_title")
    form = page.get_by_role("form", name="Stub")
    expect(form.get_by_text("the contract has 200")).to_be_visible()
    form.get_by_label("Status").fill("503")
    form.get_by_role("button", name="Then another answer").click()
    form.get_by_label("Fault of answer 2").select_option("malformed-json")
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_role("list", name="Stubs")).to_contain_text('{"faults":"malformed-json"}')
    assert [each["answers"] for each in stubs(chat)] == [[{"status": 503}, {"faults": "malformed-json"}]]
    assert [title(chat, MESSAGE).status_code for _ in range(3)] == [503, 200, 200]


def test_what_the_contract_does_not_allow_is_refused_with_how_to_mend_it(page: Page, chat: httpx.Client) -> None:
    page.goto(shown(chat) + "#/stubs/for/set_title")
    form = page.get_by_role("form", name="Stub")
    form.get_by_label("Status").fill("418")
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("set_title has no answer 418")
    form.get_by_label("Status").fill("")
    form.get_by_label("When").fill("{")
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("When is not JSON")
    assert barriers(page) == []
    assert stubs(chat) == []


def test_a_stub_is_switched_off_and_on_changed_and_removed(page: Page, chat: httpx.Client) -> None:
    chat.post("/__mock__/stubs", json={"operation": "set_title", "status": 503, "times": "always"})
    page.goto(shown(chat) + "#/stubs")
    page.get_by_role("button", name="Switch off").click()
    expect(page.get_by_role("button", name="Switch on")).to_be_visible()
    assert title(chat, MESSAGE).status_code == 200
    page.get_by_role("button", name="Switch on").click()
    expect(page.get_by_role("button", name="Switch off")).to_be_visible()
    assert title(chat, MESSAGE).status_code == 503
    page.get_by_role("link", name="Edit").click()
    form = page.get_by_role("form", name="Stub")
    expect(form.get_by_label("Times")).to_have_value("always")
    form.get_by_label("Status").fill("429")
    form.get_by_role("button", name="Save").click()
    expect(page.get_by_role("list", name="Stubs")).to_contain_text("429")
    assert title(chat, MESSAGE).status_code == 429
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_text("No stubs.")).to_be_visible()
    assert stubs(chat) == []


def test_stubs_stand_in_the_order_in_which_they_are_asked(page: Page, chat: httpx.Client) -> None:
    for status, times in ((500, "always"), (502, 1), (503, "always"), (504, 1)):
        chat.post("/__mock__/stubs", json={"operation": "set_title", "status": status, "times": times, "invalid": True})
    page.goto(shown(chat) + "#/stubs")
    listed = page.get_by_role("list", name="Stubs").locator("code")
    expect(listed).to_contain_text(["502", "504", "503", "500"])
    assert [title(chat, MESSAGE).status_code for _ in range(3)] == [502, 504, 503]


def test_every_fault_can_be_chosen() -> None:
    listed = (FILES / "stubs.js").read_text("utf-8").partition("FAULTS = {")[2].partition("};")[0]
    assert set(re.findall(r'"([a-z-]+)": "', listed)) == set(KINDS)
