"""Ten tests of the client, against the mock that the fixture gives: no server to start, no answers to write."""

import httpx
import pytest
from titles import AnswerCutOffError, Titles

from mockserver.apis.llamacloud_chat.testing import ChatMockServer

MESSAGE = "What were the main findings in Q3?"


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def titles(mockserver: ChatMockServer, slept: list[float]) -> Titles:
    return Titles(mockserver.http_client(), mockserver.api_key, slept.append)


def test_a_session_is_made_on_the_indexes_that_are_named(titles: Titles, mockserver: ChatMockServer) -> None:
    session_id = titles.new("idx-1", "idx-2")
    assert mockserver.sessions[session_id]["index_ids"] == ["idx-1", "idx-2"]


def test_a_title_is_made_from_the_message(titles: Titles, mockserver: ChatMockServer) -> None:
    assert titles.name("ses-1", MESSAGE) == f"{MESSAGE}..."
    mockserver.journal.verify("set_title", times=1, session_id="ses-1", first_message=MESSAGE)


def test_all_pages_are_read(titles: Titles, mockserver: ChatMockServer) -> None:
    for number in range(5):
        mockserver.sessions.add(f"ses-{number}", generated_title=f"Title {number}")
    found = list(titles.all())
    mockserver.journal.verify("list", times=3)
    assert found == [f"Title {number}" for number in (4, 3, 2, 1, 0)]


def test_a_rate_limit_is_waited_out_as_long_as_the_server_asks(
    titles: Titles, mockserver: ChatMockServer, slept: list[float]
) -> None:
    mockserver.stub.create("set_title", status=429, retry_after=7)
    titles.name("ses-1", MESSAGE)
    mockserver.journal.verify("set_title", times=1, attempts=2)
    assert slept == [7.0]


def test_a_connection_that_breaks_is_made_again(titles: Titles, mockserver: ChatMockServer) -> None:
    mockserver.stub.create("set_title", faults="reset").then(faults="close")
    titles.name("ses-1", MESSAGE)
    mockserver.journal.verify("set_title", times=1, attempts=3)


def test_it_gives_up_in_the_end(titles: Titles, mockserver: ChatMockServer) -> None:
    mockserver.stub.create("set_title", status=503, times="always")
    with pytest.raises(httpx.HTTPStatusError, match="503"):
        titles.name("ses-1", MESSAGE)
    mockserver.journal.verify("set_title", times=1, attempts=3)


def test_what_cannot_get_better_is_not_tried_again(titles: Titles, mockserver: ChatMockServer) -> None:
    mockserver.stub.create("set_title", status=404, times="always")
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        titles.name("ses-1", MESSAGE)
    mockserver.journal.verify("set_title", times=1, attempts=1)


def test_an_answer_is_read_to_its_end(titles: Titles, mockserver: ChatMockServer) -> None:
    mockserver.stub.create("stream", example="short-answer")
    assert titles.ask("ses-1", "x" * 2000, "idx-1")
    mockserver.journal.verify("stream", prompt="x" * 1000)


@pytest.mark.parametrize("how", ["close", "end"])
def test_an_answer_that_is_cut_off_is_no_answer(titles: Titles, mockserver: ChatMockServer, how: str) -> None:
    mockserver.stub.create("stream", faults={"cut-stream": {"after": 3, "how": how}}, times="always")
    with pytest.raises(AnswerCutOffError):
        titles.ask("ses-1", MESSAGE, "idx-1")


def test_a_session_is_removed_once(titles: Titles, mockserver: ChatMockServer) -> None:
    session_id = titles.new()
    assert titles.remove(session_id)
    assert not titles.remove(session_id)
    assert session_id not in mockserver.sessions
