"""How many files one request goes through, and how often it goes from one to another."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest

from mockserver.api import make_settings
from mockserver.engine import Mock
from mockserver.messages import Headers, Request, Response
from tests.strategies import ROOT

PACKAGE = str(ROOT / "mockserver") + "/"
FIELDS = (
    (b"host", b"127.0.0.1:4010"),
    (b"authorization", b"Bearer any-key"),
    (b"content-type", b"application/json"),
)
CHAT = "/api/v1/chat/ses-1"


@contextmanager
def traced() -> Iterator[list[str]]:
    """Give the files of the package in the order in which functions in them are entered and left."""
    files: list[str] = []

    def look(frame: Any, event: str, _: object) -> None:
        if event in ("call", "return") and frame.f_code.co_filename.startswith(PACKAGE):
            files.append(frame.f_code.co_filename.removeprefix(PACKAGE))

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        yield files
    finally:
        sys.setprofile(before)


def measured(mock: Mock, request: Request, read: Callable[[Response], None] = lambda _: None) -> tuple[int, int]:
    """Give how many files a request enters after one warm call, and how often it changes from one to another.

    The least of three: one may be the first of its second, which is written anew, or collect what other tests left.
    """
    read(mock.handle(request))
    found = []
    for _ in range(3):
        with traced() as files:
            read(mock.handle(request))
        found.append((len(set(files)), sum(one != other for one, other in pairwise(files))))
    return min(found)


def read_stream(response: Response) -> None:
    """Read a stream to its end, as an edge does."""
    assert response.stream is not None
    response.stream.close(len(response.stream.chunks))


@pytest.fixture
def mock() -> Mock:
    return Mock(make_settings({"seed": 1}))


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "most_files", "most_changes"),
    [
        ("POST", f"{CHAT}/title", b'{"first_message": "What is new?"}', 200, 8, 15),
        ("GET", f"{CHAT}/summary", b"", 200, 8, 15),
        ("POST", f"{CHAT}/title", b"{}", 422, 12, 20),
    ],
)
def test_a_request_goes_through_few_files(
    mock: Mock, method: str, path: str, body: bytes, status: int, most_files: int, most_changes: int
) -> None:
    request = Request(method, path, headers=Headers(FIELDS), body=body)
    assert mock.handle(request).status == status
    files, changes = measured(mock, request)
    assert (files <= most_files, changes <= most_changes) == (True, True), (files, changes)


def test_a_stream_with_a_stubbed_cut_goes_through_few_files(mock: Mock) -> None:
    spec = {"operation": "stream", "answers": [{"faults": {"cut-stream": {"after": 3}}, "times": "always"}]}
    mock.served.stubs.add("default", spec)
    body = b'{"index_ids": ["idx-1"], "prompt": "What is new?"}'
    request = Request("POST", f"{CHAT}/messages/stream", headers=Headers(FIELDS), body=body)
    files, changes = measured(mock, request, read_stream)
    assert (files <= 14, changes <= 40) == (True, True), (files, changes)
