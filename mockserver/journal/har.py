"""Exports a journal as an HTTP archive (HAR 1.2), which browsers and proxies read."""

import base64
import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, quote

from mockserver import __version__
from mockserver.journal.exchange import Exchange
from mockserver.messages import Json, RawHeaders

BASE = "http://127.0.0.1"
"""The base URL of requests without a usable host."""


def as_har(exchanges: Sequence[Exchange]) -> Json:
    """Write exchanges as a HAR document. Names that HAR does not define begin with an underscore."""
    creator = {"name": "mockserver", "version": __version__}
    return {"log": {"version": "1.2", "creator": creator, "entries": [_entry(each) for each in exchanges]}}


def _entry(exchange: Exchange) -> Json:
    return {
        "startedDateTime": exchange.at + "Z",
        "time": 0,
        "request": _request(exchange),
        "response": _response(exchange),
        "cache": {},
        "timings": {"send": 0, "wait": 0, "receive": 0},
        "_operation": exchange.operation or None,
        "_contract": exchange.contract,
        "_source": exchange.source,
        "_scope": exchange.scope,
        "_attempt": exchange.attempt,
        "_findings": [f"{each.fault}: {each.where}: {each.message}" for each in exchange.findings],
        "_stub": exchange.stub or None,
        "_faults": list(exchange.faults),
    }


def _request(exchange: Exchange) -> Json:
    host = next((value.decode("latin-1") for name, value in exchange.headers if name == b"host"), "")
    pairs = parse_qsl(exchange.query, keep_blank_values=True)
    made: Json = {
        "method": exchange.method,
        "url": (f"http://{host}" if _HOST.fullmatch(host) else BASE) + _target(exchange),
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _headers(exchange.headers),
        "queryString": [{"name": name, "value": value} for name, value in pairs],
        "headersSize": -1,
        "bodySize": exchange.size,
    }
    if exchange.size:
        text = exchange.body.decode("utf-8", "replace")
        made["postData"] = {"mimeType": _type(exchange.headers), "text": text}
    return made


def _response(exchange: Exchange) -> Json:
    return {
        "status": exchange.status,
        "statusText": "",
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": _headers(exchange.answer_headers),
        "content": {
            "size": exchange.answer_size,
            "mimeType": _type(exchange.answer_headers),
            **_text(exchange.answer),
        },
        "redirectURL": next((v.decode("latin-1") for n, v in exchange.answer_headers if n == b"location"), ""),
        "headersSize": -1,
        "bodySize": exchange.answer_size,
    }


_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(:[0-9]{1,5})?")


def _target(exchange: Exchange) -> str:
    """Return path and query, with characters percent-encoded that a URL must not contain."""
    path = exchange.path if exchange.path.startswith("/") else "/" + exchange.path
    query = _encoded(exchange.query, also="?")
    return _encoded(path) + ("?" + query if query else "")


def _encoded(text: str, also: str = "") -> str:
    return quote(_LONE_PERCENT.sub("%25", text).encode("latin-1"), safe="/:@!$&'()*+,;=~%" + also)


_LONE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


def _text(body: bytes) -> Json:
    try:
        return {"text": body.decode("utf-8")}
    except UnicodeDecodeError:
        return {"text": base64.b64encode(body).decode("ascii"), "encoding": "base64"}


def _headers(headers: RawHeaders) -> Json:
    return [{"name": name.decode("latin-1"), "value": value.decode("latin-1")} for name, value in headers]


def _type(headers: RawHeaders) -> str:
    return next((value.decode("latin-1") for name, value in headers if name == b"content-type"), "")
