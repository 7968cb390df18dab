"""What changes on disk is served at once; what is broken is told, and what was served stays in force."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import httpx
import pytest

from mockserver.apis.llamacloud_chat.pack import NAME
from mockserver.data import data_dir
from mockserver.engine import Mock
from mockserver.messages import Headers, Request
from mockserver.server.uvicorn import running
from mockserver.settings import Settings
from mockserver.watch import places, sources, watch
from tests.conftest import app_of, settings
from tests.strategies import contract_of, own_document, write_document
from tests.talk import TITLE, ask, header, value

PATIENCE = 20.0
"""Seconds that news of a change may take on a busy machine."""


@contextmanager
def watching(mock: Mock) -> Iterator["Queue[str]"]:
    """Watch the files of a mock; gives the queue of what is said."""
    said: Queue[str] = Queue()
    stop = threading.Event()
    thread = threading.Thread(target=watch, args=(mock, said.put, stop, 50), daemon=True)
    thread.start()
    try:
        yield said
    finally:
        stop.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def change(said: "Queue[str]", write: Callable[[], Any], expected: str) -> str:
    """Write, and again if need be (the watch takes a moment to begin), until what is expected is said."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        write()
        try:
            while True:
                text = said.get(timeout=0.7)
                if text.startswith(expected):
                    return text
        except Empty:
            continue
    raise AssertionError(f"{expected!r} was not said")


@pytest.fixture
def own(tmp_path: Path) -> tuple[Path, Path]:
    """Give a contract with the title call and a folder with one fixture for it."""
    folder = tmp_path / "answers"
    (folder / "set_title").mkdir(parents=True)
    contract = tmp_path / "contract"
    contract.mkdir()
    return write_document(contract, contract_of("2.6").document, "chat.json"), folder


def replace(path: Path, text: str) -> None:
    """Write a file whole, as editors do, so that no reader ever sees half of it."""
    beside = path.with_suffix(".tmp")
    beside.write_text(text, "utf-8")
    beside.replace(path)


def fixture(folder: Path, title: Any) -> None:
    path = folder / "set_title" / "200.mine.json"
    session = {"session_id": "s", "generated_title": title, "last_updated_at": "2026-05-01T00:00:00.000000"}
    replace(path, json.dumps(session))


def mine(mock: Mock) -> Any:
    return value(ask(mock.handle, "POST", TITLE, {"first_message": "x"}, prefer="example=mine")).get("generated_title")


def test_a_changed_fixture_is_served_a_broken_one_is_told_and_a_fixed_one_is_served(own: tuple[Path, Path]) -> None:
    contract, folder = own
    fixture(folder, "One...")
    mock = Mock(settings(api=NAME, contract=str(contract), fixtures=folder, seed=0))
    with watching(mock) as said:
        assert mine(mock) == "One..."
        text = change(said, lambda: fixture(folder, "Two..."), "reloaded: ")
        assert "set_title/200.mine.json" in text
        assert "contract chat, 7 operations" in text
        assert mine(mock) == "Two..."
        text = change(said, lambda: fixture(folder, 5), "not reloaded")
        assert "set_title/200.mine.json" in text
        assert "#/generated_title" in text
        assert mine(mock) == "Two..."
        change(said, lambda: fixture(folder, "Three..."), "reloaded: ")
        assert mine(mock) == "Three..."


def test_a_changed_contract_is_served_and_the_sessions_stay(own: tuple[Path, Path]) -> None:
    contract, _ = own
    mock = Mock(settings(api=NAME, contract=str(contract), seed=0))
    document: Any = json.loads(contract.read_text("utf-8"))
    del document["paths"]["/api/v1/chat/{session_id}/summary"]
    with watching(mock) as said, running(app_of(mock)) as url:
        headers = {"authorization": "Bearer any"}
        summary, session = (url + TITLE.replace("/title", ending) for ending in ("/summary", ""))
        assert httpx.post(url + TITLE, json={"first_message": "x"}, headers=headers).status_code == 200
        change(said, lambda: replace(contract, "{"), "not reloaded")
        assert httpx.get(summary, headers=headers).status_code == 200
        text = change(said, lambda: replace(contract, json.dumps(document)), "reloaded: ")
        assert "chat.json" in text
        assert "6 operations" in text
        assert httpx.get(summary, headers=headers).status_code == 404
        assert httpx.get(session, headers=headers).json()["generated_title"] == "x..."
        health = httpx.get(url + "/__mock__/health").json()
        assert (health["records"], "get_summary" in health["operations"]) == (1, False)


def test_a_contract_that_can_be_read_but_not_served_leaves_the_last_good_one(tmp_path: Path) -> None:
    document = own_document()
    path = write_document(tmp_path, document)
    mock = Mock(Settings(contract=str(path), seed=0))
    document["openapi"] = "4.0.0"
    with watching(mock) as said:
        text = change(said, lambda: replace(path, json.dumps(document)), "not reloaded")
        assert "notes.json#/openapi" in text
        assert header(ask(mock.handle, "GET", "/notes/n"), "x-mock-contract") == "notes"


@pytest.mark.parametrize("odd", ['{"get": 5}', '{"get": {"responses": {"200": null}}}', "5"])
def test_a_contract_broken_in_any_way_ends_no_watch(odd: str, tmp_path: Path) -> None:
    path = write_document(tmp_path, own_document())
    mock = Mock(Settings(contract=str(path), seed=0))
    with watching(mock) as said:
        change(said, lambda: replace(path, f'{{"openapi": "3.1.0", "paths": {{"/a": {odd}}}}}'), "reloaded: ")
        change(said, lambda: replace(path, json.dumps(own_document())), "reloaded")


def test_a_file_that_the_contract_refers_to_is_watched(tmp_path: Path) -> None:
    document = own_document()
    document["components"]["schemas"]["Note"]["properties"]["more"] = {"$ref": "more/parts.yaml#/Part"}
    (tmp_path / "more").mkdir()
    part = tmp_path / "more" / "parts.yaml"
    part.write_text("Part: {type: string}\n", "utf-8")
    mock = Mock(Settings(contract=str(write_document(tmp_path, document)), seed=0))
    fields = Headers(((b"content-type", b"application/json"),))
    request = Request("PUT", "/notes/n", "", fields, b'{"id": "n", "text": "t", "more": "text"}')
    assert mock.handle(request).status == 200
    with watching(mock) as said:
        change(said, lambda: replace(part, "Part: {type: integer}\n"), "reloaded: ")
        assert mock.handle(request).status == 422


def test_files_of_other_kinds_are_not_news(own: tuple[Path, Path]) -> None:
    contract, folder = own
    mock = Mock(settings(api=NAME, contract=str(contract), fixtures=folder, seed=0))
    with watching(mock) as said:
        change(said, lambda: fixture(folder, "One..."), "reloaded: ")
        time.sleep(0.3)
        while not said.empty():
            said.get()
        (folder / "set_title" / "notes.txt").write_text("x", "utf-8")
        (contract.parent / ".chat.json.swp").write_text("x", "utf-8")
        with pytest.raises(Empty):
            said.get(timeout=0.6)


def test_the_folders_of_all_that_is_read_are_watched(tmp_path: Path) -> None:
    bundled = places(sources(Settings())).folders
    assert bundled >= {data_dir() / "schemas" / NAME, data_dir() / "fixtures" / NAME}
    assert places(sources(Settings(contract="2.6"))).folders == bundled
    own, answers = str(write_document(tmp_path, own_document())), tmp_path / "answers"
    answers.mkdir()
    assert places(sources(Settings(contract=own, fixtures=answers))).folders == {tmp_path, answers}
    assert data_dir() / "fixtures" / NAME in places(sources(Settings(contract=own, api=NAME))).folders


def swapped(folder: Path, to: str) -> None:
    """Let the link `..data` lead to another folder at once, as Kubernetes does."""
    (folder / "..tmp").symlink_to(to)
    (folder / "..tmp").replace(folder / "..data")


def test_a_swapped_link_is_followed_again_and_again(tmp_path: Path) -> None:
    document = own_document()
    for number in range(3):
        (tmp_path / f"..{number}").mkdir()
        document["info"]["title"] = f"Notes {number}"
        write_document(tmp_path / f"..{number}", document)
    (tmp_path / "..data").symlink_to("..0")
    (tmp_path / "notes.json").symlink_to("..data/notes.json")
    mock = Mock(Settings(contract=str(tmp_path / "notes.json"), seed=0))
    with watching(mock) as said:
        for number in (1, 2):
            change(said, partial(swapped, tmp_path, f"..{number}"), "reloaded: ")
            assert mock.document()["info"]["title"] == f"Notes {number}"


def test_where_a_link_leads_after_a_swap_is_watched_too(tmp_path: Path) -> None:
    document = own_document()
    for name in ("a", "b", "mounted"):
        (tmp_path / name).mkdir()
    first, second = (write_document(tmp_path / name, document) for name in ("a", "b"))
    link = tmp_path / "mounted" / "notes.json"
    link.symlink_to(first)
    mock = Mock(Settings(contract=str(link), seed=0))

    def swap() -> None:
        (tmp_path / "mounted" / "new").symlink_to(second)
        (tmp_path / "mounted" / "new").replace(link)

    with watching(mock) as said:
        change(said, swap, "reloaded: ")
        document["info"]["title"] = "Behind the link"
        change(said, lambda: replace(second, json.dumps(document)), "reloaded: ")
        assert mock.document()["info"]["title"] == "Behind the link"


def test_a_swapped_link_among_the_fixtures_is_followed(own: tuple[Path, Path]) -> None:
    contract, folder = own
    shown = folder / "set_title" / "200.mine.json"
    for number in (1, 2):
        (folder / f"..{number}").mkdir()
        fixture(folder, f"Number {number}...")
        shown.replace(folder / f"..{number}" / "answer")
    (folder / "..data").symlink_to("..1")
    shown.symlink_to("../..data/answer")
    mock = Mock(settings(api=NAME, contract=str(contract), fixtures=folder, seed=0))
    assert mine(mock) == "Number 1..."
    with watching(mock) as said:
        change(said, partial(swapped, folder, "..2"), "reloaded: ")
        assert mine(mock) == "Number 2..."


def test_links_in_a_circle_end_no_watch(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert tmp_path in places([tmp_path / "a"]).folders


def test_a_watch_goes_on_after_nobody_reads_what_it_says(tmp_path: Path) -> None:
    document = own_document()
    path = write_document(tmp_path, document)
    mock = Mock(Settings(contract=str(path), seed=0))
    said: Queue[str] = Queue()

    def say(text: str) -> None:
        said.put(text)
        raise BrokenPipeError

    stop = threading.Event()
    thread = threading.Thread(target=watch, args=(mock, say, stop, 50), daemon=True)
    thread.start()
    for number in range(2):
        document["info"]["title"] = f"Notes {number}"
        change(said, lambda: replace(path, json.dumps(document)), "reloaded: ")
        assert mock.document()["info"]["title"] == f"Notes {number}"
    stop.set()
    thread.join(PATIENCE)


def test_a_reload_keeps_the_seed_that_was_drawn() -> None:
    mock = Mock(Settings(contract="2.6", answers="generated"))
    first = ask(mock.handle, "GET", "/api/v1/chat/x").body
    mock.reload()
    assert ask(mock.handle, "GET", "/api/v1/chat/x").body == first
