"""The command that stands before a service, as a process, and the service as another."""

import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.commands import run
from tests.needs import Running, awaited, free_port, running
from tests.proxy.services import contract_file, raw_service
from tests.strategies import ROOT


@contextmanager
def shop(folder: Path) -> Iterator[str]:
    """Run the shop in a process of its own."""
    port = free_port()
    with running([sys.executable, "-m", "tests.proxy.shop", str(port)], folder / "shop.log", PYTHONPATH=str(ROOT)):

        def answers() -> bool:
            try:
                return httpx.get(f"http://127.0.0.1:{port}/pets").status_code == 200
            except httpx.TransportError:
                return False

        awaited(answers, "the shop answers")
        yield f"http://127.0.0.1:{port}"


@contextmanager
def standing(url: str, folder: Path, *options: str) -> Iterator[tuple[str, Running]]:
    """Run `mockserver proxy` before a service."""
    port = free_port()
    command = [sys.executable, "-m", "mockserver", "proxy", url, "--contract", str(contract_file(folder))]
    with running([*command, "--port", str(port), *options], folder / "proxy.log", PYTHONPATH=str(ROOT)) as process:
        process.said("mockserver stands at")
        yield f"http://127.0.0.1:{port}", process


def test_the_start_prints_the_token_of_the_page_and_what_makes_clients_trust_the_certificate(tmp_path: Path) -> None:
    with standing("http://127.0.0.1:1", tmp_path, "--control-remote", "--tls") as (_, process):
        written = process.said("export NODE_EXTRA_CA_CERTS=")
        assert "; its page is https://127.0.0.1:" in written
        assert re.search(r"other machines: https://127\.0\.0\.1:\d+/__mock__/\?token=[\w-]{20,}\n", written)
        assert re.search(r"export SSL_CERT_FILE=\S+/trust\.pem\n", written)


@pytest.mark.parametrize(
    ("fail_on", "path", "code"),
    [
        ("response", "/pets/1", 0),
        ("response", "/pets/13", 1),
        ("request", "/pets/13", 0),
        ("request", "/pets?limit=x", 1),
        ("any", "/pets/13", 1),
        ("none", "/pets/13", 0),
    ],
)
def test_the_exit_code_says_on_which_side_something_was_wrong(
    tmp_path: Path, fail_on: str, path: str, code: int
) -> None:
    with shop(tmp_path) as url, standing(url, tmp_path, "--fail-on", fail_on) as (proxy, process):
        httpx.get(proxy + path)
        assert process.end(signal.SIGINT) == code
        assert "mockserver proxy: 1 exchange, " in process.log.read_text()


def test_the_exit_code_counts_what_a_head_could_not_say(tmp_path: Path) -> None:
    with shop(tmp_path) as url, standing(url, tmp_path, "--fail-on", "any") as (proxy, process):
        assert httpx.get(proxy + "/events").text.count("data") == 3
        assert process.end() == 0
        assert "1 exchange, 0 with a wrong request, 0 with a wrong answer" in process.log.read_text()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://127.0.0.1", "is no URL of a service"),
        ("http://", "is no URL of a service"),
        ("http://user:word@127.0.0.1", "holds a user"),
        ("http://127.0.0.1/?a=b", "is no URL of a service"),
    ],
)
def test_a_wrong_url_is_a_usage_error(tmp_path: Path, url: str, message: str) -> None:
    done = run("proxy", url, "--contract", contract_file(tmp_path), "--port", "0")
    assert done.returncode == 2
    assert message in done.stderr
    assert "word" not in done.stderr


def test_a_proxy_is_one_process(tmp_path: Path) -> None:
    options = ("--workers", "2", "--port", "0", "--contract", contract_file(tmp_path))
    done = run("proxy", "http://127.0.0.1:1", *options)
    assert done.returncode == 2
    assert "proxy serves from one process" in done.stderr


def test_a_run_records_and_says_how_much(tmp_path: Path) -> None:
    with shop(tmp_path) as url, standing(url, tmp_path, "--record", str(tmp_path / "rec")) as (proxy, process):
        httpx.post(proxy + "/pets", json={"id": 2, "name": "Tom"}, headers={"authorization": "Bearer planted-key"})
        httpx.get(proxy + "/pets/2")
        httpx.get(proxy + "/pets/2")
        httpx.delete(proxy + "/pets/2")
        assert process.end() == 0
        assert f"3 recorded in {tmp_path / 'rec'}, 2 fixtures, 1 repeated" in process.log.read_text()
    files = sorted(str(each.relative_to(tmp_path / "rec")) for each in (tmp_path / "rec").rglob("*.json*"))
    assert files == ["createPet/201.json", "getPet/200.json", "recording.jsonl"]
    texts = "".join((tmp_path / "rec" / each).read_text() for each in files)
    for secret in ("planted-key", "cookie-of-the-shop", "key-of-the-shop"):
        assert secret not in texts


def test_what_cannot_be_written_makes_the_run_fail(tmp_path: Path) -> None:
    (tmp_path / "rec").mkdir()
    (tmp_path / "rec" / "getPet").write_text("in the way")
    with shop(tmp_path) as url, standing(url, tmp_path, "--record", str(tmp_path / "rec")) as (proxy, process):
        assert httpx.get(proxy + "/pets/1").json() == {"id": 1, "name": "Rex"}
        assert process.end() == 3
        assert "its fixture cannot be written" in process.log.read_text()


def test_a_stream_without_an_end_does_not_keep_the_run_from_ending(tmp_path: Path) -> None:
    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        while True:
            connection.sendall(b'data: {"m": 1}\n\n')
            time.sleep(0.02)

    options = ("--fail-on", "response", "--shutdown-timeout", "1")
    with raw_service(answer) as service, standing(service.url, tmp_path, *options) as (proxy, process):
        with httpx.stream("GET", proxy + "/events?api_key=planted") as stream:
            next(stream.iter_raw())
            assert process.end(signal.SIGINT) == 1
        told = process.log.read_text()
    assert "1 exchange, 0 with a wrong request, 1 with a wrong answer" in told
    assert "GET /events?api_key=%5Bredacted%5D 200 " in told
    assert "planted" not in told
