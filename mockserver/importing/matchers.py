"""WireMock's patterns of a request, as what a stub expects of one."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from mockserver.contract.openapi import Operation, is_json
from mockserver.contract.router import Router
from mockserver.errors import MockserverError
from mockserver.importing.found import LeftOutError, member, without_secrets
from mockserver.matching import finds
from mockserver.messages import NO_HEADERS, Json
from mockserver.redact import Redactor
from mockserver.stub.response import merged

ANY_TEXT: Json = {"$regex": ""}
"""Matches every text."""

_URLS = ("url", "urlPath", "urlPattern", "urlPathPattern", "urlPathTemplate")
_PARTS = ("method", *_URLS, "pathParameters", "queryParameters", "headers", "bodyPatterns", "basicAuthCredentials")
_PLACES = ("host", "port", "scheme")
_WHOLE = (".*", ".+", "[^/]+", "[^/]*", "([^/]+)", "(.*)", "(.+)")
"""Patterns that a whole segment of a path always matches."""
_REST = (".*", ".+", "(.*)", "(.+)")
"""Patterns that match all segments from there on."""

_FILTER = re.compile(r"\$\[\?\(@\.([\w.]+) == '([^']*)'\)\]")
_FIELD = re.compile(r"\$\.[\w-]+(\.[\w-]+)*")
_PLAIN = re.compile(r"[\w~%!@:,;=& -]*")

When = dict[str, Json]


class RequestPattern:
    """Reads one `request` of a mapping."""

    def __init__(self, given: Any, router: Router, redactor: Redactor) -> None:
        if not isinstance(given, Mapping):
            raise LeftOutError("its 'request' is no object")
        for name in given:
            if name not in (*_PARTS, *_PLACES):
                raise LeftOutError(f"stubs cannot match its request.{name}")
        self._given, self._router, self._redactor = given, router, redactor
        self.notes = [f"its {name} is not matched" for name in _PLACES if name in given]
        """What a stub does not match as the mapping does."""

    def read(self) -> list[tuple[Operation | None, When]]:
        """Return each operation that is meant, with what is expected of its requests; None stands for any."""
        common = self._names("queryParameters", "query") | self._names("headers", "headers")
        if "basicAuthCredentials" in self._given:
            self.notes.append("of its credentials only the scheme is matched")
            common["headers"] = {**common.get("headers", {}), "authorization": {"$regex": "^Basic "}}
        found = []
        for operation, when in self._operations():
            own = {part: {**when.get(part, {}), **value} for part, value in common.items()}
            body = self._body(operation)
            found.append((operation, {**when, **own} | ({} if body is None else {"body": body})))
        if not found:
            raise LeftOutError("the contract has no such operation")
        return found

    # -- the URL

    def _operations(self) -> Iterator[tuple[Operation | None, When]]:
        method = member(self._given, "method", str, "ANY").upper()
        kinds = [name for name in _URLS if self._given.get(name) is not None]
        if len(kinds) > 1:
            raise LeftOutError(f"it has both {kinds[0]} and {kinds[1]}")
        if not kinds and method == "ANY":
            yield None, {}
            return
        url = member(self._given, kinds[0], str) if kinds else ""
        every = {each.id: each for contract in self._router.contracts for each in contract.operations}
        for operation in every.values():
            if method in ("ANY", operation.method):
                when = self._fitting(kinds[0], url, operation) if kinds else {}
                if when is not None:
                    yield operation, when

    def _fitting(self, kind: str, url: str, operation: Operation) -> When | None:
        """Return what is expected of the path and query of an operation; None if its paths never match."""
        if kind in ("url", "urlPath"):
            return self._exact(kind, url, operation)
        if kind == "urlPathTemplate":
            return self._by_template(url, operation)
        pattern, mark, query = url.removeprefix("^").removesuffix("$").partition("\\?")
        if mark and query not in ("", ".*", ".+"):
            raise LeftOutError(f"stubs cannot match a query by a pattern: {query}")
        for base, prefix in (*self._router.bases, ("", "")):
            if pattern.startswith(base + "/") or not base:
                when = _by_pattern(prefix + pattern[len(base) :], operation)
                if when is not None:
                    return when
        return None

    def _exact(self, kind: str, url: str, operation: Operation) -> When | None:
        path, query = url, ""
        if kind == "url":
            try:
                path, query = urlsplit(url).path, urlsplit(url).query
            except ValueError as error:
                raise LeftOutError(f"its URL cannot be read: {error}") from error
        match = self._router.match(operation.method, path, NO_HEADERS)
        if match.operation is None or match.operation.id != operation.id:
            return None
        wanted = {"path": dict(match.path), "query": dict(parse_qsl(query, keep_blank_values=True))}
        return {part: self._public(value, f"its {part}") for part, value in wanted.items() if value}

    def _by_template(self, template: str, operation: Operation) -> When | None:
        given, own = template.split("/"), operation.path.split("/")
        pairs = list(zip(given, own, strict=False))
        if len(given) != len(own) or any(
            one != other and not (_is_name(one) and _is_name(other)) for one, other in pairs
        ):
            return None
        names = {one[1:-1]: other[1:-1] for one, other in pairs if _is_name(one)}
        wanted = member(self._given, "pathParameters", dict, {})
        if unknown := [name for name in wanted if name not in names]:
            raise LeftOutError(f"its path has no parameter {unknown[0]!r}")
        values = {names[name]: matcher(each, f"the path parameter {name!r}") for name, each in wanted.items()}
        return {"path": self._public(values, "its path")} if values else {}

    # -- names and values

    def _names(self, name: str, part: str) -> When:
        wanted = member(self._given, name, dict, {})
        values = {key: matcher(each, f"its {name} {key!r}") for key, each in wanted.items()}
        return {part: self._public(values, f"its {name}")} if values else {}

    def _public(self, values: Mapping[str, Json], what: str) -> Json:
        """Return expected values, with any text instead of secrets."""
        found = dict(values)
        for key, value in values.items():
            if self._redactor.is_secret(key) and value != {"$absent": True}:
                self.notes.append(f"{what} may have any {key!r}, which is a secret")
                found[key] = ANY_TEXT
        return found

    def _body(self, operation: Operation | None) -> Json:
        patterns = member(self._given, "bodyPatterns", list, [])
        wanted: Json = None
        for each in patterns:
            value = self._body_pattern(each, operation)
            wanted = value if wanted is None else merged(wanted, value)
        return without_secrets(wanted, self._redactor)

    def _body_pattern(self, given: Any, operation: Operation | None) -> Json:
        if not isinstance(given, Mapping):
            raise LeftOutError("one of its bodyPatterns is no object")
        if "equalToJson" in given:
            return self._equal_json(given)
        if "matchesJsonPath" in given:
            return _by_json_path(given["matchesJsonPath"])
        if "equalTo" in given and set(given) == {"equalTo"}:
            text = member(given, "equalTo", str)
            try:
                return json.loads(text)
            except (ValueError, RecursionError):
                return text
        body = None if operation is None else _body_of(operation)
        if body is None or is_json(body):
            raise LeftOutError(f"stubs cannot match a JSON body by {', '.join(map(str, given))}")
        return matcher(given, "its body")

    def _equal_json(self, given: Mapping[str, Any]) -> Json:
        value = given["equalToJson"]
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError) as error:
                raise LeftOutError("its equalToJson is no JSON") from error
        if given.get("ignoreArrayOrder") and _holds_list(value):
            raise LeftOutError("stubs match lists in their order, and it says ignoreArrayOrder")
        if not given.get("ignoreExtraElements"):
            self.notes.append("its body may have further fields, as far as the contract allows")
        return _without_placeholders(value)


def matcher(given: Any, what: str) -> Json:
    """Return WireMock's matcher of a text as a stub's; LeftOutError if stubs have none like it."""
    if not isinstance(given, Mapping):
        raise LeftOutError(f"{what} is matched by no object")
    words = {key: value for key, value in given.items() if key != "caseInsensitive"}
    if len(words) != 1:
        raise LeftOutError(f"{what} is matched by {', '.join(map(str, given)) or 'nothing'}")
    ((word, value),) = words.items()
    if word == "absent" and value is True:
        return {"$absent": True}
    if not isinstance(value, str) or word not in ("equalTo", "matches", "contains"):
        raise LeftOutError(f"stubs cannot match as {word!r} does ({what})")
    fold = "(?i)" if given.get("caseInsensitive") else ""
    if word == "equalTo":
        return {"$regex": f"{fold}^{re.escape(value)}$"} if fold else value
    return {"$regex": f"^(?:{value})$" if word == "matches" else re.escape(value)}


def _body_of(operation: Operation) -> str | None:
    try:
        return None if operation.body is None else operation.body.type
    except MockserverError as error:
        raise LeftOutError("the contract of the operation cannot be read") from error


def _by_json_path(given: Any) -> Json:
    """Return a comparison of one field as an expected body."""
    if isinstance(given, str) and (match := _FILTER.fullmatch(given)):
        return _nested(match[1].split("."), match[2])
    if isinstance(given, Mapping):
        path = member(given, "expression", str)
        if _FIELD.fullmatch(path):
            rest = {key: value for key, value in given.items() if key != "expression"}
            return _nested(path.split(".")[1:], matcher(rest, f"its field {path}"))
    raise LeftOutError(f"stubs cannot match by the JSONPath {given!r:.80}")


def _nested(names: Sequence[str], value: Json) -> Json:
    for name in reversed(names):
        value = {name: value}
    return value


def _without_placeholders(value: Json) -> Json:
    """Return a body without JsonUnit's placeholders."""
    if isinstance(value, dict):
        return {key: _without_placeholders(each) for key, each in value.items() if each != "${json-unit.ignore}"}
    if isinstance(value, list):
        return [_without_placeholders(each) for each in value]
    if value == "${json-unit.any-string}":
        return ANY_TEXT
    if isinstance(value, str) and value.startswith("${json-unit."):
        raise LeftOutError(f"stubs cannot match {value}")
    return value


def _holds_list(value: Json) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_list, value.values()))
    return isinstance(value, list)


# -- patterns of paths


def _is_name(segment: str) -> bool:
    return segment.startswith("{") and segment.endswith("}") and segment.count("{") == 1


def _by_pattern(pattern: str, operation: Operation) -> When | None:
    """Return what is expected of the path of an operation by a regular expression; None if it never matches."""
    given, own = _segments(pattern), operation.path.split("/")
    if given[-1] in _REST and len(own) >= len(given):
        given = [*given[:-1], *[".*"] * (len(own) - len(given) + 1)]
    if len(given) != len(own):
        return None
    values: dict[str, Json] = {}
    for one, other in zip(given, own, strict=True):
        if one in _WHOLE:
            continue
        if _is_name(other):
            values[other[1:-1]] = unquote(one) if _PLAIN.fullmatch(one) else {"$regex": f"^(?:{one})$"}
        elif "{" in other or not _fits(one, unquote(other)):
            return None
    return {"path": values} if values else {}


def _fits(pattern: str, text: str) -> bool:
    try:
        return finds(f"^(?:{pattern})$", text)
    except ValueError as error:
        raise LeftOutError(f"its pattern cannot be used: {pattern}") from error


def _segments(pattern: str) -> list[str]:
    """Cut a pattern of a path at its slashes; LeftOutError if one stands in a group or a class."""
    found, depth, is_class, at = [""], 0, False, 0
    while at < len(pattern):
        char = pattern[at]
        step = pattern[at : at + 2] if char == "\\" else char
        at += len(step)
        step = "/" if step == "\\/" else step
        if step == "[" or step == "]":
            is_class = step == "["
        elif step in "()" and not is_class:
            depth += 1 if step == "(" else -1
        if step == "/" and not depth and not is_class:
            found.append("")
            continue
        if step == "/" and depth:
            raise LeftOutError("its pattern has a slash within a group")
        if step == "|" and not depth and not is_class:
            raise LeftOutError("its pattern has alternatives outside a group")
        found[-1] += step
    return found
