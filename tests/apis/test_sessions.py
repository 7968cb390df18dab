"""A session lives: what one call does to it every other shows, until it is deleted."""

import re
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.apis.llamacloud_chat.pack import TITLE_LENGTH, VERSIONS, ChatSettings, Locked
from mockserver.apis.llamacloud_chat.sessions import title_of
from mockserver.control.admin import ControlRequest
from mockserver.control.routes import table_of
from mockserver.engine import Mock
from mockserver.errors import StoreFullError
from mockserver.messages import Json, Response
from mockserver.settings import Settings
from mockserver.store.memory import MemoryStore
from tests.conftest import settings
from tests.strategies import contract_of, judge, operations
from tests.talk import MESSAGE, TITLE, ask, events, header, value, whole

CHAT = "/api/v1/chat"
INDEXES = ["idx-abc123", "idx-def456"]
PROJECT, OTHER = "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e", "00000000-0000-4000-8000-000000000000"
CALLS: dict[str, tuple[str, str, Json]] = {
    "retrieve": ("GET", "", None),
    "get_summary": ("GET", "/summary", None),
    "set_title": ("POST", "/title", {"first_message": MESSAGE}),
    "stream": ("POST", "/messages/stream", {"index_ids": INDEXES, "prompt": MESSAGE}),
    "delete": ("DELETE", "", None),
}
"""Every operation on one session: method, end of the path, body."""

MOCK = Mock(Settings(seed=0))
"""For what begins with an empty store, or leaves no trace in a session but its own title."""

each_call = pytest.mark.parametrize("name", CALLS)
each_version = pytest.mark.parametrize("version", VERSIONS)


class Client:
    """A caller of a mock, who says to be the official client of a version."""

    def __init__(self, mock: Mock, version: str = "2.17") -> None:
        self.mock, self.agent = mock, f"LlamaCloud/Python {version}.0"

    def send(self, method: str, path: str = "", body: Json | bytes | None = None, query: str = "") -> Response:
        """Send a request; what is streamed is read to its end, and becomes the body."""
        return whole(ask(self.mock.handle, method, CHAT + path, body, query=query, user_agent=self.agent))

    def call(self, name: str, session_id: str, query: str = "") -> Response:
        """Call an operation on a session."""
        method, end, body = CALLS[name]
        return self.send(method, f"/{session_id}{end}", body, query)

    def create(self, query: str = "", **fields: Json) -> Json:
        """Create a session."""
        response = self.send("POST", "", fields, query)
        assert (response.status, header(response, "x-mock-source")) == (201, "simulated")
        return value(response)

    def title(self, session_id: str, message: str = MESSAGE) -> Json:
        """Give a session its title."""
        return self._ok(self.send("POST", f"/{session_id}/title", {"first_message": message}))

    def turn(self, session_id: str, prompt: str = MESSAGE, indexes: Json = INDEXES, **more: Json) -> list[Json]:
        """Play a turn, and give its events."""
        response = self.attempt(session_id, prompt, indexes, **more)
        assert (response.status, header(response, "content-type")) == (200, "text/event-stream")
        return events(response.body)

    def attempt(self, session_id: str, prompt: str = MESSAGE, indexes: Json = INDEXES, **more: Json) -> Response:
        """Try to play a turn."""
        body = {"index_ids": indexes, "prompt": prompt, **more}
        return self.send("POST", f"/{session_id}/messages/stream", body)

    def summary(self, session_id: str) -> Json:
        """Give a session without its events."""
        return self._ok(self.call("get_summary", session_id))

    def retrieve(self, session_id: str) -> Json:
        """Give a session with its events."""
        return self._ok(self.call("retrieve", session_id))

    def list(self, query: str = "") -> Json:
        """Give a page of sessions."""
        return self._ok(self.send("GET", "", query=query))

    def _ok(self, response: Response) -> Json:
        assert (response.status, header(response, "x-mock-source")) == (200, "simulated")
        return value(response)


@pytest.fixture
def client() -> Client:
    """Give a client of the newest version, of a mock of its own."""
    return Client(Mock(Settings(seed=0)))


@pytest.fixture
def stepping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a second pass with every look at the machine's clock."""
    ticks = count(1_776_861_281_342_245_000, 1_000_000_000)
    monkeypatch.setattr("mockserver.clock.time_ns", lambda: next(ticks))


def allowed(version: str, name: str, response: Response) -> bool:
    """Say whether an answer is one that the contract of a version allows, by the independent judge."""
    media = operations(version)[name].exact[response.status].preferred
    return media is not None and judge(version).errors_of(media, response.body) == []


def prompts(history: Json) -> list[str]:
    """Give what the user said in a history."""
    return [event["content"] for event in history["events"] if event["type"] == "user_input"]


# Titles


def title(mock: Mock, message: str = MESSAGE, path: str = TITLE) -> Response:
    response = ask(mock.handle, "POST", path, {"first_message": message})
    assert (response.status, header(response, "x-mock-source")) == (200, "simulated")
    return response


def test_the_documented_message_gets_the_documented_title() -> None:
    operation = next(each for each in contract_of("2.6").operations if each.id == "set_title")
    media = operation.exact[200].preferred
    assert media is not None
    documented = media.examples["documented"]
    made = value(title(Mock(Settings(seed=0))))
    assert made["generated_title"] == documented["generated_title"] == "What were the main findings in Q3?..."
    assert made["session_id"] == documented["session_id"]
    assert list(made) == list(documented)


@given(st.text())
@example("")
@example("x" * 50)
@example("x" * 51)
@example("👩‍👩‍👧‍👦" * 20)
@example("\n\t\x00")
@example("{{ 7 * 7 }}")
def test_any_text_is_titled_by_the_rule(message: str) -> None:
    made = value(title(MOCK, message))
    assert made["generated_title"] == title_of(message, TITLE_LENGTH)
    assert judge("2.6").errors("/components/schemas/ChatSessionSummary", made) == []


@pytest.mark.parametrize("length", [1, 33, 34, 35, 5000])
def test_the_length_of_titles_can_be_set(length: int) -> None:
    mock = Mock(settings(title_length=length))
    for message in (MESSAGE, MESSAGE * 10, "東京" * 3000):
        assert value(title(mock, message))["generated_title"] == message[:length] + "..."
    client = Client(mock)
    client.turn("ses-other", MESSAGE * 10)
    assert client.summary("ses-other")["generated_title"] == (MESSAGE * 10)[:length] + "..."


@each_version
def test_white_space_of_titles_is_collapsed_unless_the_rule_is_verbatim(version: str) -> None:
    message = " What\n\twere  the "
    for rule, made in (("collapsed", "What were the..."), ("verbatim", message + "...")):
        client = Client(Mock(settings(title_rule=rule)), version)
        if version == "2.6":
            client.title("ses-a", message)
        else:
            client.turn("ses-a", message)
        assert client.summary("ses-a")["generated_title"] == made


def test_the_default_length_keeps_the_documented_message_whole() -> None:
    assert ChatSettings().title_length == TITLE_LENGTH >= len(MESSAGE)


def test_a_second_title_overwrites_the_first(client: Client) -> None:
    assert [client.title("ses-a", text)["generated_title"] for text in ("One", "Two")] == ["One...", "Two..."]
    assert len(client.mock.store) == 1


@pytest.mark.parametrize(("version", "made"), [("2.6", None), ("2.8", "What..."), ("2.17", "What...")])
def test_the_first_turn_makes_the_title_where_there_is_no_title_call(version: str, made: str | None) -> None:
    client = Client(Mock(Settings(seed=0)), version)
    session_id = client.create()["session_id"]
    for prompt in ("What", "And then"):
        client.turn(session_id, prompt)
        assert client.summary(session_id)["generated_title"] == made


@each_version
def test_a_turn_leaves_a_title_that_is_there(version: str) -> None:
    client = Client(Mock(Settings(seed=0)), version)
    client.title("ses-a", "Given")
    client.turn("ses-a", "Asked")
    assert client.summary("ses-a")["generated_title"] == "Given..."


# Times


def test_time_is_told_in_utc_with_six_digits_and_no_zone() -> None:
    before = datetime.now(UTC).replace(tzinfo=None)
    text = value(title(Mock(Settings(seed=0))))["last_updated_at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", text)
    assert before <= datetime.fromisoformat(text) <= before + timedelta(seconds=30)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 4, 22, 12, 34, 41, 342245), "2026-04-22T12:34:41.342245"),
        (datetime(2026, 4, 22, 12, 34, 41), "2026-04-22T12:34:41.000000"),
        (datetime(2026, 4, 22, 14, 34, 41, tzinfo=timezone(timedelta(hours=2))), "2026-04-22T12:34:41.000000"),
    ],
    ids=["microseconds", "whole second", "another zone"],
)
def test_a_clock_that_stands_still_tells_its_time(moment: datetime, text: str) -> None:
    mock = Mock(Settings(clock=moment))
    assert [value(title(mock))["last_updated_at"] for _ in range(2)] == [text, text]


@pytest.mark.usefixtures("stepping")
def test_the_last_update_moves_with_changes_and_not_with_reads(client: Client) -> None:
    session = client.create(index_ids=INDEXES)
    session_id, told = session["session_id"], [session["last_updated_at"]]
    for change in (client.title, client.turn, client.turn, client.title):
        client.list()
        client.retrieve(session_id)
        assert client.attempt(session_id, "x" * 1001).status == 422
        assert client.summary(session_id)["last_updated_at"] == told[-1]
        change(session_id)
        told.append(client.summary(session_id)["last_updated_at"])
    assert told == sorted(set(told))


# Creation


@pytest.mark.parametrize("body", [None, b"", b"{}", b"null", b'{"index_ids":null}', b'{"index_ids":[],"more":1}'])
@each_version
def test_a_session_is_created_from_nothing(body: bytes | None, version: str) -> None:
    response = Client(Mock(Settings(seed=0)), version).send("POST", "", body)
    made = value(response)
    assert (response.status, header(response, "x-mock-source")) == (201, "simulated")
    assert re.fullmatch("ses-[a-z0-9]+", made["session_id"])
    assert not made["index_ids"]
    assert (made["generated_title"], made["job_metadata"]) == (None, None)
    assert allowed(version, "create", response)


def test_no_two_sessions_have_one_id(client: Client) -> None:
    assert len({client.create()["session_id"] for _ in range(300)}) == 300


def test_an_id_that_is_taken_already_is_not_given_again() -> None:
    first = Client(Mock(Settings(seed=0))).create()["session_id"]
    client = Client(Mock(Settings(seed=0)))
    client.title(first, "Mine")
    assert client.create()["session_id"] != first
    assert client.summary(first)["generated_title"] == "Mine..."


def test_a_deleted_id_is_not_given_again() -> None:
    store = MemoryStore()
    first = Client(Mock(Settings(seed=0), store)).create()["session_id"]
    Client(Mock(Settings(seed=0), store)).call("delete", first)
    assert Client(Mock(Settings(seed=0), store)).create()["session_id"] != first


def test_a_session_is_bound_to_ten_indexes_at_most(client: Client) -> None:
    ten = [f"idx-{number}" for number in range(10)]
    assert client.create(index_ids=ten)["index_ids"] == ten
    assert client.send("POST", "", {"index_ids": [*ten, "idx-10"]}).status == 422
    assert len(client.list()["items"]) == 1


@pytest.mark.parametrize("given", [None, "query", "read_only"])
def test_shared_access_is_what_create_was_given_and_told_where_it_is_known(given: str | None, client: Client) -> None:
    session_id = client.create(shared_access=given)["session_id"]
    client.turn(session_id)
    assert client.summary(session_id)["shared_access"] == (given or "read_only")
    assert client.retrieve(session_id)["shared_access"] == (given or "read_only")
    assert client.list()["items"][0]["shared_access"] == (given or "read_only")
    for version in ("2.6", "2.8"):
        older = Client(client.mock, version)
        told = [older.summary(session_id), older.retrieve(session_id), older.list()["items"][0], older.create()]
        assert not any("shared_access" in each for each in told)


def test_a_full_store_refuses_what_needs_room_and_serves_the_rest() -> None:
    client = Client(Mock(Settings(seed=0, max_records=2)))
    first = client.create()["session_id"]
    client.title("ses-a")
    for name in ("retrieve", "get_summary", "set_title", "stream"):
        response = client.call(name, "ses-b")
        assert (response.status, header(response, "x-mock-fault")) == (503, "store")
        assert header(response, "x-should-retry") == "false"
    assert client.send("POST").status == 503
    client.turn(first)
    assert client.call("delete", "ses-a").status == 204
    assert client.send("POST").status == 201


def test_a_full_session_refuses_more_turns_and_serves_the_rest() -> None:
    client = Client(Mock(Settings(seed=0, max_record_bytes=40_000)))
    session_id = client.create()["session_id"]
    kept, indexes = 0, ["x" * 5_000]
    while (response := client.attempt(session_id, indexes=indexes)).status == 200:
        kept += 1
    assert (response.status, header(response, "x-should-retry")) == (503, "false")
    assert "the record is full: it keeps 40000 bytes" in value(response)["detail"]
    assert "raise --max-record-bytes" in value(response)["detail"]
    assert client.title(session_id)["session_id"] == session_id
    prompts = [each for each in client.retrieve(session_id)["events"] if each["type"] == "user_input"]
    assert len(prompts) == kept == 4
    assert client.call("delete", session_id).status == 204
    client.turn(client.create()["session_id"], indexes=indexes)


def test_a_session_that_has_no_room_stays_as_it_was_when_it_is_put() -> None:
    client = Client(Mock(Settings(seed=0, max_record_bytes=2_000)))
    client.title("ses-a")
    before, store = client.retrieve("ses-a"), client.mock.store
    put = table_of(client.mock.api)["PUT", "/__mock__/sessions/{session_id}"].handler
    wanted = {"events": [{"type": "user_input", "content": "x" * 3_000}]}
    with pytest.raises(StoreFullError):
        put(ControlRequest(mock=client.mock, scope="default", path={"session_id": "ses-a"}, value=wanted))
    assert (client.retrieve("ses-a"), len(store)) == (before, 1)


# Runs


@each_version
def test_the_record_of_a_run_is_its_stop(version: str, client: Client) -> None:
    client = Client(client.mock, version)
    session_id = client.create()["session_id"]
    assert client.summary(session_id)["job_metadata"] is None
    for indexes in (INDEXES, ["idx-other"]):
        stop = client.turn(session_id, indexes=indexes)[-1]
        told = {"is_error": False, "error": None, "export_config_ids": indexes}
        assert client.summary(session_id)["job_metadata"] == {**stop["usage"], **told}
        client.title(session_id)
        assert client.summary(session_id)["job_metadata"] == {**stop["usage"], **told}


@each_version
def test_the_history_has_each_turn_as_it_was_told_but_for_its_pieces(version: str, client: Client) -> None:
    client = Client(client.mock, version)
    expected: list[Json] = []
    for prompt in ("One", "Two", "Three"):
        told = client.turn("ses-a", prompt)
        pieces = ("text_delta", "thinking_delta")
        expected += [{"type": "user_input", "content": prompt}, *(each for each in told if each["type"] not in pieces)]
    assert client.retrieve("ses-a")["events"] == expected
    assert allowed(version, "retrieve", client.call("retrieve", "ses-a"))


def test_two_turns_on_one_prompt_differ(client: Client) -> None:
    assert client.turn("ses-a") != client.turn("ses-a")


# Whatever is done

Action = tuple[str, int, str, tuple[str, ...]]
actions: st.SearchStrategy[list[Action]] = st.lists(
    st.tuples(
        st.sampled_from(["create", "title", "turn", "turn", "delete", "read"]),
        st.integers(0, 3),
        st.sampled_from(["One", "Two", MESSAGE, "x" * 60]),
        st.lists(st.sampled_from(["idx-a", "idx-b"]), max_size=3).map(tuple),
    ),
    max_size=12,
)


class Model:
    """What sessions should be, said without a word of the simulation."""

    def __init__(self, client: Client, *, titles: bool) -> None:
        self.client, self.titles = client, titles
        self.live: list[dict[str, Any]] = []
        """The sessions, the one longest not updated first."""
        self.gone: list[str] = []

    def do(self, name: str, which: int, text: str, indexes: tuple[str, ...]) -> None:
        """Do something to a session, or to none where there is none."""
        asked = list(indexes)
        if name == "create":
            made = self.client.create(index_ids=asked or None)
            fields = {"generated_title": None, "index_ids": asked or None, "job_metadata": None}
            self.live.append({"session_id": made["session_id"], "said": [], **fields})
        elif self.live and name == "delete":
            self.gone.append(self.live.pop(which % len(self.live))["session_id"])
            assert self.client.call("delete", self.gone[-1]).status == 204
        elif self.live and name == "read":
            self.client.retrieve(self.live[which % len(self.live)]["session_id"])
        elif self.live and (name == "title" or self.ask(self.live[which % len(self.live)], text, asked or ["idx-c"])):
            session = self.live.pop(which % len(self.live))
            self.live.append(session)
            if name == "title":
                self.client.title(session["session_id"], text)
            if name == "title" or (self.titles and session["generated_title"] is None):
                session["generated_title"] = text[:50] + "..."

    def ask(self, session: dict[str, Any], prompt: str, asked: list[str]) -> bool:
        """Play a turn; say whether it was taken."""
        other = session["index_ids"] and set(session["index_ids"]) != set(asked)
        if other and session["said"]:
            assert self.client.attempt(session["session_id"], prompt, asked).status == 400
            return False
        stop = self.client.turn(session["session_id"], prompt, asked)[-1]
        if other:
            session["index_ids"] = asked
        session["said"].append(prompt)
        session["job_metadata"] = {**stop["usage"], "is_error": False, "error": None, "export_config_ids": asked}
        return True


@given(actions, st.sampled_from(VERSIONS))
def test_what_one_call_sets_every_other_shows(done: list[Action], version: str) -> None:
    MOCK.store.drop("default")
    client = Client(MOCK, version)
    model = Model(client, titles=version != "2.6")
    for action in done:
        model.do(*action)
    listed = client.list()["items"]
    assert [each["session_id"] for each in listed] == [each["session_id"] for each in reversed(model.live)]
    for item, expected in zip(listed, reversed(model.live), strict=True):
        detail = client.retrieve(item["session_id"])
        assert prompts(detail) == expected.pop("said")
        del detail["events"]
        assert item == detail == client.summary(item["session_id"])
        assert {name: item[name] for name in expected} == expected
    assert all(client.call("get_summary", each).status == 404 for each in model.gone)


# Indexes


@pytest.mark.parametrize("status", ["400", "403", "409", "422"])
@each_version
def test_the_indexes_of_a_bound_session_are_locked_by_its_first_message(version: str, status: Locked) -> None:
    client = Client(Mock(settings(seed=0, locked_status=status)), version)
    session_id = client.create(index_ids=INDEXES)["session_id"]
    client.turn(session_id)
    before = client.retrieve(session_id), client.list()
    for indexes in (["idx-abc123"], ["idx-other"], [*INDEXES, "idx-other"]):
        response = client.attempt(session_id, "Not taken", indexes)
        assert (response.status, header(response, "x-mock-fault")) == (int(status), "client")
        assert allowed(version, "stream", response)
    assert (client.retrieve(session_id), client.list()) == before


def test_a_turn_on_other_indexes_is_a_400_unless_another_status_is_chosen() -> None:
    assert ChatSettings().locked_status == "400"


@pytest.mark.parametrize("indexes", [INDEXES[::-1], INDEXES * 2])
def test_the_same_indexes_in_another_order_are_the_same(indexes: list[str], client: Client) -> None:
    session_id = client.create(index_ids=INDEXES)["session_id"]
    for asked in (INDEXES, indexes, INDEXES):
        client.turn(session_id, indexes=asked)
    assert client.summary(session_id)["index_ids"] == INDEXES


def test_the_first_message_may_take_other_indexes_which_are_then_locked(client: Client) -> None:
    session_id = client.create(index_ids=INDEXES)["session_id"]
    client.title(session_id)
    client.turn(session_id, indexes=["idx-other"])
    assert client.summary(session_id)["index_ids"] == ["idx-other"]
    assert client.attempt(session_id, indexes=INDEXES).status == 400
    client.turn(session_id, indexes=["idx-other"])


def test_an_unbound_session_takes_indexes_with_each_message(client: Client) -> None:
    session_id = client.create()["session_id"]
    for indexes in (INDEXES, ["idx-other"], INDEXES):
        client.turn(session_id, indexes=indexes)
        assert client.summary(session_id)["index_ids"] is None


@each_version
def test_an_index_that_cannot_be_queried_is_skipped_and_named_where_that_is_known(version: str) -> None:
    client = Client(Mock(settings(seed=0, missing_indexes="idx-gone, idx-lost")), version)
    told = client.turn("ses-a", indexes=["idx-gone", "idx-abc123", "idx-lost"])
    assert [each["arguments"]["index_id"] for each in told if each["type"] == "tool_call"] == ["idx-abc123"]
    assert told[-1]["is_error"] is False
    if version == "2.17":
        assert told[-1]["skipped_index_ids"] == ["idx-gone", "idx-lost"]
    else:
        assert "skipped_index_ids" not in told[-1]
    assert client.summary("ses-a")["job_metadata"]["export_config_ids"] == ["idx-abc123"]
    assert not client.turn("ses-b")[-1].get("skipped_index_ids")


@pytest.mark.parametrize(("indexes", "all_of_them"), [(["idx-abc123", "idx-gone"], True), (["idx-gone"], False)])
def test_a_turn_that_cannot_have_its_indexes_fails(indexes: list[str], all_of_them: bool) -> None:
    client = Client(Mock(settings(seed=0, missing_indexes="idx-gone")))
    told = client.turn("ses-a", indexes=indexes, require_all_indexes=all_of_them)
    assert [each["type"] for each in told] == ["stop"]
    assert told[0]["is_error"] is True
    assert "idx-gone" in told[0]["error"]
    record = client.summary("ses-a")["job_metadata"]
    assert (record["is_error"], record["error"]) == (True, told[0]["error"])
    assert [each["type"] for each in client.retrieve("ses-a")["events"]] == ["user_input", "stop"]


def test_a_turn_that_has_all_its_indexes_does_not_fail_for_wanting_them(client: Client) -> None:
    assert client.turn("ses-a", require_all_indexes=True)[-1]["is_error"] is False


@pytest.mark.parametrize("version", ["2.6", "2.8"])
def test_an_older_version_does_not_know_how_to_want_all_indexes(version: str) -> None:
    client = Client(Mock(settings(seed=0, missing_indexes="idx-gone")), version)
    told = client.turn("ses-a", indexes=["idx-abc123", "idx-gone"], require_all_indexes=True)
    assert told[-1]["is_error"] is False


# Ids that were never issued, and those that are gone


@pytest.mark.parametrize("name", [name for name in CALLS if name != "delete"])
@each_version
def test_an_id_that_was_never_issued_comes_to_life_on_first_use(name: str, version: str) -> None:
    client = Client(Mock(Settings(seed=0)), version)
    response = client.call(name, "session_id")
    assert response.status == 200
    assert [each["session_id"] for each in client.list()["items"]] == ["session_id"]


@each_version
def test_deleting_an_id_that_was_never_issued_only_forgets_it(version: str) -> None:
    client = Client(Mock(Settings(seed=0)), version)
    for _ in range(2):
        assert client.call("delete", "session_id").status == 204
        assert client.list()["items"] == []
        client.title("session_id", "Again")
        client.turn("session_id")
        assert client.call("delete", "session_id").status == 204
        assert client.retrieve("session_id")["events"] == []
        assert client.summary("session_id")["generated_title"] is None


@each_call
@pytest.mark.parametrize("policy", ["adopt", "404"])
def test_an_issued_id_is_unknown_once_it_is_deleted(name: str, policy: Any) -> None:
    client = Client(Mock(settings(seed=0, unknown_sessions=policy)), "2.6")
    session_id = client.create()["session_id"]
    client.turn(session_id)
    deleted = client.call("delete", session_id)
    assert (deleted.status, deleted.body, header(deleted, "content-type")) == (204, b"", None)
    response = client.call(name, session_id)
    assert (response.status, value(response)) == (404, {"detail": "Session not found"})
    assert allowed("2.6", name, response)
    assert client.list()["items"] == []


@each_call
def test_ids_that_were_never_issued_can_be_unknown(name: str) -> None:
    client = Client(Mock(settings(seed=0, unknown_sessions="404")), "2.6")
    response = client.call(name, "session_id")
    assert (response.status, value(response)) == (404, {"detail": "Session not found"})
    assert allowed("2.6", name, response)
    assert client.list()["items"] == []


@each_call
def test_where_ids_must_be_known_their_project_must_be_right(name: str) -> None:
    client = Client(Mock(settings(seed=0, unknown_sessions="404")), "2.6")
    session_id = client.create(f"project_id={PROJECT}")["session_id"]
    before = client.retrieve(session_id)
    assert client.call(name, session_id, f"project_id={OTHER}").status == 404
    assert client.retrieve(session_id) == before
    assert client.call(name, session_id, f"project_id={PROJECT.upper()}").status < 300


# Stores


def test_sessions_do_not_touch_each_other(client: Client) -> None:
    client.title("ses-a", "One")
    client.turn("ses-a", "Mine")
    before = client.retrieve("ses-a")
    client.title("ses-b", "Two")
    client.turn("ses-b", "Yours")
    assert client.retrieve("ses-a") == before
    assert prompts(client.retrieve("ses-b")) == ["Yours"]


def test_the_store_that_is_given_is_used() -> None:
    store = MemoryStore()
    title(Mock(Settings(seed=0), store))
    assert len(store) == 1
