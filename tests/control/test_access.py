"""Control routes are this machine's: no other machine and no web site may use them."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.api import default
from mockserver.control.access import HEALTH, is_loopback, refused
from mockserver.control.routes import table_of
from mockserver.engine import Mock
from mockserver.messages import OPENAPI
from mockserver.server.asgi import Application, Receive, Scope, Send
from mockserver.settings import Settings
from tests.conftest import app_of
from tests.oracle import Answer, call

HERE = ("127.0.0.1", 50_000)
THERE = ("192.0.2.7", 50_000)


def why(
    *, client: tuple[str, int] | None = HERE, remote: bool = False, host: str = "127.0.0.1:4010", **headers: str
) -> str:
    """Say why a request may not use the control routes; header names are written with underscores."""
    fields = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in fields.items()]
    return refused({"type": "http", "client": client, "headers": raw}, remote=remote)


# -- machines --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.8.9.10", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "::1%lo", "::FFFF:7f00:1"]
)
def test_this_machine_may_use_them(address: str) -> None:
    assert is_loopback(address)
    assert why(client=(address, 1)) == ""


@pytest.mark.parametrize(
    "address",
    ["192.0.2.7", "10.0.0.1", "0.0.0.0", "::", "::ffff:192.0.2.7", "fe80::1%eth0", "2001:db8::1", "", "name"],  # noqa: S104  # nothing is bound
)
def test_another_machine_may_not_unless_it_is_let_in(address: str) -> None:
    assert why(client=(address, 1)) == f"{address} is another machine; --control-remote lets it in"
    assert why(client=(address, 1), remote=True) == ""


@given(st.ip_addresses())
@example(ip_address("127.0.0.0"))
@example(ip_address("126.255.255.255"))
@example(ip_address("128.0.0.0"))
@example(ip_address("::2"))
@example(ip_address("::ffff:127.0.0.1"))
@example(ip_address("::fffe:127.0.0.1"))
def test_an_address_is_this_machines_or_it_is_not(address: IPv4Address | IPv6Address) -> None:
    number = int(address)
    own = number >> 24 == 127 if address.version == 4 else number == 1 or number >> 24 == 0xFFFF_7F
    assert is_loopback(str(address)) is own


def test_who_has_no_address_is_in_this_process_or_on_a_socket_of_this_machine() -> None:
    assert why(client=None) == ""
    assert refused({"type": "http", "headers": []}, remote=False) == ""


# -- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:4010", "LocalHost:4010", "localhost:", "a.localhost:80", "mockserver.test"),
        *("127.0.0.1", "127.0.0.1:4010", "127.1.2.3", "[::1]", "[::1]:4010", "[::ffff:127.0.0.1]:1", ""),
    ],
)
def test_this_machine_has_its_own_names(host: str) -> None:
    assert why(host=host) == ""


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:4010", "localhost.evil.example", "127.0.0.1.evil.example", "evillocalhost"),
        *("192.0.2.7:4010", "[2001:db8::1]:4010", "[::1", "[::1]evil.example", "[localhost]", "localhost:evil"),
        *("localhost:80:80", "127.0.0.1@evil.example", "localhost/x", "evil.example#localhost", "a b", "\xe9"),
        *("evil.example?.localhost:1", "]", ":", ":80", "::1"),
    ],
)
def test_a_name_that_was_made_to_point_here_is_refused(host: str) -> None:
    assert "is not this machine's own name; --control-remote or --control-hosts lets it in" in why(host=host)


@pytest.mark.parametrize(
    "host", ["evil.example", "EVIL.example:4010", "evil.com.", "localhost.evil.example", "x:y", "]"]
)
def test_a_site_that_was_made_to_point_here_is_refused_where_other_machines_are_let_in(host: str) -> None:
    for client in (HERE, THERE, None):
        assert "--control-hosts lets it in" in why(client=client, host=host, remote=True)
        assert why(client=client, host=host, remote=True, origin=f"http://{host}", sec_fetch_site="same-origin")


@pytest.mark.parametrize(
    "host",
    [
        *("192.0.2.7:4010", "[2001:db8::1]:4010", "localhost", "mock", "mock:4010", "Build-7:80", ""),
        *("mock.local", "mock.team.svc.cluster.local:4010", "host.docker.internal", "mock.home.arpa", "a.test"),
    ],
)
def test_other_machines_may_use_names_that_no_web_site_can_have(host: str) -> None:
    assert why(client=THERE, host=host, remote=True) == ""


def test_names_that_are_let_in_may_be_used() -> None:
    for remote, client in ((False, HERE), (True, THERE)):
        raw = [(b"host", b"Mock.Example:4010")]
        scope = {"type": "http", "client": client, "headers": raw}
        assert refused(scope, remote=remote, hosts={"mock.example"}) == ""
        assert refused(scope, remote=remote, hosts={"example", "x.mock.example"}) != ""
    there = {"type": "http", "client": THERE, "headers": [(b"host", b"mock.example")]}
    assert "another machine" in refused(there, remote=False, hosts={"mock.example"})


@given(st.text(st.characters(max_codepoint=255), max_size=12))
@example(":")
@example("[")
def test_any_host_is_judged(host: str) -> None:
    for value in (host, f"{host}:80", f"[{host}]", f"{host}.evil.example", f"localhost{host}"):
        why(host=value)
    assert why(host=f"{host}.evil.example") != ""


# -- web sites -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("remote", [False, True])
@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site", "origin": "http://127.0.0.1:4010"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1"},
        {"origin": "http://127.0.0.1:3000"},
        {"origin": "http://localhost:4010"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "null", "host": ""},
        {"origin": "", "host": ""},
        {"origin": "127.0.0.1:4010"},
        {"origin": "http://127.0.0.1:4010.evil.example"},
        {"origin": "http://evil.example://127.0.0.1:4010"},
    ],
    ids=str,
)
def test_a_page_of_another_site_may_not_even_where_machines_are_let_in(
    headers: Mapping[str, str], remote: bool
) -> None:
    said: dict[str, Any] = dict(headers)
    assert why(remote=remote, **said).startswith("a page of ")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": "same-origin"},
        {"origin": "http://127.0.0.1:4010", "sec_fetch_site": "same-origin"},
        {"origin": "http://localhost:4010", "host": "LOCALHOST:4010"},
        {"origin": "http://LocalHost:4010", "host": "localhost:4010"},
    ],
    ids=str,
)
def test_a_page_of_its_own_and_a_program_may(headers: Mapping[str, str]) -> None:
    said: dict[str, Any] = dict(headers)
    assert why(**said) == ""


def test_a_rebound_page_is_refused_though_it_seems_its_own() -> None:
    assert "evil.example" in why(origin="http://evil.example", host="evil.example", sec_fetch_site="same-origin")


# -- the routes ------------------------------------------------------------------------------------------------------


def seen_from(app: Application, client: tuple[str, int] | None) -> Application:
    """Give an application as it is asked from an address."""

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "client": client}, receive, send)

    return asked


def ask(
    method: str,
    path: str,
    client: tuple[str, int] | None = THERE,
    fields: Mapping[str, str] | None = None,
    **options: Any,
) -> Answer:
    app = app_of(Mock(Settings(contract="2.6", seed=1, **options)))
    return call(seen_from(app, client), method, path, headers=list((fields or {}).items()), body=b"{}")


FREE = (HEALTH, OPENAPI)
"""The routes that answer whoever asks."""

GUARDED = [(method, path) for method, path in table_of(default()) if path not in FREE]
STRANGERS: list[tuple[tuple[str, int], dict[str, str]]] = [
    (THERE, {}),
    (HERE, {"host": "evil.example"}),
    (HERE, {"origin": "http://evil.example", "host": "127.0.0.1"}),
    (HERE, {"sec-fetch-site": "cross-site"}),
    (THERE, {"host": "localhost/__mock__/health?"}),
    (THERE, {"host": "localhost/openapi.json#"}),
    (THERE, {"x-forwarded-for": "127.0.0.1", "forwarded": "for=127.0.0.1", "x-real-ip": "127.0.0.1"}),
]


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_every_route_is_refused_to_strangers_below_a_scope_too(method: str, path: str) -> None:
    app = app_of(Mock(Settings(contract="2.6", seed=1)))
    target = path.replace("{name}", "a").replace("{number}", "1").replace("{session_id}", "s")
    for client, fields in STRANGERS:
        for place in (target, "/scope/b" + target):
            answer = call(seen_from(app, client), method, place, headers=list(fields.items()), body=b"{}")
            assert answer.status == 403, (client, fields, place)
            assert answer.value["detail"].startswith("The control routes are refused: ")


def test_a_refused_request_does_nothing() -> None:
    mock = Mock(Settings(contract="2.6", seed=1))
    mock.store.count("default", "made")
    app = app_of(mock)
    assert call(seen_from(app, THERE), "POST", "/__mock__/reset").status == 403
    assert call(seen_from(app, THERE), "POST", "/__mock__/stubs", body=b'{"operation": "set_title"}').status == 403
    assert (mock.store.count("default", "made"), list(mock.store.stubs("default"))) == (2, [])


@pytest.mark.parametrize("path", [*FREE, "/scope/a" + HEALTH])
def test_health_and_contract_answer_whoever_asks(path: str) -> None:
    for client, fields in STRANGERS:
        assert ask("GET", path, client, fields).status == 200


def test_a_head_is_guarded_like_a_get() -> None:
    assert ask("HEAD", "/__mock__/journal").status == 403
    assert ask("HEAD", "/__mock__/journal", HERE).status == 200


def test_another_machine_is_let_in_by_an_option_and_a_web_site_is_not() -> None:
    assert ask("GET", "/__mock__/journal", control_remote=True).status == 200
    assert ask("GET", "/__mock__/journal", THERE, {"host": "mock:4010"}, control_remote=True).status == 200
    assert ask("GET", "/__mock__/journal", THERE, {"host": "evil.com"}, control_remote=True).status == 403
    let_in = {"control_remote": True, "control_hosts": "a, Mock.example"}
    assert ask("GET", "/__mock__/journal", THERE, {"host": "mock.example:4010"}, **let_in).status == 200
    assert ask("GET", "/__mock__/journal", THERE, {"sec-fetch-site": "cross-site"}, control_remote=True).status == 403


@pytest.mark.parametrize("host", ["mock.example/__mock__/health?", "127.0.0.1/__mock__/health#", "x/openapi.json?"])
def test_no_host_makes_a_control_route_one_that_is_free(host: str) -> None:
    assert ask("GET", "/__mock__/journal", THERE, {"host": host}).status == 403
    assert ask("GET", "/__mock__/journal", HERE, {"host": host}).status == 403
    assert ask("GET", "/__mock__/journal", HERE, {"host": host}, control=False).status == 404


@pytest.mark.parametrize("client", [HERE, THERE, None])
def test_without_control_there_is_the_health_alone(client: tuple[str, int] | None) -> None:
    assert ask("GET", HEALTH, client, control=False).status == 200
    answer = ask("GET", "/__mock__/journal", client, control=False)
    assert (answer.status, "--no-control" in answer.value["detail"]) == (404, True)


@pytest.mark.parametrize("remote", [False, True])
def test_health_tells_strangers_no_path_of_the_store(remote: bool, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/private.db"
    for client, fields in ((HERE, {"host": "evil.com"}), (HERE, {"sec-fetch-site": "cross-site"})):
        answer = ask("GET", HEALTH, client, fields, store=url, control_remote=remote)
        assert (answer.status, answer.value["store"]) == (200, "sqlite://")
        assert b"private" not in answer.body
    assert ask("GET", HEALTH, THERE, store=url).value["store"] == "sqlite://"
    assert ask("GET", HEALTH, HERE, store=url, control_remote=remote).value["store"] == url
