"""What passes is recorded without its secrets, and loads as fixtures."""

import gzip
import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from mockserver.errors import FixtureError, StartError, UsageError
from mockserver.messages import DEFAULT_SCOPE
from mockserver.proxy.recording import FILE, RecordingWriter, is_folder, pauses_of, read_recordings
from mockserver.testing import open_mock
from tests.commands import run
from tests.needs import awaited
from tests.proxy.services import DOCUMENT, Proxied, contract_file, json_answer, proxied, raw_service, sends

REX = {"id": 1, "name": "Rex"}
SECRETS = ("key-of-mine", "cookie-of-mine", "token-of-mine", "password-of-mine", "cookie-of-theirs", "key-of-theirs")


@contextmanager
def recording(folder: Path, answer: Callable[[socket.socket, bytes], None], **settings: Any) -> Iterator[Proxied]:
    """Stand before a service of raw bytes, and record what passes."""
    with raw_service(answer) as service, proxied(service.url, folder, record=folder / "rec", **settings) as proxy:
        yield proxy


def record(folder: Path, answer: bytes, *requests: tuple[str, str, Any], **settings: Any) -> str:
    """Record some requests; return the summary."""
    with recording(folder, sends(answer), **settings) as proxy:
        for method, path, body in requests:
            httpx.request(method, proxy.url + path, json=body)
    return str(proxy.proxy.writer)


def has_passed(proxy: Proxied, count: int) -> bool:
    return proxy.proxy.counts.exchanges == count


def written(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_recording_holds_the_exchange_and_a_fixture(tmp_path: Path) -> None:
    summary = record(tmp_path, json_answer([REX]), ("GET", "/pets?limit=1", None))
    assert written(tmp_path / "rec") == {FILE, "listPets/200.json"}
    assert json.loads((tmp_path / "rec/listPets/200.json").read_text()) == [REX]
    ((exchange, pauses),) = read_recordings(tmp_path / "rec")
    assert (exchange.method, exchange.path, exchange.query, exchange.status) == ("GET", "/pets", "limit=1", 200)
    assert (exchange.operation, json.loads(exchange.answer), pauses) == ("listPets", [REX], ())
    assert summary == f"1 recorded in {tmp_path / 'rec'}, 1 fixture"


def test_no_secret_is_in_any_file_of_a_recording(tmp_path: Path) -> None:
    fields = (
        b"Set-Cookie: sid=cookie-of-theirs; Path=/; HttpOnly",
        b"Location: /pets/1?access_token=token-of-mine&a=b",
    )
    value = {"id": 1, "name": "Rex", "api_key": "key-of-theirs", "nested": {"password": "password-of-mine"}}
    sent = {"authorization": "Bearer key-of-mine", "cookie": "a=cookie-of-mine", "x-api-key": "key-of-mine"}
    body = {"id": 1, "name": "Rex", "password": "password-of-mine"}
    with recording(tmp_path, sends(json_answer(value, "201 Created", *fields))) as proxy:
        answer = httpx.post(proxy.url + "/pets?access_token=token-of-mine", json=body, headers=sent)
    assert answer.json() == value
    texts = "".join((tmp_path / "rec" / name).read_text() for name in written(tmp_path / "rec"))
    assert [secret for secret in SECRETS if secret in texts] == []
    ((exchange, _),) = read_recordings(tmp_path / "rec")
    assert (b"set-cookie", b"sid=[redacted]; Path=/; HttpOnly") in exchange.answer_headers
    assert dict(exchange.answer_headers)[b"location"] == b"/pets/1?access_token=%5Bredacted%5D&a=b"
    assert json.loads((tmp_path / "rec/createPet/201.json").read_text())["api_key"] == "[redacted]"


def test_names_of_secrets_can_be_added_also_those_of_a_path(tmp_path: Path) -> None:
    record(
        tmp_path, json_answer({**REX, "nick": "hushhush"}), ("GET", "/pets/planted-one", None), redacted_names="id,nick"
    )
    texts = "".join((tmp_path / "rec" / name).read_text() for name in written(tmp_path / "rec"))
    assert "planted-one" not in texts
    assert "hushhush" not in texts
    assert read_recordings(tmp_path / "rec")[0].exchange.path == "/pets/%5Bredacted%5D"


def test_what_was_recorded_is_served_by_a_mock(tmp_path: Path) -> None:
    record(tmp_path, json_answer([REX]), ("GET", "/pets", None))
    with open_mock(contract=str(contract_file(tmp_path)), fixtures=tmp_path / "rec", auth=False) as mock:
        assert mock.http_client().get("/pets").json() == [REX]


@pytest.mark.parametrize("flag", [True, False])
def test_an_answer_that_looks_like_a_template_is_served_as_it_was_recorded(tmp_path: Path, flag: bool) -> None:
    answer = {"template": flag, "body": "{{ body.id }}"}
    record(tmp_path, json_answer(answer, "422 Unprocessable Content"), ("POST", "/pets", REX), ("POST", "/pets", REX))
    with open_mock(contract=str(contract_file(tmp_path)), fixtures=tmp_path / "rec", auth=False) as mock:
        told = mock.http_client().post("/pets", json=REX, headers={"prefer": "code=422"})
    assert (told.json(), told.headers["x-mock-source"]) == (answer, "canned")
    assert written(tmp_path / "rec") == {FILE, "createPet/422.json"}


def test_equal_exchanges_are_recorded_once_and_equal_answers_are_one_fixture(tmp_path: Path) -> None:
    asked = [("GET", "/pets", None), ("GET", "/pets", None), ("GET", "/pets?limit=1", None)]
    assert "1 repeated" in record(tmp_path, json_answer([REX]), *asked)
    assert len(read_recordings(tmp_path / "rec")) == 2
    assert written(tmp_path / "rec") == {FILE, "listPets/200.json"}
    record(tmp_path, json_answer([REX, REX]), *asked)
    record(tmp_path, json_answer([REX]), *asked)
    assert [json.loads(each.exchange.answer) for each in read_recordings(tmp_path / "rec")] == [
        *[[REX]] * 2,
        *[[REX, REX]] * 2,
        *[[REX]] * 2,
    ]
    assert written(tmp_path / "rec") == {FILE, "listPets/200.json", "listPets/200.2.json"}


def test_a_wrong_answer_is_recorded_but_is_no_fixture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        record(tmp_path, json_answer([{"id": "x"}]), ("GET", "/pets", None))
    assert written(tmp_path / "rec") == {FILE}
    assert "no fixture is made of GET /pets -> 200" in caplog.text


def test_a_compressed_answer_is_recorded_as_it_reads(tmp_path: Path) -> None:
    packed = gzip.compress(json.dumps([REX]).encode())
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n\r\n"
    record(tmp_path, head + packed, ("GET", "/pets", None))
    ((exchange, _),) = read_recordings(tmp_path / "rec")
    assert json.loads(exchange.answer) == [REX]
    assert b"content-encoding" not in dict(exchange.answer_headers)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: br\r\n\r\nxx", "cannot be read"),
        (json_answer([{"id": 1, "name": "x" * 3_000}]), "cannot be read"),
    ],
)
def test_what_cannot_be_searched_for_secrets_is_not_recorded_and_that_is_told(
    tmp_path: Path, answer: bytes, why: str
) -> None:
    assert f"1 not recorded (its bodies {why} whole)" in record(
        tmp_path, answer, ("GET", "/pets", None), max_body=2_000
    )
    assert read_recordings(tmp_path / "rec") == []


def test_an_answer_that_was_cut_is_not_recorded(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n[]"
    with recording(tmp_path, sends(answer)) as proxy, pytest.raises(httpx.RemoteProtocolError):
        httpx.get(proxy.url + "/pets")
    assert "1 not recorded (it did not come whole)" in str(proxy.proxy.writer)


def test_a_stream_is_recorded_with_its_timing(tmp_path: Path) -> None:
    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        for part in (b": hello\n\n", b'data: {"n": 1}\n\n', b'data: {"n"', b": 2}\n\n"):
            time.sleep(0.05)
            connection.sendall(part)

    with recording(tmp_path, answer) as proxy:
        httpx.get(proxy.url + "/events")
    ((_, pauses),) = read_recordings(tmp_path / "rec")
    assert len(pauses) == 3
    script = json.loads((tmp_path / "rec/watchPets/200.json").read_text())
    assert [each["event"] for each in script] == [{"n": 1}, {"n": 2}]
    assert script[0]["after_ms"] == pytest.approx(1000 * (pauses[0] + pauses[1]), abs=0.2)


def test_the_pause_before_an_event_lasts_until_its_last_byte_came() -> None:
    headers = [(b"content-type", b"text/event-stream")]
    body = b"data: 1\n\ndata: 2\n\ndata: 3\n\n"
    assert pauses_of(headers, body, [(0.1, 12), (0.5, 20), (0.75, 27)]) == [100.0, 400.0, 250.0]
    assert pauses_of(headers, body, [(0.1, 27)]) == []
    assert pauses_of(headers, body, [(0.1, 12), (0.5, 20)]) == []
    assert pauses_of([(b"content-type", b"application/json")], b"[1,2]", [(0.1, 2), (0.5, 5)]) == []


def test_operations_that_name_no_folder_leave_no_file_elsewhere(tmp_path: Path) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    document["paths"]["/pets"]["get"]["operationId"] = "../../escaped"
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(document))
    record(tmp_path, json_answer([REX]), ("GET", "/pets", None), contract=str(path))
    assert written(tmp_path) == {"odd.json", "pets.json", f"rec/{FILE}"}


@pytest.mark.parametrize("name", ["..", ".", "", ".hidden", "a/b", "a\\/b", "/abs", "a\0b", "x" * 200])
def test_no_odd_name_is_a_folder(name: str) -> None:
    assert not is_folder(name)
    assert is_folder("getPet")


def test_a_folder_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with proxied("http://127.0.0.1:1", tmp_path) as proxy:
        with pytest.raises(StartError, match="nothing can be recorded here"):
            RecordingWriter(tmp_path / "file" / "rec", proxy.mock)
        (tmp_path / "rec" / FILE).mkdir(parents=True)
        with pytest.raises(StartError):
            RecordingWriter(tmp_path / "rec", proxy.mock)


def test_a_full_disk_costs_the_recording_and_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    with recording(tmp_path, sends(json_answer([REX]))) as proxy:
        for number, broken in enumerate(("pathlib.Path.write_bytes", "os.write", "")):
            with monkeypatch.context() as patch:
                if broken:
                    patch.setattr(broken, full)
                assert httpx.get(f"{proxy.url}/pets?limit={number}").json() == [REX]
                awaited(partial(has_passed, proxy, number + 1), "the exchange has passed")
    writer = proxy.proxy.writer
    assert writer is not None
    assert writer.lost == ["its fixture cannot be written: No space left on device", "its line cannot be written"]
    assert len(read_recordings(tmp_path / "rec")) == 2
    assert len(written(tmp_path / "rec")) == 2
    assert len(proxy.mock.exchanges(DEFAULT_SCOPE)) == 3


@pytest.mark.parametrize("line", ["{}", "[]", "nonsense", '{"number": 1}'])
def test_a_line_that_is_no_exchange_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / FILE).write_text(line + "\n")
    with pytest.raises(FixtureError, match=f"{FILE}:1"):
        read_recordings(tmp_path)


def test_a_last_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    record(tmp_path, json_answer([REX]), ("GET", "/pets", None), ("GET", "/pets/1", None))
    path = tmp_path / "rec" / FILE
    path.write_bytes(path.read_bytes()[:-20])
    assert len(read_recordings(tmp_path / "rec")) == 1


def test_a_folder_without_a_recording_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mockserver proxy URL --record"):
        read_recordings(tmp_path)


def test_a_recording_is_a_journal_whose_coverage_can_be_counted(tmp_path: Path) -> None:
    record(
        tmp_path, b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {}\n\n", ("GET", "/events", None)
    )
    path = tmp_path / "rec" / FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"pauses": [1.5]}) + "\n")
    done = run("coverage", path, "--contract", contract_file(tmp_path))
    assert "exchanges 1" in done.stdout, done.stderr


def test_the_fields_of_a_service_that_is_a_mock_itself_are_not_recorded(tmp_path: Path) -> None:
    record(tmp_path, json_answer([REX], "200 OK", b"x-mock-source: simulated"), ("GET", "/pets", None))
    assert [name for name, _ in read_recordings(tmp_path / "rec")[0].exchange.answer_headers] == [b"content-type"]


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_an_answer_that_its_secrets_would_break_is_not_recorded(tmp_path: Path, kind: str) -> None:
    text = b'{"n": 1, "pin": 77}' if kind == "application/json" else b'data: {"n": 1, "pin": 77}\n\n'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: " + kind.encode() + b"\r\n\r\n"
    with recording(tmp_path, sends(head + text)) as proxy:
        httpx.get(proxy.url + "/events", headers={"cookie": "sid=77"})
    assert "1 not recorded (without the secrets that it quotes, its answer is no JSON)" in str(proxy.proxy.writer)
