"""A small shop, its document, and ways to import into a mock of it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mockserver.testing import MockServer, open_mock
from tests.commands import Done, run

_PET = {"$ref": "#/components/schemas/Pet"}


def _reply(schema: Any, kind: str = "application/json") -> Any:
    return {"description": "so", "content": {kind: {"schema": schema}}}


DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Shop", "version": "1"},
    "paths": {
        "/pets": {
            "get": {
                "operationId": "listPets",
                "parameters": [
                    {"name": "limit", "in": "query", "schema": {"type": "integer"}},
                    {"name": "api_key", "in": "query", "schema": {"type": "string"}},
                ],
                "responses": {"200": _reply({"type": "array", "items": _PET})},
            },
            "post": {
                "operationId": "createPet",
                "requestBody": {"required": True, "content": {"application/json": {"schema": _PET}}},
                "responses": {"201": _reply(_PET), "409": _reply({"type": "object"})},
            },
        },
        "/pets/{id}": {
            "get": {
                "operationId": "getPet",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
                "responses": {"200": _reply(_PET), "404": _reply({"type": "object"})},
            },
            "delete": {
                "operationId": "deletePet",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
                "responses": {"204": {"description": "gone"}},
            },
        },
        "/news": {"get": {"operationId": "news", "responses": {"200": _reply(_PET, "text/event-stream")}}},
        "/unnamed": {"get": {"responses": {"200": _reply(_PET)}}},
    },
    "components": {
        "schemas": {
            "Pet": {
                "type": "object",
                "required": ["id", "name"],
                "properties": {"id": {"type": "integer"}, "name": {"type": "string"}, "password": {"type": "string"}},
            }
        }
    },
}

REX = {"id": 1, "name": "Rex"}


def contract(folder: Path) -> Path:
    """Write the document of the shop."""
    path = folder / "shop.json"
    path.write_text(json.dumps(DOCUMENT))
    return path


def entry(method: str, target: str, status: int = 200, answer: Any = None, **more: Any) -> dict[str, Any]:
    """Return an entry of an archive; `sent` is a body of JSON, `headers` those of the answer."""
    request: dict[str, Any] = {"method": method, "url": f"https://shop.example{target}", "headers": []}
    if "sent" in more:
        request["postData"] = {"mimeType": "application/json", "text": json.dumps(more["sent"])}
    content = {} if answer is None else {"mimeType": "application/json", "text": json.dumps(answer)}
    headers = [{"name": name, "value": value} for name, value in more.get("headers", {}).items()]
    return {"request": request, "response": {"status": status, "headers": headers, "content": content}}


def archive(folder: Path, *entries: Any) -> Path:
    """Write an archive."""
    path = folder / "traffic.har"
    path.write_text(json.dumps({"log": {"version": "1.2", "entries": entries}}))
    return path


def mapping(request: Any, response: Any = None, **more: Any) -> dict[str, Any]:
    """Return a mapping of WireMock; it answers with Rex unless told otherwise."""
    return {"request": request, "response": {"jsonBody": REX} if response is None else response, **more}


def mappings(folder: Path, *found: Any) -> Path:
    """Write a file of mappings."""
    path = folder / "mappings.json"
    path.write_text(json.dumps({"mappings": found}))
    return path


def imports(folder: Path, *files: Path | str) -> Done:
    """Import files as a user does, into `imported` of the folder."""
    return run("import", *files, "--contract", contract(folder), "--into", folder / "imported", cwd=folder)


@contextmanager
def serving(folder: Path) -> Iterator[MockServer]:
    """Serve what was imported."""
    below = folder / "imported"
    fixtures: dict[str, Any] = {"fixtures": below / "fixtures"} if (below / "fixtures").exists() else {}
    with open_mock(contract=str(contract(folder)), stubs=below / "stubs.json", **fixtures) as mock:
        yield mock
