"""Parts of exchanges, each with exactly what it touches of a contract."""

from typing import Any

from mockserver.messages import Headers, Json
from tests import drifts

PATH = "/paths/~1things/post"
PARAMETERS = [
    {"name": "kind", "in": "query", "schema": {"enum": ["a", "b"]}},
    {"name": "size", "in": "query", "required": True, "schema": {"type": ["integer", "null"], "maximum": 3}},
    {"name": "tag", "in": "query", "schema": {"type": "array", "items": {"type": "integer"}, "maxItems": 2}},
    {"name": "X-Trace", "in": "header", "schema": {"type": "string", "pattern": "^t"}},
    {"name": "X-Api-Key", "in": "header", "schema": {"type": "string", "minLength": 3}},
    {"name": "login", "in": "cookie", "schema": {"type": "string"}},
]
LEFT_OUT = {
    "operation ",
    "field-absent /request/body",
    "parameter-left-out /request/query/kind",
    "violation /request/query/size/required",
    "parameter-left-out /request/query/tag",
    "parameter-left-out /request/header/X-Trace",
    "parameter-left-out /request/header/X-Api-Key",
}


def things() -> Json:
    """Give a document with parameters, two media types each way, and statuses in all forms."""
    text = {"schema": {"type": "string", "maxLength": 2}}
    replies = {
        "200": {"description": "", "content": {"application/json": {"schema": {}}, "text/plain": text}},
        "4XX": {"description": ""},
        "default": {"description": ""},
    }
    return drifts.edited(
        drifts.sided({"type": "integer", "minimum": 0}, "request"),
        (f"{PATH}/parameters", PARAMETERS),
        (f"{PATH}/requestBody/content/text~1plain", {"schema": {"type": "string"}}),
        (f"{PATH}/responses", replies),
    )


def of_type(text: str) -> Headers:
    return Headers([(b"content-type", text.encode())])


PARTS: list[tuple[dict[str, Any], set[str], set[str]]] = [
    # what is said of an exchange; what it touches, and what not any more, beside what one touches that says nothing
    ({}, set(), set()),
    (
        {"query": "kind=a"},
        {"parameter-sent /request/query/kind", "member /request/query/kind/enum/0"},
        {"parameter-left-out /request/query/kind"},
    ),
    (
        {"query": "kind=b"},
        {"parameter-sent /request/query/kind", "member /request/query/kind/enum/1"},
        {"parameter-left-out /request/query/kind"},
    ),
    ({"query": "kind=c"}, {"violation /request/query/kind/enum"}, {"parameter-left-out /request/query/kind"}),
    (
        {"query": "size=1"},
        {"parameter-sent /request/query/size", "type /request/query/size/type/0"},
        {"violation /request/query/size/required"},
    ),
    (
        {"query": "size=4&size=3"},
        {
            "parameter-sent /request/query/size",
            "type /request/query/size/type/0",
            "limit /request/query/size/maximum",
        },
        {"violation /request/query/size/required"},
    ),
    (
        {"query": "size=4"},
        {"violation /request/query/size/maximum"},
        {"violation /request/query/size/required"},
    ),
    ({"query": "size=x"}, set(), {"violation /request/query/size/required"}),
    (
        {"query": "tag=1&tag=2"},
        {"parameter-sent /request/query/tag", "limit /request/query/tag/maxItems"},
        {"parameter-left-out /request/query/tag"},
    ),
    (
        {"query": "tag=1&tag=2&tag=3"},
        {"violation /request/query/tag/maxItems"},
        {"parameter-left-out /request/query/tag"},
    ),
    (
        {"headers": Headers([(b"x-trace", b"t1")])},
        {"parameter-sent /request/header/X-Trace", "limit /request/header/X-Trace/pattern"},
        {"parameter-left-out /request/header/X-Trace"},
    ),
    (
        {"headers": Headers([(b"x-trace", b"1")])},
        {"violation /request/header/X-Trace/pattern"},
        {"parameter-left-out /request/header/X-Trace"},
    ),
    (
        {"headers": Headers([(b"x-api-key", b"[redacted]")])},
        {"parameter-sent /request/header/X-Api-Key"},
        {"parameter-left-out /request/header/X-Api-Key"},
    ),
    (
        {"body": 1},
        {"field-present /request/body", "media-type /request/body/content/application~1json"},
        {"field-absent /request/body"},
    ),
    (
        {"body": -1},
        {"violation /request/body/minimum", "media-type /request/body/content/application~1json"},
        {"field-absent /request/body"},
    ),
    (
        {"body": b"{"},
        {"media-type /request/body/content/application~1json"},
        {"field-absent /request/body"},
    ),
    (
        {"body": b"x", "headers": of_type("text/plain; charset=utf-8")},
        {"media-type /request/body/content/text~1plain", "field-present /request/body"},
        {"field-absent /request/body"},
    ),
    (
        {"body": b"0", "headers": of_type("application/vnd.things+json")},
        {"field-present /request/body", "limit /request/body/minimum"},
        {"field-absent /request/body"},
    ),
    ({"body": b"0", "headers": Headers()}, set(), {"field-absent /request/body"}),
    ({"status": 200, "answer_headers": of_type("text/html")}, {"status /response/200"}, set()),
    (
        {"status": 200, "answer": 1},
        {"status /response/200", "media-type /response/200/content/application~1json"},
        set(),
    ),
    (
        {"status": 200, "answer": b"xx", "answer_headers": of_type("Text/Plain; charset=utf-8")},
        {
            "status /response/200",
            "media-type /response/200/content/text~1plain",
            "limit /response/200/body/maxLength",
        },
        set(),
    ),
    ({"status": 418}, {"status /response/4XX"}, set()),
    ({"status": 503}, {"status /response/default"}, set()),
]
