"""The mock in a Python program: the same, whether in this process, on a socket, or in a server that runs elsewhere."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import httpx
import pytest

from mockserver import testing
from mockserver.apis.llamacloud_chat.testing import ChatMockServer, connect, open_mock
from mockserver.control.app import make_app
from mockserver.errors import MockserverError, StartError, StateError, StoreError, StubError, UsageError
from mockserver.messages import Json
from mockserver.server.uvicorn import running
from mockserver.settings import Settings
from mockserver.testing import ABSENT, VerificationError
from tests.conftest import settings
from tests.needs import free_port
from tests.talk import KEY, MESSAGE

CHAT = "/api/v1/chat"
STILL = datetime(2026, 4, 22, 12)
KINDS = ("in process", "on a socket", "elsewhere")


@contextmanager
def opened(kind: str, **options: Any) -> Iterator[ChatMockServer]:
    """Open a mock of a kind, with a clock that stands still."""
    if kind == "elsewhere":
        with running(make_app(settings(seed=9, clock=STILL, **options))) as url, connect(url, "a", seed=0) as mock:
            yield mock
    else:
        with open_mock(live=kind == "on a socket", clock=STILL, **options) as mock:
            yield mock


@pytest.fixture(params=KINDS)
def mock(request: pytest.FixtureRequest) -> Iterator[ChatMockServer]:
    with opened(request.param) as mock:
        yield mock


def title(mock: ChatMockServer, session_id: str = "ses-1", message: Json = MESSAGE, **headers: str) -> httpx.Response:
    body = {} if message is None else {"first_message": message}
    return mock.http_client().post(f"{CHAT}/{session_id}/title", json=body, headers={"authorization": KEY, **headers})


# -- the same everywhere ---------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes_wherever_it_runs() -> None:
    told = []
    for kind in KINDS:
        with opened(kind) as mock:
            client = mock.http_client(headers={"authorization": KEY})
            assert mock.seed == 0
            made = client.post(CHAT)
            turn = client.post(
                f"{CHAT}/{made.json()['session_id']}/messages/stream", json={"index_ids": ["a"], "prompt": MESSAGE}
            )
            told.append((made.content, turn.content, client.get(CHAT).content))
    assert told[0] == told[1] == told[2]


def test_a_stub_answers_and_a_journal_is_kept(mock: ChatMockServer) -> None:
    stub = mock.stub.create("set_title", status=429, retry_after_ms=20, first_message=re.compile("q3", re.IGNORECASE))
    stub.then(partial={"generated_title": "Stubbed"})
    answers = [title(mock) for _ in range(3)]
    assert [each.status_code for each in answers] == [429, 200, 200]
    assert answers[0].headers["retry-after-ms"] == "20"
    titles = [each.json()["generated_title"] for each in answers[1:]]
    assert titles == ["Stubbed", f"{MESSAGE}..."]
    assert stub.uses == 2
    assert (mock.stub.unused, len(mock.stub)) == ([], 1)
    assert [each.stub for each in mock.journal] == [stub.number, stub.number, 0]
    mock.journal.verify("set_title", times=3, session_id="ses-1", first_message=MESSAGE)
    mock.journal.verify("set_title", times={"at_least": 1})
    mock.journal.verify("set_title", when={"query": {"project_id": ABSENT}})
    mock.journal.verify_never("delete")
    assert mock.journal[0].status == 429
    mock.check()


def test_a_verification_that_fails_shows_the_nearest(mock: ChatMockServer) -> None:
    title(mock)
    with pytest.raises(VerificationError, match=r"/body/first_message: expected \"x\", received \"What were"):
        mock.journal.verify("set_title", first_message="x")
    with pytest.raises(VerificationError, match="expected never"):
        mock.journal.verify_never("set_title")
    with pytest.raises(VerificationError, match="number 2"):
        mock.journal.verify_order("set_title", {"operation": "set_title", "when": {"session_id": "ses-2"}})
    title(mock, "ses-2")
    mock.journal.verify_order("set_title", {"operation": "set_title", "when": {"session_id": "ses-2"}})


def test_a_typo_is_never_a_green_test(mock: ChatMockServer) -> None:
    for wrong in (
        lambda: mock.journal.verify_never("set_titel"),
        lambda: mock.journal.verify_never("set_title", frist_message="x"),
        lambda: mock.journal.verify_never("set_title", when={"bdy": {}}),
        lambda: mock.stub.create("set_titel", status=429),
        lambda: mock.stub.create("set_title", frist_message="x"),
        lambda: mock.stub.create("set_title", staus=429),
    ):
        with pytest.raises(StubError):
            wrong()


def test_a_body_that_the_contract_forbids_is_refused_at_once_unless_it_is_meant(mock: ChatMockServer) -> None:
    with pytest.raises(StubError, match="breaks the contract"):
        mock.stub.create("set_title", body={"session_id": 5})
    with pytest.raises(StubError, match="breaks the contract"):
        mock.stub.create("get_summary", partial={"generated_title": 5})
    mock.stub.create("set_title", body={"session_id": 5}, invalid=True)
    assert title(mock).json() == {"session_id": 5}


def test_sessions_are_arranged_and_seen(mock: ChatMockServer) -> None:
    made = mock.sessions.add("ses-9", generated_title="Nine", index_ids=["idx-1"])
    assert made == mock.sessions["ses-9"]
    assert ("ses-9" in mock.sessions, "ses-8" in mock.sessions) == (True, False)
    saved = mock.snapshot()
    title(mock, "ses-1")
    assert [each["session_id"] for each in mock.sessions] == ["ses-1", "ses-9"]
    assert mock.restore(saved) == 1
    assert len(mock.sessions) == 1
    mock.sessions.delete("ses-9")
    with pytest.raises(KeyError):
        mock.sessions["ses-9"]
    with pytest.raises(KeyError):
        mock.sessions.delete("ses-9")
    with pytest.raises(StateError, match="generated_title"):
        mock.sessions.add("ses-7", generated_title=7)


def test_what_the_client_did_wrong_is_complained_of_unless_it_is_allowed(mock: ChatMockServer) -> None:
    title(mock, message=None)
    mock.stub.create("delete", status=503)
    with pytest.raises(VerificationError) as raised:
        mock.check()
    text = str(raised.value)
    assert "client: /body/first_message: Field required" in text
    assert 'for delete was never used: {"status": 503}' in text
    assert "nearest:" in text
    assert "seed 0" in text
    mock.allow_invalid("create")
    mock.allow_unused()
    with pytest.raises(VerificationError, match="Field required"):
        mock.check()
    mock.allow_invalid("set_title")
    mock.check()


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/api/v1/chats", {"authorization": KEY}),
        ("PATCH", CHAT, {"authorization": KEY}),
        ("GET", CHAT, {}),
        ("GET", f"{CHAT}?page_size=x", {"authorization": KEY}),
        ("GET", CHAT, {"authorization": KEY, "prefer": "code=418"}),
    ],
)
def test_each_breach_is_one(method: str, path: str, headers: dict[str, str]) -> None:
    with open_mock() as mock:
        mock.http_client().request(method, path, headers=headers)
        with pytest.raises(VerificationError, match="the client broke the contract"):
            mock.check()


def test_that_something_is_not_there_is_no_breach() -> None:
    with open_mock(unknown_sessions="404") as mock:
        assert title(mock).status_code == 404
        mock.stub.create("create", status=422)
        mock.http_client().post(CHAT, headers={"authorization": KEY})
        mock.check()


def test_a_reset_forgets_all_but_the_seed(mock: ChatMockServer) -> None:
    title(mock, message=None)
    mock.stub.create("delete")
    mock.sessions.add("ses-1")
    mock.reset()
    assert (len(mock.sessions), len(mock.journal), len(mock.stub), mock.seed) == (0, 0, 0, 0)
    mock.check()


def test_retries_of_a_call_are_its_attempts(mock: ChatMockServer) -> None:
    for count in range(3):
        title(mock, **{"x-stainless-retry-count": str(count)})
    mock.journal.verify("set_title", times=1, attempts=3)
    assert [len(call) for call in mock.journal.calls] == [3]
    with pytest.raises(VerificationError, match="calls of 3 attempts"):
        mock.journal.verify("set_title", attempts=1)


def test_a_report_tells_what_was_wrong_and_whose_fault_it_was(mock: ChatMockServer) -> None:
    title(mock, message=5)
    assert mock.report().splitlines()[1:] == [
        f"#1 POST {CHAT}/ses-1/title -> 422 (set_title, 2.6, mock)",
        "  client: /body/first_message: Input should be a valid string (2.6#/components/schemas/GenerateTitleParams)",
    ]


def test_an_archive_of_all_is_had(mock: ChatMockServer) -> None:
    title(mock)
    (entry,) = mock.journal.har()["log"]["entries"]
    assert entry["request"]["method"] == "POST"


def test_an_async_client_reaches_it_too(mock: ChatMockServer) -> None:
    async def asked() -> int:
        async with mock.async_http_client(headers={"authorization": KEY}) as client:
            answers = await asyncio.gather(*(client.post(CHAT) for _ in range(5)))
            health = await client.get("/__mock__/health")
            return len({each.json()["session_id"] for each in answers}) + int(health.json()["records"])

    assert asyncio.run(asked()) == 10


# -- settings, and what cannot be ------------------------------------------------------------------------------------


def test_settings_are_those_of_the_command() -> None:
    with open_mock(contract="2.6", title_length=4, api_key="secret") as mock:
        assert mock.api_key == "secret"
        assert title(mock).status_code == 401
        assert title(mock, authorization="Bearer secret").json()["generated_title"] == "What..."
    with pytest.raises(UsageError, match="no setting 'contrat'"), open_mock(contrat="2.6"):
        pass


def test_what_cannot_be_started_is_told() -> None:
    with pytest.raises(MockserverError), open_mock(contract="9.9"):
        pass
    with pytest.raises(StoreError), open_mock(store=f"redis://127.0.0.1:{free_port()}"):
        pass
    with pytest.raises(StartError, match="cannot be reached"), connect(f"http://127.0.0.1:{free_port()}") as mock:
        mock.check()


def test_a_function_may_stand_for_a_part_in_this_process_alone() -> None:
    def short(text: str) -> bool:
        return len(text) < 5

    with open_mock() as mock:
        mock.stub.create("set_title", first_message=short, status=429, times="always")
        assert [title(mock, message=each).status_code for each in ("abc", MESSAGE)] == [429, 200]
        with pytest.raises(VerificationError, match="what short accepts"):
            mock.journal.verify("set_title", session_id="x", first_message=short)
    with (
        opened("elsewhere") as mock,
        pytest.raises(StubError, match="function cannot be sent"),
    ):
        mock.stub.create("set_title", first_message=short)


def test_a_test_that_ends_leaves_nothing_in_the_server_that_it_used() -> None:
    with running(make_app(Settings(seed=9))) as url:
        with connect(url, "a") as mock:
            title(mock)
            mock.stub.create("delete")
            assert httpx.get(url + "/__mock__/scopes").json()["scopes"] == [{"name": "a", "records": 1}]
        assert httpx.get(url + "/__mock__/scopes").json()["scopes"] == []
        with connect(url, "a") as mock:
            assert (len(mock.journal), len(mock.stub)) == (0, 0)


def test_a_server_without_control_routes_is_told_to_be() -> None:
    with (
        running(make_app(Settings(control=False))) as url,
        pytest.raises(StartError, match=r"--no-control|switched off|cannot be asked"),
        connect(url, "a", seed=1) as mock,
    ):
        mock.stub.create("set_title")


def test_a_journal_that_let_go_of_exchanges_is_no_proof() -> None:
    with open_mock(journal_size=2) as mock:
        for _ in range(3):
            title(mock)
        with pytest.raises(VerificationError, match="dropped its 1 oldest"):
            mock.journal.verify_never("delete")
        with pytest.raises(VerificationError, match="dropped 1 exchanges"):
            mock.check()


def test_the_environment_points_a_program_here_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "example.org")
    with open_mock(live=True) as mock:
        told = mock.environ()
        assert told["LLAMA_CLOUD_BASE_URL"] == told["TEST_API_BASE_URL"] == mock.base_url
        assert told["LLAMA_CLOUD_API_KEY"] == "any-key"
        assert told["NO_PROXY"].split(",") == ["127.0.0.1", "example.org", "localhost"]


def test_a_port_may_be_asked_for() -> None:
    port = free_port()
    with open_mock(live=True, port=port) as mock:
        assert mock.base_url == f"http://127.0.0.1:{port}"


def test_every_public_name_stands_in_the_changelog() -> None:
    from tests.strategies import ROOT

    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert {name for name in testing.__all__ if f"`{name}`" not in text} == set()
