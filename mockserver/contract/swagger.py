"""Swagger 2.0 documents in the form of OpenAPI 3.1, in place: each object when the conversion comes to it.

What a document says stays where it stands, and the newer form refers to it, so that places are told as the user's file
has them, and references into it stay right. Only the shared parts go to `components`.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

from mockserver.contract.tree import Document, join, reference_to
from mockserver.errors import ContractError
from mockserver.messages import Json

SHARED = {
    "/definitions": "/components/schemas",
    "/parameters": "/components/parameters",
    "/responses": "/components/responses",
    "/securityDefinitions": "/components/securitySchemes",
}
"""Where shared parts stand -> where the newer form has them."""

METHODS = ("get", "put", "post", "delete", "options", "head", "patch")

STYLES = {"csv": "form", "ssv": "spaceDelimited", "tsv": "tabDelimited", "pipes": "pipeDelimited", "multi": "form"}
"""How a list is written -> the style that writes it so; there is none for tabs, and this name is our own."""

FLOWS = {"application": "clientCredentials", "accessCode": "authorizationCode"}

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

_OF_SCHEMA = frozenset(
    "type format items default maximum exclusiveMaximum minimum exclusiveMinimum maxLength minLength pattern maxItems "
    "minItems uniqueItems enum multipleOf x-nullable x-faker".split()
)
"""The keys of a parameter or header that make its schema."""

_JSON, _BINARY = "application/json", "application/octet-stream"


class Followed(NamedTuple):
    """An object that was reached through references: its place, itself."""

    pointer: str
    node: Json


Follow = Callable[[Json, str, str], Followed]
"""Follows the references of an object at a place of a file ("" for the root); ContractError if they lead nowhere."""


def renamed(fragment: str) -> str:
    """Return where a place of a document stands in the newer form."""
    head, slash, tail = fragment[1:].partition("/")
    return SHARED.get("/" + head, "/" + head) + slash + tail if fragment else fragment


def converted(data: Mapping[str, Json]) -> tuple[dict[str, Json], dict[str, str]]:
    """Return a document with its shared parts and servers in the newer form, and its moved parts: pointer -> place."""
    shared = {new: data.get(old[1:]) for old, new in SHARED.items()}
    components = {new.rpartition("/")[2]: each for new, each in shared.items() if isinstance(each, dict)}
    schemes = components.get("securitySchemes", {})
    components["securitySchemes"] = {name: _scheme(each) for name, each in schemes.items()}
    kept = {key: value for key, value in data.items() if "/" + key not in SHARED}
    servers = {"servers": list(_servers(data))} if data.get("host") or data.get("basePath") else {}
    return {**kept, **servers, "components": components}, {new: "#" + old for old, new in SHARED.items()}


def _servers(data: Mapping[str, Json]) -> Iterator[Json]:
    host, base = data.get("host"), str(data.get("basePath") or "")
    path = "/" + base.strip("/") if base.strip("/") else ""
    schemes = data.get("schemes")
    for scheme in schemes if isinstance(schemes, list) and schemes else ["https"]:
        yield {"url": f"{scheme}://{host}{path}" if host else path}


def _scheme(node: Json) -> Json:
    """Return a security scheme in the newer form."""
    if not isinstance(node, dict):
        return node
    if node.get("type") == "basic":
        return {**node, "type": "http", "scheme": "basic"}
    if node.get("type") == "oauth2":
        flow = str(node.get("flow", "implicit"))
        keys = ("authorizationUrl", "tokenUrl", "scopes")
        return {**node, "flows": {FLOWS.get(flow, flow): {key: node[key] for key in keys if key in node}}}
    return node


class Swagger:
    """Writes the objects of one document, and of its other files, in the newer form."""

    def __init__(self, document: Document, moved: dict[str, str], follow: Follow) -> None:
        self._document, self._moved, self._follow = document, moved, follow
        self._done: set[int] = set()
        self._kinds = {
            "path": self._path,
            "parameter": self._parameter,
            "header": self._header,
            "response": self._shared_response,
        }

    def upgrade(self, node: dict[str, Json], pointer: str, file: str, kind: str) -> None:
        """Write an object in the newer form, once."""
        if kind in self._kinds and "$ref" not in node and id(node) not in self._done:
            self._done.add(id(node))
            self._kinds[kind](node, pointer, file)

    def _path(self, node: dict[str, Json], pointer: str, file: str) -> None:
        for method in METHODS:
            operation = node.get(method)
            if isinstance(operation, dict) and id(operation) not in self._done:
                self._done.add(id(operation))
                self._operation(operation, join(pointer, method), file, (node, pointer))

    def _operation(self, node: dict[str, Json], pointer: str, file: str, item: tuple[Json, str]) -> None:
        found: dict[tuple[Json, Json], Followed] = {}
        for owner, place in (item, (node, pointer)):
            for each in self._listed(owner, place, file):
                found[each.node.get("in"), each.node.get("name")] = each
        body = next((each for (where, _), each in found.items() if where == "body"), None)
        fields = [each for (where, _), each in found.items() if where == "formData"]
        if body is not None:
            node["requestBody"] = self._body(body, self._types(node, "consumes") or [_JSON])
        elif fields:
            node["requestBody"] = self._form(fields, join(pointer, "requestBody"), self._types(node, "consumes"))
        replies = node.get("responses")
        for status, reply in replies.items() if isinstance(replies, dict) else ():
            if isinstance(reply, dict):
                self._response_of(node, reply, join(pointer, "responses", status), file)

    def _listed(self, owner: Json, pointer: str, file: str) -> Iterator[Followed]:
        """Yield the parameters that an object lists, references followed."""
        listed = owner.get("parameters")
        for index, each in enumerate(listed if isinstance(listed, list) else ()):
            try:
                found = self._follow(each, join(pointer, "parameters", index), file)
            except ContractError:  # reported where the parameter itself is converted
                continue
            if isinstance(found.node, dict):
                yield found

    def _types(self, node: Mapping[str, Json], key: str) -> list[str]:
        """Return the media types that an operation consumes or produces."""
        listed = node.get(key, self._document.get(key))
        return [str(each) for each in listed] if isinstance(listed, list) else []

    # -- bodies

    def _body(self, found: Followed, types: list[str]) -> Json:
        schema = {"schema": {"$ref": reference_to(f"{found.pointer}/schema")}} if "schema" in found.node else {}
        kept = {key: found.node[key] for key in ("required", "description") if key in found.node}
        examples = found.node.get("x-examples")
        examples = examples if isinstance(examples, dict) else {}
        content = {
            each: {**_copied(schema), **({"example": examples[each]} if each in examples else {})} for each in types
        }
        return {**kept, "content": content}

    def _form(self, fields: list[Followed], pointer: str, types: list[str]) -> Json:
        """Return the body of a form."""
        has_file = any(each.node.get("type") == "file" for each in fields)
        types = [each for each in types if each.partition(";")[0].strip().lower() in FORMS] or [FORMS[has_file]]
        place = join(pointer, "content", types[0], "schema")
        properties, encoding = {}, {}
        for found in fields:
            name = str(found.node.get("name"))
            properties[name] = self._schema_of(found.node)
            self._moved[join(place, "properties", name)] = self._document.origin(found.pointer)
            if found.node.get("type") == "array":
                encoding[name] = _style(found.node)
        needed = [str(each.node.get("name")) for each in fields if each.node.get("required") is True]
        schema = {"type": "object", "properties": properties, **({"required": needed} if needed else {})}
        more = {"encoding": encoding} if encoding else {}
        content = {each: {"schema": {"$ref": reference_to(place)}, **more} for each in types}
        content[types[0]] = {"schema": schema, **more}
        return {"required": bool(needed), "content": content}

    # -- responses

    def _response_of(self, operation: Mapping[str, Json], node: dict[str, Json], pointer: str, file: str) -> None:
        """Write a response of an operation; one that is shared becomes its own where it has media types of its own."""
        if "$ref" not in node:
            self._done.add(id(node))
            self._content(node, pointer, self._types(operation, "produces"))
        elif isinstance(operation.get("produces"), list):
            try:
                found = self._follow(node, pointer, file)
            except ContractError:  # reported where the reference itself is converted
                return
            if isinstance(found.node, dict) and "schema" in found.node:
                del node["$ref"]
                self._done.add(id(node))
                node.update({key: value for key, value in found.node.items() if key != "content"})
                self._moved[pointer] = self._document.origin(found.pointer)
                self._content(node, found.pointer, self._types(operation, "produces"))

    def _shared_response(self, node: dict[str, Json], pointer: str, _file: str) -> None:
        self._content(node, pointer, self._types({}, "produces"))

    def _content(self, node: dict[str, Json], pointer: str, types: list[str]) -> None:
        schema, examples = node.get("schema"), node.get("examples")
        examples = examples if isinstance(examples, dict) else {}
        known = [each for each in examples if "/" in each]
        if schema is None and not known:
            return
        is_file = isinstance(schema, dict) and schema.get("type") == "file"
        types = types or ([] if schema is None else [_BINARY if is_file else _JSON])
        node["content"] = {}
        for each in dict.fromkeys(chain(types, known) if schema is not None else known):
            media: dict[str, Json] = {} if schema is None else {"schema": {"$ref": reference_to(f"{pointer}/schema")}}
            if each in examples:
                media["example"] = examples[each]
            node["content"][each] = media

    # -- parameters and header fields

    def _parameter(self, node: dict[str, Json], pointer: str, _file: str) -> None:
        if node.get("in") not in ("body", "formData"):
            self._header(node, pointer, _file)
            if node.get("type") == "array":
                node.update(_style(node))
            if "x-example" in node:
                node.setdefault("example", node["x-example"])

    def _header(self, node: dict[str, Json], pointer: str, _file: str) -> None:
        if "schema" not in node:
            node["schema"] = self._schema_of(node)
            self._moved[join(pointer, "schema")] = self._document.origin(pointer)

    def _schema_of(self, node: Mapping[str, Json]) -> Json:
        """Return the schema of a parameter or header field."""
        made = {key: value for key, value in node.items() if key in _OF_SCHEMA}
        if node.get("allowEmptyValue") is False and made.get("type") == "string":
            made.setdefault("minLength", 1)
        return made


def _style(node: Mapping[str, Json]) -> dict[str, Any]:
    """Return the style in which a list is written."""
    form = str(node.get("collectionFormat", "csv"))
    if node.get("in") in ("path", "header") or "in" not in node:
        return {"style": "simple" if form == "csv" else STYLES.get(form, "simple"), "explode": False}
    return {"style": STYLES.get(form, "form"), "explode": form == "multi"}


def _copied(node: Mapping[str, Json]) -> dict[str, Json]:
    """Return a copy of a reference, which is converted for itself."""
    return {key: dict(value) for key, value in node.items()}
