"""What an archive holds is answered again, and what cannot be taken is named."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from mockserver.journal.har import as_har
from mockserver.testing import open_mock
from tests.importing.shop import REX, archive, contract, entry, imports, serving

ANN = {"id": 7, "name": "Ann"}
KEY = "s3cret-of-mine"


def left(folder: Path, *entries: Any) -> str:
    """Return why entries are not taken."""
    done = imports(folder, archive(folder, *entries))
    return "\n".join(line.partition(": not taken: ")[2] for line in done.stdout.splitlines() if ": not taken: " in line)


def test_the_same_requests_get_the_same_answers(tmp_path: Path) -> None:
    entries = [
        entry("GET", "/pets?limit=1", answer=[REX], headers={"ETag": '"a"'}),
        entry("GET", "/pets", answer=[REX, ANN]),
        entry("POST", "/pets", 201, ANN, sent=ANN),
        entry("POST", "/pets", 409, {"error": "there"}, sent=REX),
        entry("GET", "/pets/7", answer=ANN),
        entry("DELETE", "/pets/7", 204),
    ]
    done = imports(tmp_path, archive(tmp_path, *entries))
    assert done.returncode == 0, done
    assert "0 not taken" in done.stdout
    with serving(tmp_path) as mock:
        client = mock.http_client()
        for each in entries:
            sent, kept = each["request"], each["response"]
            body = sent.get("postData", {}).get("text")
            answer = client.request(
                sent["method"],
                sent["url"].removeprefix("https://shop.example"),
                content=body,
                headers={"content-type": "application/json"} if body else {},
            )
            text = kept["content"].get("text")
            assert (answer.status_code, answer.json() if answer.content else None) == (
                kept["status"],
                None if text is None else json.loads(text),
            )
        assert client.get("/pets?limit=1").headers["etag"] == '"a"'
        assert client.get("/pets/8").json() != ANN


def test_a_request_that_came_again_is_answered_in_turn_and_the_last_answer_stays(tmp_path: Path) -> None:
    gone = entry("GET", "/pets/7", 404, {})
    imports(tmp_path, archive(tmp_path, gone, gone, entry("GET", "/pets/7", answer=ANN)))
    with serving(tmp_path) as mock:
        client = mock.http_client()
        assert [client.get("/pets/7").status_code for _ in range(4)] == [404, 404, 200, 200]


def test_the_journal_of_a_mock_is_an_archive_that_can_be_imported(tmp_path: Path) -> None:
    requests = ("/pets?limit=2", "/news")  # a list, and a stream of events
    with open_mock(contract=str(contract(tmp_path)), seed=4) as mock:
        before = [mock.http_client().get(each).text for each in requests]
        (tmp_path / "own.har").write_text(json.dumps(as_har(list(mock.journal))))
    assert "2 stubs and 2 fixtures written" in imports(tmp_path, tmp_path / "own.har").stdout
    with serving(tmp_path) as mock:
        after = [mock.http_client().get(each).text for each in requests]
    assert after == [re.sub(r"Pw-[0-9a-f]+", "[redacted]", each) for each in before]


def test_a_body_in_base64_is_read(tmp_path: Path) -> None:
    coded = entry("GET", "/pets/7")
    text = base64.b64encode(json.dumps(ANN).encode()).decode()
    coded["response"]["content"] = {"mimeType": "application/json", "text": text, "encoding": "base64"}
    imports(tmp_path, archive(tmp_path, coded))
    with serving(tmp_path) as mock:
        client = mock.http_client()
        assert client.get("/pets/7").json() == ANN


def test_an_operation_without_a_name_has_its_body_in_the_stub(tmp_path: Path) -> None:
    imports(tmp_path, archive(tmp_path, entry("GET", "/unnamed", answer=ANN)))
    assert not (tmp_path / "imported/fixtures").exists()
    with serving(tmp_path) as mock:
        client = mock.http_client()
        assert client.get("/unnamed").json() == ANN


def test_no_secret_is_written(tmp_path: Path) -> None:
    one = entry("POST", "/pets", 201, {**REX, "password": KEY}, sent={**REX, "password": KEY})
    one["request"]["headers"] = [{"name": "Authorization", "value": f"Bearer {KEY}"}]
    one["response"]["headers"] = [{"name": "Set-Cookie", "value": f"sid={KEY}; Path=/"}]
    two = entry("GET", f"/pets?api_key={KEY}", answer=[{"id": 1, "name": f"of {KEY}"}])
    done = imports(tmp_path, archive(tmp_path, one, two))
    assert done.returncode == 0, done
    files = [path.read_text() for path in (tmp_path / "imported").rglob("*.json")]
    assert len(files) == 3
    assert not [text for text in [*files, done.stdout] if KEY in text]
    with serving(tmp_path) as mock:
        client = mock.http_client()
        assert client.post("/pets", json={**REX, "password": "another"}).json() == {**REX, "password": "[redacted]"}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (entry("GET", "/logo.png"), "the contract has no such path"),
        (entry("PATCH", "/pets"), "the contract has GET, HEAD, OPTIONS, POST here"),
        (entry("HEAD", "/pets"), "an answer to HEAD has no body to keep"),
        (entry("GET", "/pets/x", answer=REX), "the request breaks the contract at /path/id"),
        (entry("GET", "/pets/1", 0), "it has no answer that can be given: status 0"),
        (entry("GET", "/pets/1", 500, {}), "getPet declares no answer 500, but 200, 404"),
        (entry("GET", "/pets/1"), "its answer has no body, and the contract declares one for 200"),
        (entry("GET", "/pets/1", answer={"id": 1}), "breaks the contract"),
        ({**entry("GET", "/pets/1"), "response": 5}, "its 'response' is 5"),
        ({"request": {"method": "GET", "url": "http://[", "headers": []}}, "its URL cannot be read"),
        (5, "its 'request' is missing"),
        (
            {**entry("GET", "/pets/1"), "response": {"status": 200, "content": {"size": 5}}},
            "the archive does not hold the body",
        ),
        (
            {
                **entry("GET", "/pets/1"),
                "response": {"status": 200, "content": {"mimeType": "text/html", "text": "<p>"}},
            },
            "its answer is text/html, and the contract declares application/json",
        ),
    ],
)
def test_what_cannot_be_taken_is_named_with_the_reason(tmp_path: Path, given: Any, why: str) -> None:
    assert why in left(tmp_path, given)
    assert not (tmp_path / "imported").exists()


def test_every_entry_that_is_not_taken_has_its_own_line(tmp_path: Path) -> None:
    entries = [entry("GET", f"/img/{number}.png") for number in range(30)]
    assert left(tmp_path, *entries, entry("GET", "/pets/7", answer=ANN)).count("\n") == 29


def test_what_is_taken_otherwise_than_it_was_is_told(tmp_path: Path) -> None:
    done = imports(tmp_path, archive(tmp_path, entry("GET", "/pets?_=77", answer=[])))
    assert "GET /pets: taken, but the query parameter '_' is not matched" in done.stdout


def test_a_secret_is_not_quoted_where_a_request_breaks_the_contract(tmp_path: Path) -> None:
    sent = {**REX, "password": [KEY]}
    done = imports(tmp_path, archive(tmp_path, entry("POST", "/pets", 201, REX, sent=sent)))
    assert "the request breaks the contract at /body/password" in done.stdout
    assert KEY not in done.stdout
