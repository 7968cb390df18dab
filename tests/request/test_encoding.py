"""Compressed request bodies: read, bounded, or refused with what may be sent instead."""

import gzip
import time
import zlib

import pytest

from mockserver.engine import Mock
from mockserver.messages import Headers, Request, Response
from mockserver.request.encoding import MOST_MEMBERS
from mockserver.settings import Settings
from tests.talk import header

BODY = b'{"first_message":"A compressed question"}'
RAW = zlib.compressobj(wbits=-15)
BARE = RAW.compress(BODY) + RAW.flush()


def posted(mock: Mock, encoding: bytes, body: bytes) -> Response:
    fields = [(b"authorization", b"Bearer k"), (b"content-type", b"application/json"), (b"content-encoding", encoding)]
    return mock.handle(Request("POST", "/api/v1/chat/s/title", "", Headers(fields), body))


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        (b"gzip", gzip.compress(BODY)),
        (b"GZip", gzip.compress(BODY)),
        (b"x-gzip", gzip.compress(BODY)),
        (b"gzip", gzip.compress(BODY[:9]) + gzip.compress(BODY[9:])),
        (b"deflate", zlib.compress(BODY)),
        (b"deflate", BARE),
        (b"identity", BODY),
        (b"", BODY),
    ],
    ids=["gzip", "upper case", "x-gzip", "two parts", "deflate", "bare deflate", "identity", "empty"],
)
def test_a_compressed_body_is_read_and_recorded_as_it_was(encoding: bytes, body: bytes) -> None:
    mock = Mock(Settings())
    response = posted(mock, encoding, body)
    assert (response.status, b"A compressed question..." in response.body) == (200, True)
    (exchange,) = mock.exchanges("default")
    assert exchange.body == BODY


def test_no_secret_of_a_compressed_body_is_recorded() -> None:
    mock = Mock(Settings())
    assert posted(mock, b"gzip", gzip.compress(b'{"password":"hunter2000"}')).status == 422
    assert b"hunter2000" not in mock.exchanges("default")[0].body


@pytest.mark.parametrize("encoding", [b"br", b"zstd", b"gzip, gzip", b"gzip;q=1", b"\xff"])
def test_another_encoding_is_refused_with_those_that_are_read(encoding: bytes) -> None:
    response = posted(Mock(Settings()), encoding, BODY)
    assert (response.status, header(response, "accept-encoding")) == (415, "gzip, deflate")


@pytest.mark.parametrize(
    "body", [b"", BODY, gzip.compress(BODY)[:-1], gzip.compress(BODY) + b"x"], ids=["none", "plain", "cut", "longer"]
)
def test_a_damaged_body_is_told_as_such(body: bytes) -> None:
    response = posted(Mock(Settings()), b"gzip", body)
    assert response.status == 400
    assert "damaged" in response.findings[0].message


def test_a_bomb_is_refused_and_not_inflated_beyond_the_longest_body() -> None:
    bomb = gzip.compress(b" " * 100_000_000, 1)
    mock = Mock(Settings(max_body=1_000_000))
    assert len(bomb) < 1_000_000
    started = time.thread_time()
    assert posted(mock, b"gzip", bomb).status == 413
    assert time.thread_time() - started < 0.5  # the whole of it takes longer by far


@pytest.mark.parametrize(("spare", "status"), [(0, 200), (-1, 413)])
def test_the_limit_is_that_of_the_body_as_it_was(spare: int, status: int) -> None:
    mock = Mock(Settings(max_body=len(BODY) + spare))
    assert posted(mock, b"gzip", gzip.compress(BODY)).status == status


def test_very_many_parts_are_refused() -> None:
    empty = gzip.compress(b"")
    assert posted(Mock(Settings()), b"gzip", empty * (MOST_MEMBERS - 1) + gzip.compress(BODY)).status == 200
    assert posted(Mock(Settings()), b"gzip", empty * 100_000).status == 400
