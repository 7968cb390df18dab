"""Records and scopes: what is kept is changed, deleted, saved and put back; scopes are shown, seeded, forgotten."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect

from tests.page.conftest import barriers, rows, shown, title
from tests.strategies import ROOT
from tests.talk import MESSAGE

CHAT = "/api/v1/chat"


def kept(client: httpx.Client, session: str = "ses-1") -> int:
    return client.get(f"/__mock__/sessions/{session}").status_code


def test_a_record_is_found_changed_and_deleted(page: Page, chat: httpx.Client) -> None:
    for session in ("ses-1", "ses-2"):
        title(chat, MESSAGE, session)
    page.goto(shown(chat) + "#/records")
    expect(page.get_by_text("2 sessions")).to_be_visible()
    page.get_by_label("Search records").fill("ses-1")
    row = page.get_by_role("listbox", name="Records").get_by_role("option")
    expect(row).to_have_count(1)
    row.click()
    text = page.get_by_label("What is kept, as JSON")
    data = json.loads(text.input_value())
    text.fill(json.dumps({**data, "title": "Changed by hand"}))
    assert barriers(page) == []
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="the record is changed")).to_be_visible()
    assert chat.get(f"{CHAT}/ses-1").json()["generated_title"] == "Changed by hand"
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("1 sessions")).to_be_visible()
    assert (kept(chat, "ses-1"), kept(chat, "ses-2")) == (404, 200)


def test_a_record_that_cannot_be_kept_is_refused_and_so_is_one_that_changed_meanwhile(
    page: Page, chat: httpx.Client
) -> None:
    title(chat, MESSAGE)
    page.goto(shown(chat) + "#/records/sessions/ses-1")
    text = page.get_by_label("What is kept, as JSON")
    right = text.input_value()
    text.fill('{"title": 5}')
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("this cannot be kept in sessions")
    text.fill("{")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("the body is not JSON")
    text.fill(right)
    data = json.loads(right)
    chat.put("/__mock__/records/sessions?id=ses-1", json={**data, "title": "by another"})
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("changed meanwhile")


def test_a_long_number_stays_as_it_is(page: Page, serve: Callable[..., str], tmp_path: Path) -> None:
    document = (ROOT / "examples" / "any-api" / "orders.yaml").read_text("utf-8")
    (tmp_path / "orders.yaml").write_text(document, "utf-8")
    url = serve(seed=1, contract=str(tmp_path / "orders.yaml"))
    order = {"id": 7, "email": "ada@example.org", "status": "open", "lines": [{"sku": "AB-1", "quantity": 1}]}
    data = {**order, "note": {"deep": [12345678901234567890, "a, {b}"]}}
    kept_at = f"{url}/__mock__/records/orders?id=7"
    assert httpx.put(kept_at, json=data).status_code == 200
    page.goto(url + "/__mock__/#/records/orders/7")
    text = page.get_by_label("What is kept, as JSON")
    assert json.loads(text.input_value()) == data
    text.fill(text.input_value().replace("a, {b}", "c"))
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="the record is changed")).to_be_visible()
    assert httpx.get(kept_at).json()["data"] == {**order, "note": {"deep": [12345678901234567890, "c"]}}


def test_a_snapshot_is_saved_and_restored(page: Page, chat: httpx.Client, tmp_path: Path) -> None:
    title(chat, MESSAGE)
    page.goto(shown(chat) + "#/records")
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Save a snapshot").click()
    file = tmp_path / "saved.ndjson"
    downloading.value.save_as(file)
    assert file.read_text("utf-8") == chat.get("/__mock__/state").text
    chat.delete(f"{CHAT}/ses-1")
    assert kept(chat) == 404
    page.get_by_label("Restore a snapshot").set_input_files(file)
    expect(page.get_by_role("status").filter(has_text="the snapshot is restored")).to_be_visible()
    assert kept(chat) == 200
    file.write_text("nonsense", "utf-8")
    page.get_by_label("Restore a snapshot").set_input_files(file)
    expect(page.get_by_role("alert")).to_contain_text("a saved state cannot be read")


def test_a_record_with_a_script_is_text(page: Page, chat: httpx.Client) -> None:
    attack = "<img src=x onerror=window.hit=1>"
    chat.put("/__mock__/sessions/ses-1", json={"generated_title": attack})
    page.goto(shown(chat) + "#/records/sessions/ses-1")
    assert attack in page.get_by_label("What is kept, as JSON").input_value()
    expect(page.get_by_role("listbox", name="Records")).to_contain_text(attack)
    assert (page.locator("#page img").count(), page.evaluate("() => window.hit")) == (0, None)


def test_scopes_are_shown_seeded_reset_and_forgotten(page: Page, chat: httpx.Client) -> None:
    title(chat, MESSAGE, **{"x-mock-scope": "alice"})
    page.goto(shown(chat) + "#/scopes")
    expect(page.get_by_role("row", name="alice")).to_contain_text("1")
    assert barriers(page) == []
    page.once("dialog", lambda dialog: dialog.accept("7"))
    page.get_by_role("button", name="Set seed of alice").click()
    expect(page.get_by_role("status").filter(has_text="the seed is set")).to_be_visible()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Reset alice").click()
    expect(page.get_by_role("row", name="alice")).to_contain_text("0")
    assert chat.get("/__mock__/scopes/alice").json() == {"name": "alice", "records": 0, "seed": 7}
    title(chat, MESSAGE, **{"x-mock-scope": "alice"})
    page.get_by_role("button", name="Show alice").click()
    expect(rows(page)).to_have_count(1)
    page.goto(shown(chat) + "#/scopes")
    page.reload()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Forget alice").click()
    expect(page.get_by_role("row", name="alice")).to_have_count(0)
    assert chat.get("/__mock__/scopes/alice").json()["seed"] == 1
