"""A check over sockets: connections that the server closes are no fault, and Ctrl-C leaves a report."""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from mockserver.check.target import at_url
from mockserver.control.app import make_app
from mockserver.messages import Request
from mockserver.server.uvicorn import running
from mockserver.settings import Settings
from tests import commands

BODY = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}"


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Hand each connection to `serve`, one after the other, and close it then; gives the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    serve(connection)

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def answering(answers: int) -> AbstractContextManager[str]:
    """Serve so many answers on each connection, and then close it without a word."""

    def serve(connection: socket.socket) -> None:
        for _ in range(answers):
            if not connection.recv(65_536):
                return
            connection.sendall(BODY)
        connection.recv(65_536)  # the next request is read, and not answered

    return listening(serve)


def test_a_reused_connection_that_the_server_closes_is_no_failure() -> None:
    with answering(1) as url, at_url(url, 5.0) as target:
        answers = [target.ask(Request("GET", "/")) for _ in range(5)]
    assert [(each.status, each.failure) for each in answers] == [(200, "")] * 5


def test_a_connection_that_is_never_answered_is_a_failure() -> None:
    with answering(2) as url, at_url(url, 5.0) as target:
        target.ask(Request("GET", "/"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def close_each() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.recv(65_536)
                connection.close()

        threading.Thread(target=close_each, daemon=True).start()
        with at_url(url, 5.0) as target:
            assert target.ask(Request("GET", "/")).failure == "protocol"
        listener.shutdown(socket.SHUT_RDWR)


def test_ctrl_c_exits_130_with_the_report_of_what_came_before(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "mockserver",
        "check",
        "--report",
        f"json={tmp_path}/r.json",
        "--report",
        "terminal",
    ]
    with (
        running(make_app(Settings(contract="2.6", seed=1))) as url,
        subprocess.Popen(
            [*command, "--examples", "100000", url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as check,
    ):
        assert check.stderr is not None
        while " cases, " not in check.stderr.readline():
            assert check.poll() is None
        check.send_signal(signal.SIGINT)
        out, _ = check.communicate(timeout=60)
    assert check.returncode == 130, out
    assert "(interrupted)" in out
    report = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert report["interrupted"] is True
    assert report["figures"]["cases"] > 0


def test_a_url_with_more_than_a_server_is_refused_without_showing_a_password() -> None:
    for url, what in (
        ("http://user:pass-word@127.0.0.1:9", "has a user"),
        ("http://127.0.0.1:9/?a=1", "has a query"),
        ("http://127.0.0.1:9/#f", "has a fragment"),
    ):
        done = commands.run("check", url)
        assert (done.returncode, what in done.stderr) == (2, True), done.stderr
        assert "pass-word" not in done.stdout + done.stderr


def test_a_server_on_this_machine_is_asked_with_the_usual_key_if_no_other_is_set(tmp_path: Path) -> None:
    contract = tmp_path / "c.json"
    operation = {"operationId": "op", "security": [{"b": []}], "responses": {"200": {"description": "x"}}}
    schemes = {"securitySchemes": {"b": {"type": "http", "scheme": "bearer"}}}
    document = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/x": {"get": operation}}}
    contract.write_text(json.dumps({**document, "components": schemes}), "utf-8")
    keys: set[str] = set()

    def serve(connection: socket.socket) -> None:
        head = connection.recv(65_536).decode("latin-1").lower()
        keys.update(line for line in head.split("\r\n") if line.startswith("authorization:"))
        connection.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")

    with listening(serve) as url:
        commands.run("check", url, "--contract", str(contract), "--examples", "0", env={"LLAMA_CLOUD_API_KEY": "usual"})
    assert "authorization: bearer usual" in keys
