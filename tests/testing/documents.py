"""Small documents for tests of the fixtures."""

import json
from collections.abc import Mapping
from pathlib import Path

from mockserver.messages import Json


def document_with(
    folder: Path, paths: Mapping[str, Mapping[str, tuple[str, Json]]], schemas: Mapping[str, Json] | None = None
) -> Path:
    """Write a document: for each path and method the operation's name, and the schema of its JSON answer."""
    document = {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "paths": {
            path: {
                method: {
                    "operationId": name,
                    "responses": {"200": {"description": "", "content": {"application/json": {"schema": schema}}}},
                }
                for method, (name, schema) in operations.items()
            }
            for path, operations in paths.items()
        },
        "components": {"schemas": dict(schemas or {})},
    }
    path = folder / "document.json"
    path.write_text(json.dumps(document), "utf-8")
    return path
