"""The contract in the forms that the other tools read: as OpenAPI 3.1 and 3.0 in JSON, and as WireMock's stubs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mockserver.contract.openapi import bundled

ERA = "2.6"
"""The contract that has the title call."""

LONGEST_TITLE = 50
NULL = {"type": "null"}


def written(folder: Path) -> Path:
    """Write all forms into a folder, and give it."""
    document = bundled(ERA).document
    (folder / "wiremock" / "mappings").mkdir(parents=True, exist_ok=True)
    (folder / "contract.json").write_text(json.dumps(document), "utf-8")
    (folder / "contract-3.0.json").write_text(json.dumps(as_3_0(document)), "utf-8")
    (folder / "wiremock" / "mappings" / "title.json").write_text(json.dumps(stubs()), "utf-8")
    return folder


def as_3_0(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give a document of OpenAPI 3.1 as one of 3.0, with a function for the key that connexion asks for."""
    made = _lowered(document)
    made["openapi"] = "3.0.3"
    for scheme in made.get("components", {}).get("securitySchemes", {}).values():
        scheme["x-bearerInfoFunc"] = "benchmark_peers.known"
    return dict(made)


def _lowered(node: Any) -> Any:
    """Say in the words of 3.0 what 3.1 says of null, of one value, and of examples in schemas."""
    if isinstance(node, list):
        return [_lowered(each) for each in node]
    if not isinstance(node, dict):
        return node
    made = {key: _lowered(value) for key, value in node.items() if key not in ("anyOf", "const", "examples")}
    if "const" in node:
        made["enum"] = [node["const"]]
    if "examples" in node:
        of_schema = isinstance(node["examples"], list)
        made |= {"example": node["examples"][0]} if of_schema else {"examples": _lowered(node["examples"])}
    return made | _union(node["anyOf"]) if "anyOf" in node else made


def _union(branches: list[Any]) -> dict[str, Any]:
    """Give a union: null is no branch in 3.0, but a property of the others."""
    others = [_lowered(each) for each in branches if each != NULL]
    nullable = {"nullable": True} if NULL in branches else {}
    if len(others) > 1:
        return {"anyOf": others, **nullable}
    return {"allOf": others, **nullable} if "$ref" in others[0] else {**others[0], **nullable}


def stubs() -> dict[str, Any]:
    """Give WireMock's stubs of the title call: the right request, any other body, any other method."""
    path = {"urlPathTemplate": "/api/v1/chat/{session_id}/title"}
    wanted = bundled(ERA).document["components"]["schemas"]["GenerateTitleParams"]
    title = f"{{{{regexExtract (jsonPath request.body '$.first_message') '^[^\\u0000]{{0,{LONGEST_TITLE}}}'}}}}..."
    answer = (
        f'{{"session_id":"{{{{request.path.session_id}}}}","generated_title":"{title}",'
        '"last_updated_at":"{{now format="yyyy-MM-dd\'T\'HH:mm:ss.SSSSSS"}}","job_metadata":null,"index_ids":null}'
    )
    fits = {"matchesJsonSchema": json.dumps(wanted), "schemaVersion": "V202012"}
    missing = {"detail": [{"type": "missing", "loc": ["body", "first_message"], "msg": "Field required"}]}
    json_type = {"Content-Type": "application/json"}
    return {
        "mappings": [
            {
                "priority": 1,
                "request": {"method": "POST", **path, "bodyPatterns": [fits]},
                "response": {
                    "status": 200,
                    "headers": json_type,
                    "body": answer,
                    "transformers": ["response-template"],
                },
            },
            {
                "priority": 2,
                "request": {"method": "POST", **path},
                "response": {"status": 422, "headers": json_type, "jsonBody": missing},
            },
            {
                "priority": 3,
                "request": {"method": "ANY", **path},
                "response": {
                    "status": 405,
                    "headers": {**json_type, "Allow": "POST"},
                    "jsonBody": {"detail": "Method Not Allowed"},
                },
            },
        ]
    }
