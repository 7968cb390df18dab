"""Services that a proxy stands before: an application on a socket, and raw bytes."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from mockserver.api import make_settings
from mockserver.control.app import start_mock
from mockserver.engine import Mock
from mockserver.journal.exchange import Exchange
from mockserver.messages import DEFAULT_SCOPE
from mockserver.proxy.app import Proxy
from mockserver.proxy.forward import Service
from mockserver.proxy.recording import RecordingWriter
from mockserver.server.uvicorn import running

PET = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {"id": {"type": "integer"}, "name": {"type": "string"}, "api_key": {"type": "string"}},
}


def reply(schema: Any, kind: str = "application/json") -> Any:
    return {"description": "An answer.", "content": {kind: {"schema": schema}}}


DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Pets", "version": "1"},
    "paths": {
        "/pets": {
            "get": {
                "operationId": "listPets",
                "parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer"}}],
                "responses": {"200": reply({"type": "array", "items": PET})},
            },
            "post": {
                "operationId": "createPet",
                "requestBody": {"required": True, "content": {"application/json": {"schema": PET}}},
                "responses": {"201": reply(PET), "422": reply({"type": "object"})},
            },
        },
        "/pets/{id}": {
            "get": {
                "operationId": "getPet",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {
                    "200": reply(PET),
                    "304": {"description": "Unchanged."},
                    "404": reply({"type": "object"}),
                },
            },
            "delete": {
                "operationId": "deletePet",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {"204": {"description": "Gone."}},
            },
        },
        "/events": {
            "get": {
                "operationId": "watchPets",
                "responses": {"200": reply({"type": "object", "required": ["n"]}, "text/event-stream")},
            }
        },
    },
}


def contract_file(folder: Path) -> Path:
    path = folder / "pets.json"
    path.write_text(json.dumps(DOCUMENT))
    return path


class Proxied(NamedTuple):
    """A running proxy."""

    url: str
    proxy: Proxy
    mock: Mock

    @property
    def exchanges(self) -> list[Exchange]:
        return self.mock.exchanges(DEFAULT_SCOPE)


@contextmanager
def proxied(
    service: str, folder: Path, timeout: float = 5.0, record: Path | None = None, **settings: Any
) -> Iterator[Proxied]:
    """Stand before a service."""
    mock = start_mock(make_settings({"contract": str(contract_file(folder)), **settings}))
    proxy = Proxy(mock, Service(service, timeout), None if record is None else RecordingWriter(record, mock))
    with running(proxy, shutdown_timeout=1, date=False) as url:
        yield Proxied(url, proxy, mock)


class Raw(NamedTuple):
    """A service that sends raw bytes, and what it received."""

    url: str
    received: list[bytes]


def read_request(connection: socket.socket) -> bytes:
    """Read a request with its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65_536)
        if not part:
            return data
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length or (b"transfer-encoding: chunked" in head.lower() and not body.endswith(b"0\r\n\r\n")):
        part = connection.recv(65_536)
        if not part:
            break
        body += part
    return head + b"\r\n\r\n" + body


@contextmanager
def raw_service(answer: Callable[[socket.socket, bytes], None]) -> Iterator[Raw]:
    """Serve each connection once by a function."""
    listener = socket.create_server(("127.0.0.1", 0))
    received: list[bytes] = []

    def serve_one(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            request = read_request(connection)
            received.append(request)
            if request:
                answer(connection, request)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve_one, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield Raw(f"http://127.0.0.1:{listener.getsockname()[1]}", received)
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        listener.close()


def sends(*parts: bytes) -> Callable[[socket.socket, bytes], None]:
    """Return what sends these bytes, whatever is asked, and closes the connection."""

    def answer(connection: socket.socket, _: bytes) -> None:
        for part in parts:
            connection.sendall(part)

    return answer


def json_answer(value: Any, status: str = "200 OK", *fields: bytes) -> bytes:
    body = json.dumps(value).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n".encode()
    return head + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


def talk(url: str, request: bytes, timeout: float = 10.0) -> bytes:
    """Send bytes and return all that comes until the connection closes."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=timeout) as connection:
        connection.sendall(request)
        found = b""
        while part := connection.recv(65_536):
            found += part
        return found


def get(url: str, path: str = "/pets", *fields: bytes, method: bytes = b"GET") -> bytes:
    """Send a request that closes its connection; return the raw answer."""
    lines = [method + b" " + path.encode() + b" HTTP/1.1", b"host: here", b"connection: close", *fields]
    return talk(url, b"\r\n".join(lines) + b"\r\n\r\n")
