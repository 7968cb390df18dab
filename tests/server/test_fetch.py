"""Documents and references are fetched from this machine, and from others only where that is allowed."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from mockserver.cli import main
from mockserver.engine import Mock
from mockserver.errors import ContractError
from mockserver.server import fetch as fetching
from mockserver.server.fetch import fetch, is_local
from mockserver.settings import Settings
from tests.talk import ask, value

SCHEMA = {"type": "object", "required": ["id"], "properties": {"id": {"const": 7}}}
API = {
    "openapi": "3.1.0",
    "info": {"title": "T", "version": "1"},
    "paths": {
        "/a": {
            "get": {
                "operationId": "a",
                "responses": {
                    "200": {"description": "d", "content": {"application/json": {"schema": {"$ref": "parts/s.json"}}}}
                },
            }
        }
    },
}
PAGES = {
    "/v1/api.json": json.dumps(API).encode(),
    "/v1/parts/s.json": json.dumps({"$ref": "../more.json#/S"}).encode(),
    "/v1/more.json": json.dumps({"S": SCHEMA}).encode(),
    "/big": b"x" * 3_000,
}


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/away":
            self.send_response(302)
            self.send_header("location", "http://example.com/api.json")
            self.end_headers()
            return
        body = PAGES.get(self.path)
        self.send_response(404 if body is None else 200)
        self.end_headers()
        with suppress(OSError):  # the reader has had enough
            for byte in (body or b"") if self.path == "/slow" else ():
                self.wfile.write(bytes([byte]))
                time.sleep(0.05)
            self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """Give the address of a site with the pages."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_contract_on_this_machine_is_served_with_what_it_refers_to(site: str) -> None:
    """Its references are relative to its address; one to another file's neighbour, too."""
    mock = Mock(Settings(contract=f"{site}/v1/api.json", seed=1))
    assert value(ask(mock.handle, "GET", "/a"))["id"] == 7
    [contract] = mock.served.contracts
    assert contract.name == "api"
    [media] = contract.operations[0].replies["200"].media
    assert media.schema is not None
    assert media.schema.place() == "more.json#/S"


def test_one_of_several_documents_may_be_at_an_address(site: str, tmp_path: Path) -> None:
    """Under a path of its own."""
    (tmp_path / "own.json").write_text(json.dumps({**API, "paths": {}}))
    mock = Mock(Settings(contract=f"{tmp_path}/own.json,/far={site}/v1/api.json", seed=1))
    assert value(ask(mock.handle, "GET", "/far/a"))["id"] == 7


def test_a_reference_to_an_address_is_followed(site: str, tmp_path: Path) -> None:
    """From a file to this machine, without more ado."""
    text = json.dumps(API).replace("parts/s.json", f"{site}/v1/more.json#/S")
    (tmp_path / "api.json").write_text(text)
    mock = Mock(Settings(contract=str(tmp_path / "api.json"), seed=1))
    assert value(ask(mock.handle, "GET", "/a"))["id"] == 7


def test_another_machine_is_asked_only_where_that_is_allowed(tmp_path: Path) -> None:
    """The contract is refused; a reference makes its operation 501, and says what to do."""
    with pytest.raises(ContractError) as told:
        Mock(Settings(contract="https://example.com/api.json"))
    assert "--allow-remote-refs" in str(told.value)
    text = json.dumps(API).replace("parts/s.json", "https://example.com/s.json")
    (tmp_path / "api.json").write_text(text)
    mock = Mock(Settings(contract=str(tmp_path / "api.json"), seed=1))
    [problem] = mock.served.contracts[0].problems
    assert (problem.level, problem.fix) == ("error", "add --allow-remote-refs, or keep a copy")
    assert ask(mock.handle, "GET", "/a").status == 501


def test_with_leave_another_machine_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be had then is told as that."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    text = json.dumps(API).replace("parts/s.json", "https://example.com/s.json")
    (tmp_path / "api.json").write_text(text)
    mock = Mock(Settings(contract=str(tmp_path / "api.json"), allow_remote_refs=True))
    [problem] = mock.served.contracts[0].problems
    assert "https://example.com/s.json cannot be read" in f"{problem.what} {problem.why}"


@pytest.mark.parametrize("address", ["http://169.254.1.1/a", "https://example.com", "http://127.0.0.1.example.com/"])
def test_only_loopback_addresses_are_this_machine(address: str) -> None:
    """A name that looks like one is none."""
    assert not is_local(address)
    assert is_local("http://127.3.2.1:80/a")
    assert is_local("http://[::1]/a")
    assert is_local("https://api.localhost/a")


def test_a_redirect_leads_nowhere_else(site: str) -> None:
    """From this machine to another."""
    with pytest.raises(ContractError, match=r"example\.com/api\.json is not read"):
        fetch(f"{site}/away", remote=False)


def test_size_time_and_status_are_bounded(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is told with its reason."""
    with pytest.raises(ContractError, match="it answers 404"):
        fetch(f"{site}/none", remote=False)
    monkeypatch.setattr(fetching, "LARGEST", 1_000)
    with pytest.raises(ContractError, match="larger than 1,000 bytes"):
        fetch(f"{site}/big", remote=False)
    monkeypatch.setitem(PAGES, "/slow", b"x" * 50)
    monkeypatch.setattr(fetching, "PATIENCE", 0.3)
    with pytest.raises(ContractError, match=r"longer than 0\.3 seconds"):
        fetch(f"{site}/slow", remote=False)
    with pytest.raises(ContractError, match="only http and https"):
        fetch("file:///etc/hosts", remote=True)


def test_validate_reads_an_address(site: str) -> None:
    """Lines are those of what was fetched."""
    result = CliRunner().invoke(main, ["validate", f"{site}/v1/api.json"])
    assert (result.exit_code, result.output) == (0, f"{site}/v1/api.json: 0 errors, 0 warnings in 1 operation\n")
