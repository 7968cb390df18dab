"""A journal is an HTTP archive, by the schema that others read archives with, and nothing of it is lost."""

import base64
import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft6Validator
from referencing import Registry
from referencing.jsonschema import DRAFT6

from mockserver.engine import Mock
from mockserver.journal.exchange import Exchange
from mockserver.journal.har import BASE, as_har
from mockserver.messages import Finding, Json
from mockserver.settings import Settings
from tests.clients.environments import CACHE, kept
from tests.exchanges import exchange, exchanges
from tests.needs import need, untested
from tests.talk import MESSAGE, TITLE, ask

PACKAGE = "har-schema@2.0.0"


@pytest.fixture(scope="session")
def schema() -> Draft6Validator:
    """Give the published schema of HAR 1.2, fetched once."""
    place = kept(CACHE.parent / PACKAGE.replace("@", "-"), fetch)
    files = sorted((place / "node_modules" / "har-schema" / "lib").glob("*.json"))
    resources = [(path.name, DRAFT6.create_resource(json.loads(path.read_text("utf-8")))) for path in files]
    return Draft6Validator({"$ref": "har.json"}, registry=Registry[Any]().with_resources(resources))


def fetch(place: Path) -> None:
    options = ("--no-audit", "--no-fund", "--ignore-scripts", "--save-exact")
    command = [need("npm"), "install", "--prefix", str(place), *options, PACKAGE]
    place.mkdir()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        untested(f"{PACKAGE} cannot be had: {done.stderr[-300:]}")


def entry(made: Exchange) -> Json:
    """Give the one entry of an archive of one exchange."""
    (only,) = as_har([made])["log"]["entries"]
    return only


UNRESERVED = r"[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}"
URL = re.compile(rf"http://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(:\d+)?(/({UNRESERVED}|/)*)(\?({UNRESERVED}|[/?])*)?")
"""What RFC 3986 allows of such URLs."""


@given(st.lists(exchanges, max_size=3))
@example(
    [exchange(path="*"), exchange(path=""), exchange(query="?", path="/%"), exchange(query="a=[b]#c%zz", path="/ ?")]
)
@example([exchange(headers=[(b"host", b"evil/x?")]), exchange(headers=[(b"host", b"[::1]:80")]), exchange(headers=[])])
def test_every_journal_is_an_archive(schema: Draft6Validator, kept: list[Exchange]) -> None:
    archive = json.loads(json.dumps(as_har(kept), allow_nan=False))
    assert [error.message for error in schema.iter_errors(archive)] == []
    assert archive["log"]["version"] == "1.2"
    for each in archive["log"]["entries"]:
        assert URL.fullmatch(each["request"]["url"])
        known = {name for name in each if not name.startswith("_")}
        assert known == {"startedDateTime", "time", "request", "response", "cache", "timings"}


def test_the_schema_knows_what_is_no_archive(schema: Draft6Validator) -> None:
    for part, name in (("request", "url"), ("response", "status"), ("request", "headers"), ("response", "content")):
        broken = as_har([exchange()])
        del broken["log"]["entries"][0][part][name]
        assert not schema.is_valid(broken)


@given(exchanges)
def test_no_byte_of_an_answer_and_no_field_is_lost(made: Exchange) -> None:
    told = entry(made)
    content = told["response"]["content"]
    body = base64.b64decode(content["text"]) if content.get("encoding") == "base64" else content["text"].encode()
    assert body == made.answer
    assert (told["response"]["bodySize"], content["size"]) == (made.answer_size, made.answer_size)
    for message, fields in ((told["request"], made.headers), (told["response"], made.answer_headers)):
        assert [
            (each["name"].encode("latin-1"), each["value"].encode("latin-1")) for each in message["headers"]
        ] == fields
    assert (told["response"]["status"], told["request"]["bodySize"]) == (made.status, made.size)


@pytest.mark.parametrize(
    ("path", "query", "url"),
    [
        (TITLE, "", TITLE),
        ("/a%20b/%C3%A9", "x=%26&x=2&y", "/a%20b/%C3%A9?x=%26&x=2&y"),
        ("/a b\xe9", "[x]=\xe9", "/a%20b%E9?%5Bx%5D=%E9"),
        ("/100%", "%zz=%4", "/100%25?%25zz=%254"),
        ("/a?b#c", "d?e#f", "/a%3Fb%23c?d?e%23f"),
        ("*", "", "/*"),
        ("", "a=1", "/?a=1"),
    ],
)
def test_the_url_is_the_one_that_was_asked_for(path: str, query: str, url: str) -> None:
    told = entry(exchange(path=path, query=query))["request"]
    assert told["url"] == "http://127.0.0.1:4010" + url
    if query.isascii():
        split = parse_qsl(urlsplit(told["url"]).query, keep_blank_values=True)
        assert [(each["name"], each["value"]) for each in told["queryString"]] == split


@pytest.mark.parametrize(
    ("host", "base"),
    [
        (b"localhost:4010", "http://localhost:4010"),
        (b"[::1]:4010", "http://[::1]:4010"),
        (b"a.example", "http://a.example"),
        (b"", BASE),
        (b"a/b", BASE),
        (b"a@b", BASE),
        (b"a b", BASE),
        (b"[", BASE),
        (b"\xe9", BASE),
        (b"a:b", BASE),
    ],
)
def test_a_host_that_no_url_can_have_is_not_told_in_one(host: bytes, base: str) -> None:
    assert entry(exchange(headers=[(b"host", host)]))["request"]["url"] == base + TITLE
    assert entry(exchange(headers=[]))["request"]["url"] == BASE + TITLE


def test_a_repeated_parameter_is_told_as_often_as_it_was_sent() -> None:
    told = entry(exchange(query="a=1&b=&a=2"))["request"]["queryString"]
    assert told == [{"name": "a", "value": "1"}, {"name": "b", "value": ""}, {"name": "a", "value": "2"}]


def test_an_exchange_is_told_with_what_har_has_no_word_for() -> None:
    finding = Finding("/body/first_message", "missing", "Field required", "client")
    made = exchange(findings=(finding,), stub=2, faults=("reset",), attempt=1, scope="a", status=307)
    made = made._replace(answer_headers=[(b"location", b"/x"), (b"content-type", b"text/plain")])
    told = entry(made)
    assert told["startedDateTime"] == "2026-04-22T12:34:41.342245Z"
    assert told["request"]["method"] == "POST"
    assert told["request"]["postData"] == {"mimeType": "application/json", "text": '{"first_message": "Q3"}'}
    assert told["request"]["bodySize"] == 23
    assert told["response"]["redirectURL"] == "/x"
    assert told["response"]["content"]["mimeType"] == "text/plain"
    assert {name: value for name, value in told.items() if name.startswith("_")} == {
        "_operation": "set_title",
        "_contract": "2.6#/paths/title",
        "_source": "simulated",
        "_scope": "a",
        "_attempt": 1,
        "_stub": 2,
        "_faults": ["reset"],
        "_findings": ["client: /body/first_message: Field required"],
    }
    assert "postData" not in entry(exchange(body=b""))["request"]


def test_what_a_mock_remembers_is_an_archive(schema: Draft6Validator) -> None:
    mock = Mock(Settings(seed=1))
    ask(mock.handle, "POST", TITLE, {"first_message": MESSAGE})
    ask(mock.handle, "POST", "/api/v1/chat/ses-1/messages/stream", {"index_ids": ["a"], "prompt": "é"}, query="a=1")
    ask(mock.handle, "POST", TITLE, b"\xff")
    ask(mock.handle, "GET", "/nothing/%", authorization=None)
    archive = as_har(mock.exchanges("default"))
    assert [error.message for error in schema.iter_errors(archive)] == []
    assert [each["response"]["status"] for each in archive["log"]["entries"]] == [200, 200, 400, 404]
