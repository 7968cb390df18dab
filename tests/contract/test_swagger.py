"""A Swagger 2.0 document is read like one of OpenAPI 3.1, and its places are told as the user's file has them."""

from pathlib import Path
from random import Random

import pytest
import yaml

from mockserver.answer.generate import assemble, generate
from mockserver.contract.load import convert
from mockserver.contract.openapi import Contract, Operation
from mockserver.contract.reader import read_contract, read_file
from mockserver.contract.schema import Schema
from mockserver.messages import Json

SWAGGER = """\
swagger: "2.0"
info: {title: Pets, version: "1"}
host: api.example.com
basePath: /v2/
schemes: [https, http]
consumes: [application/json]
produces: [application/json]
security: [{key: []}, {login: [], flow: ["read:pets"]}]
securityDefinitions:
  key: {type: apiKey, in: header, name: X-Key}
  login: {type: basic}
  flow: {type: oauth2, flow: accessCode, authorizationUrl: https://a.example, tokenUrl: https://t.example, scopes: {}}
parameters:
  limit: {name: limit, in: query, type: integer, maximum: 10}
  pet: {name: pet, in: body, required: true, schema: {$ref: "#/definitions/Pet"}}
responses:
  NotFound:
    description: no
    schema: {$ref: "#/definitions/Error"}
    examples: {application/json: {message: gone}}
paths:
  /pets:
    parameters: [{$ref: "#/parameters/limit"}]
    get:
      operationId: list
      parameters:
        - {name: csv, in: query, type: array, items: {type: integer}}
        - {name: ssv, in: query, type: array, items: {type: integer}, collectionFormat: ssv}
        - {name: tsv, in: query, type: array, items: {type: integer}, collectionFormat: tsv}
        - {name: pipes, in: query, type: array, items: {type: integer}, collectionFormat: pipes}
        - {name: multi, in: query, type: array, items: {type: integer}, collectionFormat: multi}
        - {name: X-Ids, in: header, type: array, items: {type: integer}, x-example: [1]}
      produces: [application/json, application/xml]
      responses:
        200:
          description: all
          schema: {type: array, items: {$ref: "#/definitions/Pet"}}
          headers: {X-Count: {type: integer, minimum: 0}}
        404: {$ref: "#/responses/NotFound"}
    post:
      operationId: add
      parameters: [{$ref: "#/parameters/pet"}]
      responses:
        201: {description: made, schema: {$ref: "#/paths/~1pets~1{id}~1photo/post/responses/200/schema"}}
        404: {$ref: "#/responses/NotFound"}
  /pets/{id}/photo:
    parameters: [{name: id, in: path, required: true, type: string, pattern: "^[a-z]+$"}]
    post:
      operationId: upload
      consumes: [multipart/form-data, application/x-www-form-urlencoded]
      parameters:
        - {name: photo, in: formData, type: file, required: true}
        - {name: tags, in: formData, type: array, items: {type: string}, collectionFormat: multi}
      responses:
        200: {description: stored, schema: {$ref: "#/definitions/Pet«Photo»"}}
    get:
      operationId: download
      produces: [image/png]
      responses: {200: {description: it, schema: {type: file}}}
definitions:
  Pet:
    type: object
    discriminator: kind
    required: [kind]
    properties: {kind: {type: string}, nick: {type: string, x-nullable: true}, age: {type: integer, minimum: "x"}}
  Pet«Photo»: {type: object, required: [url], properties: {url: {type: string}}}
  Error: {type: object, required: [message], properties: {message: {type: string}}}
"""


def _read(folder: Path, text: str = SWAGGER, **files: str) -> Contract:
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(content)
    path = folder / "swagger.yaml"
    path.write_text(text)
    return read_file(path)


def _operations(contract: Contract) -> dict[str, Operation]:
    return {each.id: each for each in contract.operations}


def test_a_list_is_written_as_its_collection_format_says(tmp_path: Path) -> None:
    """Each format is the style that writes it so."""
    parameters = {each.name: each for each in _operations(_read(tmp_path))["list"].parameters}
    assert {name: (each.style, each.explode) for name, each in parameters.items() if name != "limit"} == {
        "csv": ("form", False),
        "ssv": ("spaceDelimited", False),
        "tsv": ("tabDelimited", False),
        "pipes": ("pipeDelimited", False),
        "multi": ("form", True),
        "x-ids": ("simple", False),
    }
    assert parameters["limit"].schema.is_valid(10)
    assert not parameters["limit"].schema.is_valid(11)
    assert parameters["x-ids"].examples == ([1],)


def test_bodies_and_forms_are_request_bodies(tmp_path: Path) -> None:
    """A body has the media types that the operation consumes; a form those of forms."""
    found = _operations(_read(tmp_path))
    add, upload = found["add"].body, found["upload"].body
    assert add is not None
    assert upload is not None
    assert [each.type for each in add.media] == ["application/json"]
    assert add.required
    assert not add.schema.is_valid({})
    assert [each.type for each in upload.media] == ["multipart/form-data", "application/x-www-form-urlencoded"]
    assert upload.media[0].encoding == {"tags": {"style": "form", "explode": True}}
    assert upload.media[0].schema is upload.media[1].schema
    assert not upload.schema.is_valid({"tags": ["a"]})
    assert upload.schema.is_valid({"photo": "bytes", "tags": ["a"]})
    assert found["list"].body is None


def test_responses_have_the_media_types_that_are_produced(tmp_path: Path) -> None:
    """Those of the operation, else those of the document; a shared response in each operation's own."""
    found = _operations(_read(tmp_path))
    reply = found["list"].replies
    assert [each.type for each in reply["200"].media] == ["application/json", "application/xml"]
    assert [each.type for each in reply["404"].media] == ["application/json", "application/xml"]
    assert [each.type for each in found["add"].replies["404"].media] == ["application/json"]
    assert reply["404"].media[0].examples == {"example": {"message": "gone"}}
    assert found["add"].replies["404"].media[0].examples == {"example": {"message": "gone"}}
    assert [each.type for each in found["download"].replies["200"].media] == ["image/png"]
    count = reply["200"].headers["x-count"].schema
    assert count is not None
    assert not count.is_valid(-1)


def test_references_lead_into_moved_parts_and_into_paths(tmp_path: Path) -> None:
    """A definition with a name beyond ASCII, reached over a response of another path."""
    media = _operations(_read(tmp_path))["add"].replies["201"].media[0]
    assert media.schema is not None
    assert media.schema.is_valid({"url": "u"})
    assert not media.schema.is_valid({})


def test_security_and_servers_are_read(tmp_path: Path) -> None:
    """Basic is a scheme of http; the base path is a server's."""
    operation = _operations(_read(tmp_path))["list"]
    assert [[(each.name, each.type, each.scheme) for each in several] for several in operation.security] == [
        [("key", "apiKey", "")],
        [("login", "http", "basic"), ("flow", "oauth2", "")],
    ]
    assert operation.bases == ("/v2",)


def test_null_is_taken_where_the_document_says_so(tmp_path: Path) -> None:
    """By `x-nullable`; the discriminator is a name."""
    schema = _operations(_read(tmp_path))["list"].replies["200"].media[0].schema
    assert schema is not None
    assert schema.is_valid([{"kind": "a", "nick": None}])
    assert not schema.is_valid([{"kind": None}])


@pytest.mark.parametrize("where", ["query", "formData"])
def test_an_empty_text_is_refused_where_the_document_says_so(where: str) -> None:
    """By `allowEmptyValue: false`, as it is written; what is not said forbids nothing."""
    for told, right in ((False, False), (True, True), (None, True)):
        more = {} if told is None else {"allowEmptyValue": told}
        parameter = {"in": where, "name": "a", "type": "string", **more}
        operation = {"parameters": [parameter], "responses": {"200": {"description": ""}}}
        data: Json = {"swagger": "2.0", "info": {}, "paths": {"/x": {"post": operation}}}
        contract = read_contract(convert(data, "t.json", lambda _: {}), name="t", file="t.json")
        (read,) = contract.operations
        schema = read.parameters[0].schema if where == "query" else Schema(contract.document, _field_of(read, "a"), "t")
        assert schema.is_valid("") is right
        assert schema.is_valid("b")


def _field_of(operation: Operation, name: str) -> str:
    assert operation.body is not None
    assert operation.body.schema is not None
    return f"{operation.body.schema.pointer}/properties/{name}"


@pytest.mark.parametrize(("version", "word"), [("3.1.0", "nullable"), ("3.0.3", "x-nullable")])
def test_null_is_not_made_where_the_version_has_no_word_for_it(version: str, word: str) -> None:
    """The word is of another version or of a vendor, so that a strict client may take no null."""
    field = {"type": "string", word: True, "default": None}
    definition = {"type": "object", "required": ["a"], "properties": {"a": field}}
    data: Json = {"openapi": version, "info": {}, "paths": {}, "components": {"schemas": {"A": definition}}}
    schema = Schema(convert(data, "t.json", lambda _: {}), "/components/schemas/A", "t")
    assert schema.is_valid({"a": None})
    assert {generate(schema, Random(seed))["a"] for seed in range(50)}.isdisjoint([None])
    assert assemble(schema) is None


def test_places_are_those_of_the_file(tmp_path: Path) -> None:
    """Of a definition, a shared parameter, a form's field, a response's schema."""
    contract = _read(tmp_path)
    found = _operations(contract)
    assert [contract.document.origin(each.place) for each in contract.problems] == [
        "#/definitions/Pet/properties/age/minimum"
    ]
    places = {each.name: each.schema.place() for each in (*found["list"].parameters, *found["upload"].parameters)}
    assert places["limit"] == "swagger#/parameters/limit"
    assert places["csv"] == "swagger#/paths/~1pets/get/parameters/0"
    assert places["id"] == "swagger#/paths/~1pets~1{id}~1photo/parameters/0"
    upload, reply = found["upload"].body, found["list"].replies["404"].media[0].schema
    assert upload is not None
    assert reply is not None
    [told] = upload.schema.explain({"photo": "x", "tags": "y"})
    assert told.contract == "swagger#/paths/~1pets~1{id}~1photo/post/parameters/1/type"
    assert reply.place() == "swagger#/definitions/Error"


def test_other_files_are_written_in_the_old_form_too(tmp_path: Path) -> None:
    """A path, a parameter and a response of another file, and a reference back."""
    text = """\
swagger: "2.0"
info: {title: T, version: "1"}
produces: [text/plain]
paths: {/a: {$ref: "other.yaml#/paths/a"}}
definitions: {Name: {type: string, maxLength: 3}}
"""
    other = """\
paths:
  a:
    post:
      operationId: a
      parameters: [{$ref: "#/shared/name"}, {$ref: "#/shared/body"}]
      responses: {200: {$ref: "#/shared/answer"}}
shared:
  name: {name: n, in: query, type: string, maxLength: 2}
  body: {name: b, in: body, schema: {$ref: "swagger.yaml#/definitions/Name"}}
  answer: {description: d, schema: {$ref: "swagger.yaml#/definitions/Name"}}
"""
    contract = _read(tmp_path, text, other=other)
    [operation] = contract.operations
    [name] = operation.parameters
    assert not name.schema.is_valid("abc")
    assert name.schema.place() == "other.yaml#/shared/name"
    assert operation.body is not None
    assert operation.body.schema.place() == "swagger#/definitions/Name"
    [media] = operation.replies["200"].media
    assert media.type == "text/plain"
    assert media.schema is operation.body.schema
    assert contract.problems == ()


def test_what_is_left_out_is_no_error(tmp_path: Path) -> None:
    """A document with nothing but paths is served; a response without a schema has no body."""

    def document(**more: Json) -> str:
        reply = {"200": {"description": "d"}}
        return yaml.safe_dump({"swagger": "2.0", "paths": {"/a": {"get": {"responses": reply, **more}}}})

    def read(text: str) -> Contract:
        return _read(tmp_path, text)

    [operation] = read(document()).operations
    assert operation.replies["200"].media == ()
    assert operation.bases == ()
    [operation] = read(document(parameters=[{"in": "formData", "name": "f", "type": "file"}])).operations
    assert operation.body is not None
    assert [each.type for each in operation.body.media] == ["multipart/form-data"]
