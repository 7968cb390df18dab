"""The bundled documents say what is known of the API, and a document of one's own is served or refused."""

import json
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator

from mockserver.apis.llamacloud_chat.pack import VERSIONS
from mockserver.contract.reader import read_contract, read_file
from mockserver.contract.source import read_source
from mockserver.contract.tree import join, lookup, resolve
from mockserver.engine import Mock
from mockserver.errors import ContractError
from mockserver.messages import NO_HEADERS, Headers, Json, Request
from mockserver.settings import Settings
from tests.strategies import (
    ROOT,
    contract_of,
    every_media,
    every_operation,
    judge,
    operations,
    own_document,
    places_of,
    write_document,
)
from tests.talk import ask, value

SIX = {
    "create": ("POST", "", 201),
    "list": ("GET", "", 200),
    "retrieve": ("GET", "/{session_id}", 200),
    "delete": ("DELETE", "/{session_id}", 204),
    "get_summary": ("GET", "/{session_id}/summary", 200),
    "stream": ("POST", "/{session_id}/messages/stream", 200),
}
SEVEN = {**SIX, "set_title": ("POST", "/{session_id}/title", 200)}

UPSTREAM_IDS = {
    "create": "create_session_api_v1_chat_post",
    "list": "list_sessions_api_v1_chat_get",
    "retrieve": "get_full_session_api_v1_chat__session_id__get",
    "delete": "delete_session_api_v1_chat__session_id__delete",
    "get_summary": "get_session_summary_api_v1_chat__session_id__summary_get",
    "set_title": "generate_session_title_api_v1_chat__session_id__title_post",
    "stream": "stream_messages_api_v1_chat__session_id__messages_stream_post",
}

EVENTS = {
    "thinking_delta": ["content"],
    "text_delta": ["content"],
    "thinking": ["content"],
    "text": ["content"],
    "tool_call": ["arguments", "name", "call_id"],
    "tool_result": ["name", "call_id", "result"],
    "stop": ["usage", "is_error", "error"],
    "user_input": ["content"],
}


def schemas(version: str) -> Any:
    return contract_of(version).document["components"]["schemas"]


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def is_nullable(node: Json) -> bool:
    return {"type": "null"} in node.get("anyOf", [])


def marked(document: Json) -> Iterator[tuple[str, Json]]:
    for path in places_of(document):
        pointer = join("", *path)
        node = lookup(document, pointer)
        if isinstance(node, dict) and ("x-evidence" in node or "x-source" in node) and path != ("info",):
            yield pointer, node


def all_of(document: Json, name: str) -> Iterator[tuple[str, Json]]:
    for path in places_of(document):
        node = lookup(document, join("", *path))
        if isinstance(node, dict) and name in node and path[-1:] != ("properties",):
            yield join("", *path), node


# -- what the bundled documents say ----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_bundled_documents_are_openapi_3_1(version: str) -> None:
    document: Any = contract_of(version).document
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    assert document["info"]["version"] == version


@pytest.mark.parametrize("version", VERSIONS)
def test_every_example_satisfies_its_schema(version: str) -> None:
    document = contract_of(version).document
    checked = 0
    for pointer, node in all_of(document, "schema"):
        shown = [resolve(document, join(pointer, "examples", name))[1]["value"] for name in node.get("examples", {})]
        shown += [node["example"]] if "example" in node else []
        for example in shown:
            assert judge(version).errors(join(pointer, "schema"), example) == [], pointer
            checked += 1
    assert checked > 35


@pytest.mark.parametrize("version", VERSIONS)
def test_examples_and_defaults_within_schemas_satisfy_them(version: str) -> None:
    document = contract_of(version).document
    for name in ("examples", "default"):
        for pointer, node in all_of(document, name):
            shown = node[name] if name == "examples" else [node[name]]
            if isinstance(shown, list) and ("/schemas/" in pointer or pointer.endswith("/schema")):
                for example in shown:
                    assert judge(version).errors(pointer, example) == [], pointer


@pytest.mark.parametrize("version", VERSIONS)
def test_examples_of_streams_hold_events_of_their_schema(version: str) -> None:
    streams = [each for each in every_media() if each.version == version and each.media.item_schema]
    assert [each.operation.id for each in streams] == ["stream"]
    for each in streams:
        for text in each.media.examples.values():
            assert judge(version).errors_of(each.media, text.encode()) == []
            kinds = [json.loads(line[6:])["type"] for line in text.splitlines() if line.startswith("data: ")]
            assert kinds[-1] == "stop"
            assert text.endswith("\n\n")


@pytest.mark.parametrize(("version", "expected"), [("2.6", SEVEN), ("2.8", SIX), ("2.17", SIX)])
def test_a_version_has_its_operations_and_no_others(version: str, expected: dict[str, tuple[str, str, int]]) -> None:
    found = {
        name: (each.method, each.path.removeprefix("/api/v1/chat"), each.success)
        for name, each in operations(version).items()
    }
    assert found == expected
    assert all(each.path.startswith("/api/v1/chat") for each in operations(version).values())


@pytest.mark.parametrize(("version", "name"), every_operation())
def test_upstreams_operation_id_stands_beside_the_short_one(version: str, name: str) -> None:
    node = lookup(contract_of(version).document, operations(version)[name].pointer)
    assert node["operationId"] == name
    assert node["x-upstream-operation-id"] == UPSTREAM_IDS[name]


@pytest.mark.parametrize(("version", "name"), every_operation())
def test_every_operation_wants_a_bearer_key_and_takes_the_common_parameters(version: str, name: str) -> None:
    operation = operations(version)[name]
    assert operation.secured
    said = [(each.location, each.name, each.required) for each in operation.parameters]
    common = [("query", "project_id", False), ("query", "organization_id", False)]
    paging = [("query", "page_size", False), ("query", "page_token", False)] if name == "list" else []
    path = [("path", "session_id", True)] if "{session_id}" in operation.path else []
    assert said == [*path, *common, *paging, ("cookie", "session", False)]


@pytest.mark.parametrize("version", VERSIONS)
def test_parameters_have_the_documented_types(version: str) -> None:
    found = contract_of(version).document["components"]["parameters"]
    uuid = {"anyOf": [{"type": "string", "format": "uuid"}, {"type": "null"}]}
    assert found["ProjectId"]["schema"] == found["OrganizationId"]["schema"] == uuid
    guess = {"minimum": 0, "x-evidence": "inferred", "x-source": "docs/upstream.md#paging"}
    assert found["PageSize"]["schema"] == {"anyOf": [{"type": "integer", **guess}, {"type": "null"}]}
    assert found["PageToken"]["schema"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}
    assert found["SessionId"]["schema"].keys() <= {"type", "examples"}  # no pattern, no format, no length


@pytest.mark.parametrize(("version", "name"), every_operation())
def test_bodies_are_required_where_they_are_documented_so(version: str, name: str) -> None:
    body = operations(version)[name].body
    expected = {"create": False, "set_title": True, "stream": True}
    assert (None if body is None else body.required) == expected.get(name)


@pytest.mark.parametrize("version", VERSIONS)
def test_request_limits_are_the_documented_ones(version: str) -> None:
    found = schemas(version)
    create, stream = found["SessionCreate"], found["ChatParams"]
    assert create["properties"]["index_ids"]["anyOf"][0] == {
        "type": "array",
        "items": {"type": "string"},
        "maxItems": 10,
    }
    assert is_nullable(create["properties"]["index_ids"])
    assert create.get("required", []) == []
    assert stream["required"] == ["index_ids", "prompt"]
    assert stream["properties"]["index_ids"]["minItems"] == 1
    assert "maxItems" not in stream["properties"]["index_ids"]
    assert stream["properties"]["prompt"]["maxLength"] == 1000
    assert "minLength" not in stream["properties"]["prompt"]


def test_the_first_message_is_any_string_and_must_be_there() -> None:
    found = schemas("2.6")["GenerateTitleParams"]
    assert found["required"] == ["first_message"]
    limits = found["properties"]["first_message"].keys() - {"type", "description", "examples"}
    assert found["properties"]["first_message"]["type"] == "string"
    assert not limits
    assert "additionalProperties" not in found


@pytest.mark.parametrize("version", ["2.8", "2.17"])
def test_the_title_call_left_nothing_behind(version: str) -> None:
    assert "GenerateTitleParams" not in schemas(version)
    assert "set_title" not in operations(version)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_has_the_documented_fields_in_the_order_of_the_wire(version: str) -> None:
    later = ["shared_access"] if version == "2.17" else []
    summary, detail = schemas(version)["ChatSessionSummary"], schemas(version)["SessionDetail"]
    fields = ["session_id", "generated_title", "last_updated_at", "job_metadata", "index_ids", *later]
    assert list(summary["properties"]) == fields
    assert list(detail["properties"]) == [*fields, "events"]
    assert summary["required"] == ["session_id", "last_updated_at", *later]
    assert set(detail["required"]) == {"session_id", "last_updated_at", "events", *later}
    nullable = {name for name, node in summary["properties"].items() if is_nullable(node)}
    assert nullable == {"generated_title", "job_metadata", "index_ids"}
    assert "format" not in summary["properties"]["last_updated_at"]


@pytest.mark.parametrize("version", VERSIONS)
def test_job_metadata_has_the_documented_defaults_and_nothing_required(version: str) -> None:
    found = schemas(version)["JobMetadata"]
    assert found.get("required", []) == []
    assert {name: node["default"] for name, node in found["properties"].items()} == {
        "total_input_tokens": None,
        "total_output_tokens": None,
        "turns": 1,
        "duration_ms": 0.0,
        "is_error": False,
        "error": None,
        "export_config_ids": None,
    }
    nullable = {name for name, node in found["properties"].items() if is_nullable(node)}
    assert nullable == {"total_input_tokens", "total_output_tokens", "error", "export_config_ids"}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_list_has_items_and_a_token_that_may_be_left_out(version: str) -> None:
    found = schemas(version)["SessionList"]
    assert found["required"] == ["items"]
    assert is_nullable(found["properties"]["next_page_token"])


@pytest.mark.parametrize("version", VERSIONS)
def test_the_eight_events_are_told_apart_by_their_type(version: str) -> None:
    event, document = schemas(version)["Event"], contract_of(version).document
    assert event["discriminator"]["propertyName"] == "type"
    assert set(event["discriminator"]["mapping"]) == set(EVENTS)
    assert [branch["$ref"] for branch in event["oneOf"]] == list(event["discriminator"]["mapping"].values())
    for kind, place in event["discriminator"]["mapping"].items():
        node = lookup(document, place[1:])
        assert node["properties"]["type"]["const"] == node["properties"]["type"]["default"] == kind
        assert node["required"] == EVENTS[kind]  # the type has a default, so it is not required


@pytest.mark.parametrize("version", VERSIONS)
def test_a_stop_names_its_error_even_when_it_has_none(version: str) -> None:
    stop = schemas(version)["StopEvent"]
    assert is_nullable(stop["properties"]["error"])
    assert ("skipped_index_ids" in stop["properties"]) == (version == "2.17")
    assert "skipped_index_ids" not in stop["required"]


@pytest.mark.parametrize("version", VERSIONS)
def test_validation_errors_show_their_input_from_2_8_on(version: str) -> None:
    found = schemas(version)["ValidationError"]
    assert found["required"] == ["loc", "msg", "type"]
    assert ({"input", "ctx"} <= found["properties"].keys()) == (version != "2.6")


@pytest.mark.parametrize("version", VERSIONS)
def test_shared_access_belongs_to_2_17(version: str) -> None:
    text = json.dumps(contract_of(version).document)
    assert ("shared_access" in text) == (version == "2.17")
    assert ("require_all_indexes" in text) == (version == "2.17")


def test_2_17_takes_and_gives_shared_access() -> None:
    found = schemas("2.17")
    assert found["SessionCreate"]["properties"]["shared_access"] == {
        "description": found["SessionCreate"]["properties"]["shared_access"]["description"],
        "anyOf": [{"type": "string", "enum": ["query", "read_only"]}, {"type": "null"}],
    }
    assert found["ChatSessionSummary"]["properties"]["shared_access"]["enum"] == ["query", "read_only"]
    assert found["ChatParams"]["properties"]["require_all_indexes"]["default"] is False
    assert "require_all_indexes" not in found["ChatParams"]["required"]


# -- how firmly they say it ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_every_mark_of_evidence_names_a_heading_of_the_page_on_upstream(version: str) -> None:
    text = (ROOT / "docs" / "upstream.md").read_text("utf-8")
    anchors = {f"docs/upstream.md#{slug(line.lstrip('#'))}" for line in text.splitlines() if line.startswith("#")}
    found = dict(marked(contract_of(version).document))
    assert len(found) > 30
    for pointer, node in found.items():
        assert node.get("x-evidence") in ("documented", "client", "inferred"), pointer
        assert node.get("x-source") in anchors, pointer


@pytest.mark.parametrize(("version", "name"), every_operation())
def test_only_success_and_422_are_documented_statuses(version: str, name: str) -> None:
    operation = operations(version)[name]
    said = {status for status, reply in operation.exact.items() if reply.evidence == "documented"}
    assert said == {operation.success, 422}
    rest = {reply.evidence for status, reply in operation.exact.items() if status not in said}
    assert rest == {"inferred"}


@pytest.mark.parametrize(("version", "name"), every_operation())
def test_every_operation_declares_the_errors_that_clients_treat_apart(version: str, name: str) -> None:
    errors = {400, 401, 402, 403, 404, 405, 408, 409, 413, 414, 422, 429, 431, 500, 502, 503, 504}
    operation = operations(version)[name]
    assert set(operation.exact) == errors | {operation.success}


@pytest.mark.parametrize("version", VERSIONS)
def test_an_example_that_is_not_upstreams_says_so(version: str) -> None:
    document = contract_of(version).document
    made_up = 0
    for pointer, node in all_of(document, "examples"):
        for name, example in node["examples"].items() if isinstance(node["examples"], dict) else ():
            if name != "documented":
                assert example.get("x-evidence") in ("client", "inferred"), (pointer, name)
                made_up += 1
            elif "shared_access" in json.dumps(example):  # upstream's own example predates it
                assert example["x-evidence"] in ("client", "inferred"), pointer
    assert made_up > 20


@pytest.mark.parametrize(
    "pointer",
    [
        "/components/schemas/ChatSessionSummary/properties/shared_access",
        "/components/schemas/SessionDetail/properties/shared_access",
        "/components/schemas/StopEvent/properties/skipped_index_ids",
        "/components/schemas/ChatParams/properties/require_all_indexes",
    ],
)
def test_what_is_known_from_clients_alone_says_so(pointer: str) -> None:
    assert lookup(contract_of("2.17").document, pointer)["x-evidence"] == "client"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_form_of_other_errors_is_marked_as_a_guess(version: str) -> None:
    assert schemas(version)["HTTPError"]["x-evidence"] == "inferred"
    shared = contract_of(version).replies
    assert {name for name, reply in shared.items() if reply.evidence != "inferred"} == {"UnprocessableContent"}


@pytest.mark.parametrize("version", ["2.6", "2.8"])
def test_the_documented_session_is_kept_to_the_letter(version: str) -> None:
    documented = {
        "session_id": "ses-abc123",
        "generated_title": "What were the main findings in Q3?...",
        "last_updated_at": "2026-04-22T12:34:41.342245",
        "job_metadata": {
            "total_input_tokens": 0,
            "total_output_tokens": 0,
            "turns": 0,
            "duration_ms": 0,
            "is_error": True,
            "error": "error",
            "export_config_ids": ["string"],
        },
        "index_ids": ["idx-abc123", "idx-def456"],
    }
    names = {"create", "get_summary", "set_title"} & set(operations(version))
    for name in names:
        reply = operations(version)[name].exact[operations(version)[name].success]
        assert reply.preferred is not None
        assert json.dumps(reply.preferred.examples["documented"]) == json.dumps(documented)
    listed = operations(version)["list"].exact[200].preferred
    assert listed is not None
    assert listed.examples["documented"] == {"items": [documented]}


# -- a document of one's own -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["json", "yaml", "yml"])
def test_a_document_of_ones_own_is_served(tmp_path: Path, kind: str) -> None:
    document = own_document()
    path = tmp_path / f"notes.{kind}"
    path.write_text(json.dumps(document) if kind == "json" else yaml.safe_dump(document), "utf-8")
    mock = Mock(Settings(contract=str(path), seed=1))
    response = ask(mock.handle, "GET", "/notes/n1")
    assert (response.status, value(response)) == (200, {"id": "n1", "text": "buy milk"})
    assert ask(mock.handle, "PUT", "/notes/n1", {"id": "n1", "text": "x", "parent": None}).status == 200


def test_a_contract_of_ones_own_is_called_by_its_files_name(tmp_path: Path) -> None:
    contract = read_file(write_document(tmp_path, own_document()))
    assert (contract.name, contract.title, contract.bundled) == ("notes", "Notes", False)
    assert [operation.id for operation in contract.operations] == ["read", "write"]


def test_parameters_beside_the_operation_win_over_those_of_the_path() -> None:
    document = own_document()
    narrow = {"name": "note_id", "in": "path", "required": True, "schema": {"type": "string", "maxLength": 3}}
    document["paths"]["/notes/{note_id}"]["get"]["parameters"] = [narrow]
    read, write = read_contract(document, name="notes", file="notes.json").operations
    assert read.parameters[0].schema.node["maxLength"] == 3
    assert "maxLength" not in write.parameters[0].schema.node


def test_an_operation_without_an_id_is_called_by_method_and_path() -> None:
    document = own_document()
    del document["paths"]["/notes/{note_id}"]["get"]["operationId"]
    contract = read_contract(document, name="notes", file="notes.json")
    assert contract.operations[0].id == "get /notes/{note_id}"


def test_ranges_and_default_stand_in_for_statuses_that_are_not_named() -> None:
    document = own_document()
    named = document["paths"]["/notes/{note_id}"]["get"]["responses"]
    named |= {"4XX": {"description": "yours"}, "404": {"description": "none"}, "default": {"description": "rest"}}
    read = read_contract(document, name="notes", file="notes.json").operations[0]
    found = {status: getattr(read.reply(status), "status", None) for status in (200, 404, 409, 500)}
    assert found == {200: "200", 404: "404", 409: "4XX", 500: "default"}


@pytest.mark.parametrize(
    ("requirements", "secured"),
    [([], False), ([{"Key": []}], True), ([{"Key": []}, {}], False)],
    ids=["none", "bearer", "optional"],
)
def test_a_key_is_asked_for_where_the_document_says_so(requirements: list[Json], secured: bool) -> None:
    document = own_document()
    document["components"]["securitySchemes"] = {"Key": {"type": "http", "scheme": "Bearer"}}
    document["security"] = [{"Key": []}]
    document["paths"]["/notes/{note_id}"]["get"]["security"] = requirements
    read, write = read_contract(document, name="notes", file="notes.json").operations
    assert (read.secured, write.secured) == (secured, True)


def test_dates_in_yaml_stay_strings(tmp_path: Path) -> None:
    path = tmp_path / "dates.yaml"
    path.write_text("day: 2026-04-22\nmoment: 2026-04-22T12:34:41.342245\nwhole: 5\nyes_: true\n", "utf-8")
    assert read_source(path).data == {
        "day": "2026-04-22",
        "moment": "2026-04-22T12:34:41.342245",
        "whole": 5,
        "yes_": True,
    }


# -- what cannot be served as it is written is told with its place ---------------------------------------------------

Change = Callable[[Any], None]
TOLD: dict[str, tuple[Change, str, str]] = {}


def told(place: str, text: str) -> Callable[[Change], Change]:
    """Note a change to the right document, the place that must be named, and what must be said."""

    def note(change: Change) -> Change:
        TOLD[change.__name__] = (change, place, text)
        return change

    return note


GET = "#/paths/~1notes~1{note_id}/get"


@told("#/components/schemas/Note/properties/text/nullable", "no keyword of OpenAPI 3.1")
def nullable_of_openapi_3_0(document: Any) -> None:
    document["components"]["schemas"]["Note"]["properties"]["text"]["nullable"] = True


@told("#/components/schemas/Note/requird", "'requird' is not known")
def unknown_keyword(document: Any) -> None:
    document["components"]["schemas"]["Note"]["requird"] = ["id"]


@told(f"{GET}/responses/200/content/application~1json/schema/items/maxLenght", "not known")
def unknown_keyword_in_an_inline_schema(document: Any) -> None:
    content = {"application/json": {"schema": {"type": "array", "items": {"maxLenght": 3}}}}
    document["paths"]["/notes/{note_id}"]["get"]["responses"] = {"200": {"description": "", "content": content}}


@told("#/components/schemas/Note/properties/parent/$ref", "https://example.com/note.json")
def remote_reference(document: Any) -> None:
    document["components"]["schemas"]["Note"]["properties"]["parent"] = {"$ref": "https://example.com/note.json"}


@told("#/components/schemas/Note/properties/parent/$ref", "other.yaml")
def reference_into_another_file(document: Any) -> None:
    document["components"]["schemas"]["Note"]["properties"]["parent"] = {"$ref": "other.yaml#/Note"}


@told("#/components/schemas/Note/properties/parent/$ref", "names nothing")
def dangling_reference(document: Any) -> None:
    document["components"]["schemas"]["Note"]["properties"]["parent"] = {"$ref": "#/components/schemas/Gone"}


@told("#/components/schemas/Note", "object or a boolean")
def schema_that_is_no_schema(document: Any) -> None:
    document["components"]["schemas"]["Note"] = ["string"]


@told("#/paths/~1notes~1{note_id}/put", "'read' stands twice")
def operation_id_twice(document: Any) -> None:
    document["paths"]["/notes/{note_id}"]["put"]["operationId"] = "read"


@told(GET, "'note_id' of the path is not declared")
def path_parameter_that_is_not_declared(document: Any) -> None:
    del document["paths"]["/notes/{note_id}"]["parameters"]


@told(f"{GET}/parameters/0", "'other' is not in the path")
def declared_path_parameter_that_is_not_in_the_path(document: Any) -> None:
    other = {"name": "other", "in": "path", "required": True, "schema": {"type": "string"}}
    document["paths"]["/notes/{note_id}"]["get"]["parameters"] = [other]


@told("#/paths/notes", "call it /notes")
def path_without_its_slash(document: Any) -> None:
    document["paths"] = {"notes": {"get": {"responses": {"200": {"description": ""}}}}}


@told("#/paths/~1notes", "write its operations there")
def path_that_holds_no_operations(document: Any) -> None:
    document["paths"] |= {"/notes": []}


@told(f"{GET}/parameters/0", "'p' is ignored its in is 'body' write one of")
def parameter_in_no_part_of_a_request(document: Any) -> None:
    document["paths"]["/notes/{note_id}"]["get"]["parameters"] = [{"name": "p", "in": "body"}]


@told(f"{GET}/parameters/0", "'p' is ignored its in is ['query']")
def parameter_in_a_list(document: Any) -> None:
    document["paths"]["/notes/{note_id}"]["get"]["parameters"] = [{"name": "p", "in": ["query"]}]


@told(f"{GET}/parameters/0", "'p' is ignored it has no in")
def parameter_that_is_nowhere(document: Any) -> None:
    document["paths"]["/notes/{note_id}"]["get"]["parameters"] = [{"name": "p"}]


@told(f"{GET}/parameters/0", "a parameter is ignored it has no name")
def parameter_without_a_name(document: Any) -> None:
    document["paths"]["/notes/{note_id}"]["get"]["parameters"] = [{"in": "query"}]


@told("#/paths/~1notes~1{other}/get", "are the same")
def path_that_stands_twice_under_other_names(document: Any) -> None:
    other = {"name": "other", "in": "path", "required": True, "schema": {"type": "string"}}
    operation = {"parameters": [other], "responses": {"200": {"description": ""}}}
    document["paths"]["/notes/{other}"] = {"get": operation}


@told("#/components/responses/Note/content/application~1json", "breaks its own schema")
def example_that_breaks_its_schema(document: Any) -> None:
    document["components"]["responses"]["Note"]["content"]["application/json"]["examples"]["short"]["value"]["id"] = 7


@told(f"{GET}/responses", "no responses")
def operation_without_responses(document: Any) -> None:
    document["paths"]["/notes/{note_id}"]["get"]["responses"] = {}


@told(f"{GET}/responses/20", "no status")
def status_that_is_none(document: Any) -> None:
    document["paths"]["/notes/{note_id}"]["get"]["responses"] = {"20": {"description": ""}}


@pytest.mark.parametrize("name", TOLD)
def test_what_is_not_served_as_it_is_written_is_told_with_its_place(tmp_path: Path, name: str) -> None:
    change, place, text = TOLD[name]
    document = own_document()
    change(document)
    contract = read_file(write_document(tmp_path, document), partly=True)
    told = [(f"#{each.place}", f"{each.what} {each.why} {each.fix}") for each in contract.problems]
    assert any(at.startswith(place) and text in said for at, said in told), (told, contract.left_out)


@pytest.mark.parametrize("name", TOLD)
def test_what_is_odd_in_one_place_stops_no_other_operation(tmp_path: Path, name: str) -> None:
    document = own_document()
    other = {"operationId": "other", "responses": {"200": {"description": "", "content": {"text/plain": {}}}}}
    document["paths"]["/other"] = {"get": other}
    TOLD[name][0](document)
    document["paths"].setdefault("/other", {"get": other})
    mock = Mock(Settings(contract=str(write_document(tmp_path, document)), seed=0))
    for operation in mock.served.contracts[0].operations:
        answered = mock.handle(Request("GET", operation.path.replace("{", "").replace("}", ""), "", NO_HEADERS, b""))
        assert answered.status < 500 or (operation.id != "other" and answered.status == 501), answered


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("bad.yaml", b"paths: [", "the contract is not YAML"),
        ("bad.json", b'{"paths": ', "the contract is not JSON"),
        ("bad.yaml", b"\xff\xfe\x00", "the contract cannot be read"),
        ("bad.yaml", b"just a text", "the document is not OpenAPI"),
        ("bad.json", b"[]", "the document is not OpenAPI"),
        ("bad.yaml", b"!!python/object/apply:os.getcwd []", "the contract contains what JSON cannot express"),
    ],
    ids=["yaml", "json", "bytes", "text", "list", "yaml with code"],
)
def test_a_file_that_is_no_document_is_refused_by_name(tmp_path: Path, name: str, content: bytes, text: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ContractError) as caught:
        read_file(tmp_path / name)
    assert caught.value.what == text
    assert name in caught.value.where


@pytest.mark.parametrize("content", [b"", b"# nothing yet\n"])
def test_a_file_without_contents_is_told_to_be_empty(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "api.yaml").write_bytes(content)
    with pytest.raises(ContractError, match="it is empty\n  fix: name a file that begins with openapi"):
        read_file(tmp_path / "api.yaml")


def test_a_file_that_cannot_be_opened_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="cannot be read") as caught:
        read_file(tmp_path / "gone.yaml")
    assert caught.value.where == str(tmp_path / "gone.yaml")


def test_a_recursive_schema_is_no_circular_reference() -> None:
    contract = read_contract(own_document(), name="notes", file="notes.json")
    media = contract.operations[0].exact[200].preferred
    assert media is not None
    assert media.schema is not None
    inner: Json = {"id": "n2", "text": "y", "parent": None}
    assert media.schema.is_valid({"id": "n1", "text": "x", "parent": inner})
    assert not media.schema.is_valid({"id": "n1", "text": "x", "parent": {"id": "n2"}})


@pytest.mark.parametrize("odd", ["default: .nan", "default: .inf", "default: !!binary aGk="])
def test_a_document_that_holds_what_json_cannot_is_refused(odd: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(f"openapi: 3.1.0\npaths: {{}}\ncomponents: {{schemas: {{A: {{{odd}}}}}}}\n", "utf-8")
    with pytest.raises(ContractError, match="what JSON cannot"):
        read_file(path)


def test_half_a_surrogate_pair_in_a_document_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_text('{"openapi": "3.1.0", "paths": {}, "x-odd": "\\ud800"}', "utf-8")
    with pytest.raises(ContractError, match="what JSON cannot"):
        read_file(path)


def places(node: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Give the place of every node of a document."""
    yield path
    for key, below in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from places(below, (*path, key))


PLACES = list(places(own_document()))
ODD: list[Json] = [None, 5, "x", [], {}, ["x"], {"x": 5}, True, 1e300, "(", "#/components/schemas/Note"]


def refused_or_served(path: Path) -> ContractError | Mock:
    """Give the mock of a contract, after a call of each operation, or why there is none; anything else is a defect."""
    try:
        mock = Mock(Settings(contract=str(path), seed=0))
    except ContractError as error:
        return error
    for operation in mock.served.contracts[0].operations:
        target = operation.path.replace("{", "").replace("}", "")
        for body in (b"", b'{"text": "a"}'):
            answered = mock.handle(Request(operation.method, target, "", JSON_TYPE, body))
            assert answered.status < 500 or answered.status == 501, answered
    return mock


JSON_TYPE = Headers(((b"content-type", b"application/json"),))


@given(st.sampled_from(PLACES), st.sampled_from(ODD))
@hypothesis.example(("paths", "/notes/{note_id}"), {})
@hypothesis.example(("components", "parameters", "NoteId", "schema"), True)
@settings(max_examples=300)
def test_a_document_with_anything_anywhere_is_served_or_refused_by_name(
    place: tuple[str | int, ...], odd: Json
) -> None:
    document = own_document()
    if not place:
        document = odd
    else:
        node = document
        for key in place[:-1]:
            node = node[key]
        node[place[-1]] = odd
    with tempfile.TemporaryDirectory() as folder:
        path = write_document(Path(folder), document)
        found = refused_or_served(path)
    assert isinstance(found, Mock) or found.where


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_a_document_that_is_nested_too_deep_is_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"deep.{suffix}"
    path.write_text("[" * 100_000 + "]" * 100_000, "utf-8")
    with pytest.raises(ContractError):
        read_file(path)


@pytest.mark.parametrize(
    "more", [{"minItems": 10**8, "type": "array"}, {"minLength": 10**8, "type": "string"}], ids=str
)
def test_a_schema_that_no_answer_can_hold_is_a_501_of_its_operations(more: Json, tmp_path: Path) -> None:
    document = own_document()
    document["components"]["schemas"]["Note"]["properties"]["odd"] = more
    document["components"]["schemas"]["Note"]["required"].append("odd")
    for media in document["components"]["responses"]["Note"]["content"].values():
        media.pop("examples", None)
    mock = Mock(Settings(contract=str(write_document(tmp_path, document)), seed=0))
    answered = mock.handle(Request("GET", "/notes/a"))
    assert (answered.status, answered.source) == (501, "mock")
    assert answered.findings[0].fault == "contract"
    assert answered.headers.count((b"x-should-retry", b"false")) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_what_several_places_refer_to_is_one_schema(version: str) -> None:
    contract = contract_of(version)
    found = [
        media.schema
        for operation in contract.operations
        for reply in operation.replies.values()
        for media in reply.media
        if media.schema is not None
    ]
    assert len({id(each) for each in found}) == len({each.pointer for each in found}) < len(found) / 3


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [("int32", [2**31 - 1, -(2**31), 5], [2**31, -(2**31) - 1]), ("int64", [2**63 - 1], [2**63, -(2**63) - 1])],
)
def test_whole_numbers_have_the_range_of_their_format(
    kind: str, right: list[int], wrong: list[int], tmp_path: Path
) -> None:
    document = own_document()
    document["components"]["schemas"]["Note"]["properties"]["size"] = {"type": ["integer", "null"], "format": kind}
    contract = read_file(write_document(tmp_path, document))
    body = contract.operations[1].body
    assert body is not None
    note = {"id": "n", "text": "t"}
    assert [each for each in right if not body.schema.is_valid({**note, "size": each})] == []
    for each in wrong:
        (found,) = body.schema.explain({**note, "size": each})
        assert found.contract == "notes#/components/schemas/Note/properties/size/format"
