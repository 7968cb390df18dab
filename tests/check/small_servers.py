"""Small servers and contracts, for what a check must say, or must not say, of servers unlike the mock."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from msgspec import structs

from mockserver.check.provider.command import left_out, placed
from mockserver.check.provider.run import Options, check_target
from mockserver.check.report.model import Report
from mockserver.check.target import of_handler
from mockserver.contract.openapi import Contract
from mockserver.contract.reader import read_contract
from mockserver.messages import Handler, Json, Request, Response

Answer = tuple[int, Json] | tuple[int, Json, Mapping[str, str]]
"""A status, a value that is sent as JSON (None for no body, bytes as they are), and more header fields."""

ANY: Json = {"description": "x", "content": {"application/json": {"schema": {}}}}


def contract_of(paths: Json, components: Json = None, **more: Json) -> Contract:
    """Make the contract of some paths, read as far as it goes."""
    document = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths, **more}
    document |= {"components": components} if components is not None else {}
    return read_contract(document, name="c", file="c.json", partly=True)


def operation(
    name: str, *statuses: int | str, body: Json = None, parameters: Sequence[Json] = (), **more: Json
) -> Json:
    """Describe an operation that answers any JSON with some statuses, and takes a JSON body of a schema."""
    made = {"operationId": name, "responses": {str(each): ANY for each in statuses}, **more}
    if body is not None:
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return {**made, "parameters": list(parameters)} if parameters else made


def parameter(name: str, place: str, schema: Json, *, required: bool = True) -> Json:
    """Describe a parameter."""
    return {"name": name, "in": place, "required": required, "schema": schema}


def server(answer: Callable[[Request], Answer | None], *allowed: tuple[str, str]) -> Handler:
    """Make a server of the paths and methods in `allowed`; a path ends with * for one more segment."""

    def handle(request: Request) -> Response:
        methods = [method for method, path in allowed if _is_at(request.path, path)]
        if not methods:
            return response(404, {})
        if request.method not in methods:
            return response(405, {}, {"allow": ", ".join(methods)})
        made = response(*(answer(request) or (404, {})))
        return structs.replace(made, body=b"") if request.method == "HEAD" else made

    return handle


def _is_at(path: str, pattern: str) -> bool:
    if not pattern.endswith("*"):
        return path == pattern
    below = path.removeprefix(pattern[:-1])
    return path.startswith(pattern[:-1]) and below != "" and "/" not in below


def response(status: int, value: Json, more: Mapping[str, str] = {}) -> Response:
    """Make an answer."""
    body = b"" if value is None else value if isinstance(value, bytes) else json.dumps(value).encode()
    fields = {"content-type": "application/json"} if value is not None else {}
    fields |= {"content-length": str(len(body)), **more}
    return Response(status, [(name.encode(), text.encode()) for name, text in fields.items()], body)


def value_of(request: Request) -> Json:
    """Return the JSON of a request; None for what is none."""
    try:
        return json.loads(request.body.decode())
    except (ValueError, RecursionError):
        return None


def last(request: Request) -> str:
    """Return the last segment of a path, decoded."""
    return unquote(request.path.rpartition("/")[2])


def checked(handler: Handler, contract: Contract, **options: Any) -> Report:
    """Check a server in this process."""
    chosen = {"examples": 10, "left_out": left_out([contract], ()), **options}
    with of_handler(handler, 5.0) as target:
        return check_target(target, placed([contract]), Options(**chosen))


def told(report: Report) -> list[str]:
    """Write what was found, without notes."""
    return [f"{each.rule} {each.operation}: {each.message}" for each in report.errors]
