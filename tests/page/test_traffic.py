"""Traffic: exchanges appear as they come, and one opened shows what was wrong, where, and what the contract says."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
from playwright.sync_api import Page, expect

from mockserver.engine import Mock
from mockserver.server.uvicorn import running
from tests.conftest import app_of, settings
from tests.needs import free_port
from tests.page.conftest import barriers, rows, shown, title
from tests.talk import KEY, MESSAGE, TITLE


def test_an_exchange_appears_when_it_comes_with_its_operation_status_and_whose_fault(
    page: Page, chat: httpx.Client
) -> None:
    page.goto(shown(chat))
    expect(page.get_by_text("Nothing has come yet")).to_be_visible()
    title(chat, MESSAGE)
    title(chat, 5)
    right = r"^\d\d:\d\d:\d\d\.\d{3} ?POST ?/api/v1/chat/ses-1/title ?set_title ?"
    expect(rows(page)).to_have_text([re.compile(right + "200$"), re.compile(right + "422 ?fault of the client$")])
    expect(rows(page).last.get_by_title("Input should be a valid string")).to_be_visible()
    assert barriers(page) == []


def test_an_opened_refusal_marks_the_line_and_shows_what_the_contract_says(page: Page, chat: httpx.Client) -> None:
    body = '{"more": [1, {"n": 12345678901234567890}], "first_message": 5}'
    chat.post("/api/v1/chat/ses-1/title", content=body, headers={"content-type": "application/json"})
    page.goto(shown(chat))
    rows(page).click()
    request = page.get_by_role("region", name="Request body")
    expect(request.locator("mark")).to_have_text(['"first_message": 5'])
    expect(request.get_by_role("note")).to_have_text(["Input should be a valid string"])
    expect(request).to_contain_text('"n": 12345678901234567890')  # as it was sent, not as a double
    said = page.get_by_role("region", name="What the contract says")
    expect(said).to_contain_text('"type": "string"')
    expect(page.get_by_role("region", name="Answer body")).to_contain_text('"string_type"')
    assert barriers(page) == []


def test_a_wrong_parameter_is_marked_beside_its_name_and_what_is_missing_where_it_belongs(
    page: Page, chat: httpx.Client
) -> None:
    chat.post("/api/v1/chat/ses-1/title?organization_id=x", json={"first_message": MESSAGE})
    chat.post("/api/v1/chat/ses-1/title", json={})
    page.goto(shown(chat))
    rows(page).first.click()
    marked = page.get_by_role("row", name="organization_id")
    expect(marked.locator("mark")).to_have_text("x")
    expect(marked.get_by_role("note")).to_contain_text("UUID")
    rows(page).last.click()
    body = page.get_by_role("region", name="Request body")
    expect(body.locator("mark")).to_have_text(["{}"])
    expect(body.get_by_role("note")).to_have_text(["Field required"])


def test_rows_are_searched_and_filtered(page: Page, chat: httpx.Client) -> None:
    for session in ("ses-a", "ses-b"):
        title(chat, MESSAGE, session)
    title(chat, 5, "ses-b")
    page.goto(shown(chat))
    expect(rows(page)).to_have_count(3)
    page.keyboard.press("/")
    page.keyboard.type("ses-b")
    expect(rows(page)).to_have_count(2)
    page.get_by_label("Which exchanges").select_option("wrong")
    expect(rows(page)).to_have_count(1)
    page.get_by_label("Which exchanges").select_option("2xx")
    expect(rows(page)).to_contain_text("200")
    page.get_by_label("Search exchanges").fill("no such thing")
    expect(rows(page)).to_have_count(0)


def test_the_list_is_walked_and_closed_by_keys(page: Page, chat: httpx.Client) -> None:
    for number in range(3):
        title(chat, MESSAGE, f"ses-{number}")
    page.goto(shown(chat))
    expect(rows(page)).to_have_count(3)
    page.get_by_role("listbox").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("heading", level=2)).to_contain_text("/ses-1/")
    page.keyboard.press("End")
    expect(page.get_by_role("heading", level=2)).to_contain_text("/ses-2/")
    assert page.get_by_role("listbox").get_attribute("aria-activedescendant") == "row-3"
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", level=2)).to_have_count(0)


def test_the_differences_to_the_nearest_stub_are_shown(page: Page, chat: httpx.Client) -> None:
    for when in ({"first_message": "another"}, {"first_message": "x", "path": {"session_id": "ses-9"}}):
        chat.post("/__mock__/stubs", json={"operation": "set_title", "when": when, "status": 503})
    title(chat, MESSAGE)
    page.goto(shown(chat))
    rows(page).click()
    table = page.locator(".compared").first
    expect(table).to_contain_text("stub 1 for set_title")
    assert table.get_by_role("row").all_inner_texts()[1].split("\t") == [
        "/body/first_message",
        '"another"',
        f'"{MESSAGE}"',
    ]


def test_what_is_copied_sends_the_same_request_again(page: Page, chat: httpx.Client) -> None:
    title(chat, 'it\'s "quoted" $HOME \\ ü\n')
    page.goto(shown(chat))
    rows(page).click()
    for name, command in (("curl", ["/bin/sh", "-c"]), ("Python", [sys.executable, "-c"])):
        page.get_by_text(name, exact=True).click()
        page.locator("details", has=page.get_by_text(name, exact=True)).get_by_role("button", name="Copy").click()
        expect(page.get_by_role("status").filter(has_text=f"{name} is copied")).to_be_visible()
        text = page.evaluate("() => navigator.clipboard.readText()")
        done = subprocess.run([*command, text], capture_output=True, text=True, timeout=30, check=True)
        assert "generated_title" in done.stdout
    first, *again = chat.get("/__mock__/journal").json()["exchanges"]
    assert [each["request"]["body"] for each in again] == [first["request"]["body"]] * 2
    assert [each["answer"]["status"] for each in again] == [200, 200]


def test_the_attempts_of_a_call_are_shown_together(page: Page, chat: httpx.Client) -> None:
    chat.post("/__mock__/stubs", json={"operation": "set_title", "answers": [{"status": 503}, {}]})
    title(chat, MESSAGE)
    title(chat, MESSAGE, **{"x-stainless-retry-count": "1"})
    page.goto(shown(chat))
    rows(page).last.click()
    attempts = page.get_by_role("navigation", name="Attempts of this call")
    expect(attempts.get_by_role("link")).to_have_text(["1. 503", "2. 200"])
    attempts.get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=2)).to_contain_text("503")


def test_a_stream_is_shown_as_its_events_in_time(page: Page, chat: httpx.Client) -> None:
    sent = {"prompt": "What is new?", "index_ids": ["idx-1"]}
    answer = chat.post("/api/v1/chat/ses-1/messages/stream", json=sent)
    count = sum(line.startswith("data: ") for line in answer.text.splitlines())
    assert count > 1
    page.goto(shown(chat))
    rows(page).click()
    events = page.get_by_role("list", name="Events of the stream").get_by_role("listitem")
    expect(events).to_have_count(count)
    times = [re.match(r"\+(\d+\.\d{3}) s", each) for each in events.all_inner_texts()]
    found = [float(each[1]) for each in times if each]
    assert (len(found), found) == (count, sorted(found))
    assert barriers(page) == []


def test_ten_thousand_exchanges_draw_only_what_is_in_sight(page: Page, chat: httpx.Client) -> None:
    page.goto(shown(chat))
    made = {"operation": "set_title", "method": "POST", "path": "/x", "query": "", "status": 200, "source": "simulated"}
    more: dict[str, Any] = {
        "fault": None,
        "message": None,
        "stub": None,
        "faults": [],
        "attempt": 0,
        "at": "2026-01-01T00:00:00.000000",
    }
    batch = [{"number": number, **made, **more} for number in range(1, 10_001)]
    event = json.dumps({"forgotten": False, "skipped": 0, "rows": batch})
    page.route(
        "**/__mock__/events", lambda route: route.fulfill(content_type="text/event-stream", body=f"data: {event}\n\n")
    )
    page.reload()
    expect(page.locator(".count")).to_contain_text("10000")
    assert rows(page).count() < 100
    page.get_by_role("listbox").focus()
    for key, number in (("Home", 1), ("PageDown", None), ("End", 10_000)):
        page.keyboard.press(key)
        if number:
            expect(page.locator(f"#row-{number}")).to_be_visible()
    assert rows(page).count() < 100


def test_what_is_captured_is_never_run(page: Page, chat: httpx.Client) -> None:
    attack = "<img src=x onerror=window.hit=1><script>window.hit=1</script>\"'></mark>javascript:window.hit=1"
    chat.request("POST", "/api/v1/" + attack + "?q=" + attack, content=attack, headers={"x-attack": attack})
    title(chat, {attack: attack})
    chat.post("/__mock__/stubs", json={"operation": "set_title", "when": {"first_message": attack}, "status": 503})
    title(chat, attack)
    page.goto(shown(chat))
    for number in range(3):
        rows(page).nth(number).click()
        page.get_by_role("heading", level=2).wait_for()
        for each in page.locator("details").all():
            each.evaluate("each => { each.open = true; }")
        assert page.locator("#page img, #page script").count() == 0
    expect(page.get_by_role("region", name="Request body")).to_contain_text("<script>window.hit=1</script>")
    for view in ("stubs", "contract", "records", "scopes", "traffic"):
        page.get_by_role("navigation", name="Views").get_by_role("link", name=view.title()).click()
        expect(page.get_by_role("main")).to_contain_text("<script>window.hit=1</script>" if view == "stubs" else "")
        assert page.locator("#page img, #page script").count() == 0
    assert page.evaluate("() => window.hit") is None


def test_a_narrow_screen_shows_one_side_at_a_time(page: Page, chat: httpx.Client) -> None:
    title(chat, 5)
    page.set_viewport_size({"width": 360, "height": 640})
    page.goto(shown(chat))
    rows(page).click()
    expect(page.get_by_role("listbox")).not_to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("link", name="Close the exchange").click()
    expect(page.get_by_role("listbox")).to_be_visible()


def test_a_mock_without_a_journal_says_so(page: Page, serve: Callable[..., str]) -> None:
    page.goto(serve(seed=1, journal_size=0) + "/__mock__/")
    expect(page.get_by_text("This mock keeps no journal")).to_be_visible()


def test_all_exchanges_are_forgotten_only_after_a_question(page: Page, chat: httpx.Client) -> None:
    title(chat, MESSAGE)
    page.goto(shown(chat))
    expect(rows(page)).to_have_count(1)
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Forget").click()
    expect(rows(page)).to_have_count(1)
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Forget").click()
    expect(rows(page)).to_have_count(0)
    assert chat.get("/__mock__/journal").json()["exchanges"] == []


def test_a_mock_that_was_started_again_is_shown_anew(page: Page, complaints: list[str]) -> None:
    port = free_port()
    for number, status in ((2, 200), (1, 422)):
        with running(app_of(Mock(settings(seed=1))), port=port) as url, httpx.Client(base_url=url) as client:
            if status == 200:
                page.goto(shown(client))
            for _ in range(number):
                client.post(TITLE, json={"first_message": "x" if status == 200 else 5}, headers={"authorization": KEY})
            expect(rows(page)).to_have_count(number, timeout=20_000)
            expect(rows(page).first).to_contain_text(str(status))
            if status == 422:
                page.goto("about:blank")
    assert {each for each in complaints if "ERR_CONNECTION_REFUSED" not in each and "INCOMPLETE" not in each} == set()
    complaints.clear()


def test_a_scope_is_chosen_and_shows_its_own(page: Page, chat: httpx.Client) -> None:
    title(chat, MESSAGE, **{"x-mock-scope": "alice"})
    page.goto(shown(chat))
    page.get_by_label("Scope", exact=True).select_option("alice")
    expect(rows(page)).to_have_count(1)
    page.goto(f"{chat.base_url}/scope/alice/__mock__/")
    expect(rows(page)).to_have_count(1)
