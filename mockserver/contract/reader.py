"""Reads an OpenAPI document: files, versions and references into one model, each operation when it is needed."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from msgspec import structs

from mockserver.contract import media as media_types
from mockserver.contract.document import METHODS
from mockserver.contract.load import Fetch, name_of, read_document, unfetched, version_of
from mockserver.contract.openapi import (
    ANY_TEXT,
    ANYTHING,
    OTHERS,
    Body,
    Contract,
    HeaderField,
    Media,
    Operation,
    Parameter,
    Reply,
    SecurityScheme,
    methods_of,
)
from mockserver.contract.schema import Schema, check_schema
from mockserver.contract.source import read_source
from mockserver.contract.tree import Document, Problem, join, lookup, origin, resolve
from mockserver.errors import ContractError
from mockserver.messages import Json, kind_of

STYLES = {"path": "simple", "header": "simple", "query": "form", "cookie": "form"}
"""Where a parameter may stand, and the style that it has there without one of its own."""

IGNORED = frozenset(("accept", "content-type", "authorization"))
"""Header parameters that OpenAPI ignores."""

T = TypeVar("T")


def read_file(
    source: Path | str,
    *,
    name: str = "",
    bundled: bool = False,
    partly: bool = False,
    prefix: str = "",
    fetch: Fetch = unfetched,
) -> Contract:
    """Read the contract of a file, or of an address; `prefix` is the path under which it is served.

    `partly` reads all of it at once and leaves out the operations that cannot be served, with the reasons.
    """
    document = Document(read_source(Path(source)).data) if bundled else read_document(source, fetch)
    file = name_of(str(source))
    name = name or PurePosixPath(file).stem
    made = read_contract(document, name=name, file=file, bundled=bundled, partly=partly, prefix=prefix)
    return structs.replace(made, path=str(source))


def read_contract(
    document: Json, *, name: str, file: str, bundled: bool = False, partly: bool = False, prefix: str = ""
) -> Contract:
    """Make a Contract of a document in OpenAPI 3.1's form. The tests check the examples of bundled ones."""
    reader = Reader(document, name, file, strict=bundled, prefix=prefix)
    try:
        return reader.contract(bundled=bundled, partly=partly)
    except ContractError as error:
        raise reader.placed(error) from error


class Reader:
    """Reads one document. Every error names its place in the document."""

    def __init__(self, document: Json, name: str, file: str, *, strict: bool, prefix: str = "") -> None:
        self.document, self.name, self.file, self.strict, self.prefix = document, name, file, strict, prefix
        self._checked: set[str] = set()
        self._schemas: dict[str, Schema] = {}
        """Schemas by pointer: places that refer to the same schema share it and its validator."""
        self._replies: dict[str, Reply] = {}
        """Replies by pointer: most operations refer to the same few."""
        self._noted: list[Problem] = document.problems if isinstance(document, Document) else []
        self.at = ""
        """The place that was read last, for errors that were not foreseen."""

    def contract(self, *, bundled: bool, partly: bool) -> Contract:
        """Read the outline of the document; all of it, if it is bundled or read partly."""
        document = self.document
        version_of(document, self.file)
        paths = document.get("paths", {})
        if not isinstance(paths, dict):
            raise ContractError("the paths must be an object", where="#/paths", why=f"they are {kind_of(paths)}")
        components = document.get("components")
        components = components if isinstance(components, dict) else {}
        if bundled:
            for key in components.get("schemas", {}):
                check_schema(document, join("/components/schemas", key), self._checked)
        operations = tuple(self.operations(paths))
        left_out: dict[str, str] = {}
        replies = _SharedReplies(self, _names(components.get("responses")))
        if bundled or partly:
            for each in operations:
                self._read_now(each, left_out)
        if bundled:
            list(replies.values())
        info = document.get("info") if isinstance(document.get("info"), dict) else {}
        hooks = document.get("webhooks")
        return Contract(
            name=self.name,
            title=str(info.get("title", self.name)),
            document=document,
            operations=tuple(each for each in operations if each.id not in left_out),
            replies=replies,
            file=self.file,
            bundled=bundled,
            left_out=MappingProxyType(left_out),
            webhooks=tuple(hooks) if isinstance(hooks, dict) else (),
            prefix=self.prefix,
        )

    def _read_now(self, operation: Operation, left_out: dict[str, str]) -> None:
        try:
            operation.read()
        except ContractError as error:
            if self.strict:
                raise
            left_out[operation.id] = error.what

    def read(self, part: Callable[[Operation], T], operation: Operation) -> T:
        """Read a part of an operation, and note what of it is not served; a ContractError names its place."""
        known = len(self._noted)
        try:
            return part(operation)
        except ContractError as error:
            raise self.placed(error) from error
        except Exception as error:
            raise ContractError(
                f"the operation {operation.id!r} cannot be read",
                where=f"{self.file}{origin(self.document, self.at or operation.pointer)}, or below",
                why="something there does not have the form that OpenAPI gives it",
                fix="check it with: mockserver validate",
            ) from error
        finally:
            operation.problems += self._noted[known:]

    def placed(self, error: ContractError) -> ContractError:
        """Return an error with its place as the user's files have it."""
        where = error.where
        if where.startswith("#"):
            where = origin(self.document, where[1:])
            where = self.file + where if where.startswith("#") else where
        return ContractError(error.what, where=where or self.file, why=error.why, fix=error.fix)

    def problem(self, place: str, what: str, why: str = "", fix: str = "") -> None:
        """Note what is not served as it is written; a bundled document must have none."""
        if self.strict:
            raise ContractError(what, where="#" + place, why=why, fix=fix)
        self._noted.append(Problem(place, what, why, fix))

    # -- operations

    def operations(self, paths: Mapping[str, Json]) -> Iterator[Operation]:
        """Yield the operations of all paths."""
        seen: set[str] = set()
        shapes: dict[tuple[str, str], str] = {}
        for path, item in paths.items():
            place = join("/paths", path)
            if str(path).startswith("x-"):
                continue
            if not str(path).startswith("/") or not isinstance(item, dict):
                if isinstance(item, dict):
                    why, fix = "a path begins with /", f"call it /{path}"
                else:
                    why, fix = f"what it holds is {kind_of(item)}", "write its operations there"
                self.problem(place, f"the path {path!r} is not served", why, fix)
                continue
            for pointer, found in self._items(place):
                yield from self._of_item(path, pointer, found, seen, shapes)

    def _items(self, place: str) -> Iterator[tuple[str, Json]]:
        """Yield a path item, and the one that it refers to, where it does."""
        node = lookup(self.document, place)
        yield place, node
        if "$ref" in node:
            try:
                yield resolve(self.document, place)
            except ContractError as error:
                self.problem(place, "the path is not served", error.what)

    def _of_item(
        self, path: str, pointer: str, item: Json, seen: set[str], shapes: dict[tuple[str, str], str]
    ) -> Iterator[Operation]:
        self._check_item(pointer, item)
        for method, keys in methods_of(item):
            place = join(pointer, *keys)
            name = str(lookup(self.document, place).get("operationId") or f"{method} {path}")
            other = shapes.setdefault((method, re.sub(r"\{[^{}]*\}", "{}", path)), path)
            if other != path:
                self.problem(place, f"the paths {other!r} and {path!r} are the same", "the first one is served")
                continue
            if name in seen:
                own = f"{method.upper()} {path}"
                what, why = f"the operationId {name!r} stands twice", f"the second one is called {own!r}"
                self.problem(place, what, why, "give each operation a name of its own")
                name = own
            seen.add(name)
            yield Operation(self, name, method, self.prefix + path, place, pointer)

    def _check_item(self, pointer: str, item: Json) -> None:
        known = (*METHODS, "parameters", "summary", "description", "servers", "additionalOperations", "$ref")
        for key in item:
            if key not in known and not str(key).startswith("x-"):
                why = f"its methods are {', '.join(METHODS)}"
                self.problem(join(pointer, key), f"a path has no {key!r}", why, "correct it, or begin it with x-")
            elif key in METHODS and not isinstance(item[key], dict):
                what, why = (
                    f"{key.upper()} is not served",
                    f"an operation is an object, and this is {kind_of(item[key])}",
                )
                self.problem(join(pointer, key), what, why)

    # -- parameters

    def parameters(self, operation: Operation) -> tuple[Parameter, ...]:
        """Read the parameters of an operation: its own over those of its path."""
        found: dict[tuple[str, str], Parameter] = {}
        for owner in (operation.item, operation.pointer):
            listed = lookup(self.document, owner).get("parameters")
            if listed is not None and not isinstance(listed, list):
                why = f"they must be a list, and are {kind_of(listed)}"
                self.problem(join(owner, "parameters"), "the parameters are ignored", why)
            for index in range(len(listed) if isinstance(listed, list) else 0):
                parameter = self.parameter(join(owner, "parameters", index))
                if parameter is not None:
                    found[parameter.location, parameter.name] = parameter
        for location, name in list(found):
            if location == "path" and name not in operation.names:
                what = f"the parameter {name!r} is not in the path {operation.path!r}"
                self.problem(found.pop((location, name)).pointer, what, fix="write {" + name + "} into the path")
        for name in operation.names:
            if ("path", name) not in found:
                what, why = f"the parameter {name!r} of the path is not declared", "it takes any text"
                self.problem(operation.pointer, what, why, "declare it with in: path")
                found["path", name] = Parameter(name, "path", True, ANY_TEXT)
        return tuple(found.values())

    def parameter(self, pointer: str) -> Parameter | None:
        """Read a parameter; None for one that is ignored."""
        self.at = pointer
        pointer, node = resolve(self.document, pointer)
        name, location = node.get("name"), node.get("in")
        if location == "querystring":
            name = name or ""
        elif location in ("body", "formData") and "swagger" in self.document:
            return None  # it is read as the body
        elif not isinstance(location, str) or location not in STYLES or not isinstance(name, str):
            self._ignored(pointer, name, location)
            return None
        name = name.lower() if location == "header" else name
        if location == "header" and name in IGNORED:
            return None
        style = node.get("style", STYLES.get(location, "form"))
        media, schema = self._content(pointer, node)
        named = self.examples(pointer, node, schema)
        return Parameter(
            name=name,
            location=location,
            required=bool(node.get("required")) or location == "path",
            schema=schema or ANYTHING,
            examples=tuple(named.values()),
            style=style,
            explode=bool(node.get("explode", style in ("form", "cookie"))),
            media=media,
            allow_empty=node.get("allowEmptyValue") is True,
            allow_reserved=node.get("allowReserved") is True,
            named=named,
            pointer=pointer,
        )

    def _ignored(self, pointer: str, name: Json, location: Json) -> None:
        """Note a parameter that has no name, or is in no part of a request."""
        if isinstance(name, str):
            why = "it has no in" if location is None else f"its in is {location!r}"
            what, fix = f"the parameter {name!r} is ignored", f"write one of {', '.join(STYLES)}"
        else:
            what, why, fix = "a parameter is ignored", "it has no name", "name it"
        self.problem(pointer, what, why, fix)

    def _content(self, pointer: str, node: Json) -> tuple[str, Schema | None]:
        """Return the media type in which a parameter or header is written, if one is, and its schema."""
        content = node.get("content")
        if isinstance(content, dict) and content:
            media_type = next(iter(content))
            place, media = resolve(self.document, join(pointer, "content", media_type))
            return media_type, self.schema(join(place, "schema")) if "schema" in media else None
        return "", self.schema(join(pointer, "schema")) if "schema" in node else None

    # -- bodies and replies

    def body(self, operation: Operation) -> Body | None:
        """Read the body that an operation takes."""
        if operation.node.get("requestBody") is None:
            return None
        pointer, node = resolve(self.document, join(operation.pointer, "requestBody"))
        content = node.get("content")
        if not isinstance(content, dict) or not content:
            return None
        media = tuple(self.media(name, join(pointer, "content", name)) for name in content)
        return Body(bool(node.get("required", False)), media)

    def replies(self, operation: Operation) -> Mapping[str, Reply]:
        """Read the replies of an operation; without any it answers 200 with no body."""
        found = {}
        pointer = join(operation.pointer, "responses")
        declared = operation.node.get("responses")
        for status in declared if isinstance(declared, dict) else ():
            key = str(status)
            if re.fullmatch(r"[1-5](\d\d|[Xx]{2})|default", key):
                found[key.upper() if key != "default" else key] = self.reply(key, join(pointer, key))
            elif not key.startswith("x-"):
                self.problem(join(pointer, key), f"{key!r} is no status", "the response is ignored")
        if not found:
            if declared is not None or not str(self.document.get("openapi")).startswith(("3.1", "3.2")):
                self.problem(pointer, f"{operation.id} declares no responses", "it answers 200 without a body")
            found["200"] = Reply("200", (), operation.pointer, "undeclared", {})
        return MappingProxyType(found)

    def header_names(self, operation: Operation) -> frozenset[str]:
        """Return the names of the header fields that the replies of an operation declare, in lower case."""
        found: set[str] = set()
        for status in _names(operation.node.get("responses")):
            with suppress(ContractError):  # a reply that leads nowhere declares nothing
                node = resolve(self.document, join(operation.pointer, "responses", status))[1]
                found.update(name.lower() for name in _names(node.get("headers") if isinstance(node, dict) else None))
        return frozenset(found)

    def reply(self, status: str, pointer: str) -> Reply:
        """Read a reply."""
        pointer, node = resolve(self.document, pointer)
        shared = self._replies.get(pointer)
        if shared is not None:
            return structs.replace(shared, status=status)
        if not isinstance(node, dict):
            raise ContractError("a response must be an object", where="#" + pointer, why=f"it is {kind_of(node)}")
        content = node.get("content")
        media = [self.media(name, join(pointer, "content", name)) for name in _names(content)]
        fields = node.get("headers")
        info = self.document.get("info") if isinstance(self.document.get("info"), dict) else {}
        links = node.get("links")
        reply = self._replies[pointer] = Reply(
            status=status.upper() if status != "default" else status,
            media=tuple(media),
            pointer=pointer,
            evidence=node.get("x-evidence", info.get("x-evidence", "documented")),
            headers=MappingProxyType(
                {name.lower(): self.header(join(pointer, "headers", name)) for name in _names(fields)}
            ),
            links=links if isinstance(links, dict) else {},
        )
        return reply

    def header(self, pointer: str) -> HeaderField:
        """Read a declared header field of a reply."""
        pointer, node = resolve(self.document, pointer)
        media, schema = self._content(pointer, node)
        examples = tuple(self.examples(pointer, node, schema).values())
        return HeaderField(node.get("required") is True, schema, examples, node.get("explode") is True, media)

    def media(self, media_type: str, pointer: str) -> Media:
        """Read one representation of a body."""
        self.at = pointer
        pointer, node = resolve(self.document, pointer)
        node = node if isinstance(node, dict) else {}
        schema = self.schema(join(pointer, "schema")) if "schema" in node else None
        kind = media_types.kind_of(media_types.read(media_type))
        keys = [key for key in ("itemSchema", "x-item-schema") if key in node]
        return Media(
            type=media_type,
            schema=schema,
            examples=MappingProxyType(self.examples(pointer, node, schema, kind)),
            item_schema=self.schema(join(pointer, keys[0])) if keys else None,
            pointer=pointer,
            encoding=self._encoding(pointer, node),
        )

    def _encoding(self, pointer: str, node: Mapping[str, Json]) -> Mapping[str | int, Json]:
        """Return the encoding objects of a body: by the name of a field, or by the place of an item."""
        named, listed = node.get("encoding"), node.get("prefixEncoding")
        found: dict[str | int, Json] = {}
        for name, each in named.items() if isinstance(named, dict) else ():
            found[name] = self._part(join(pointer, "encoding", name), each)
        for at, each in enumerate(listed if isinstance(listed, list) else ()):
            found[at] = self._part(join(pointer, "prefixEncoding", at), each)
        if "itemEncoding" in node:
            found[OTHERS] = self._part(join(pointer, "itemEncoding"), node["itemEncoding"])
        return found

    def _part(self, pointer: str, node: Json) -> Json:
        """Return an encoding object with its header fields read."""
        if not isinstance(node, dict) or not isinstance(node.get("headers"), dict):
            return node
        fields = {name.lower(): self.header(join(pointer, "headers", name)) for name in node["headers"]}
        return {**node, "headers": fields}

    def examples(
        self, pointer: str, node: Mapping[str, Json], schema: Schema | None, kind: media_types.MediaKind = "json"
    ) -> dict[str, Json]:
        """Return the examples of a place by name, without those that its schema refuses.

        A text may be a value as it is written, JSON only where the schema takes no text; a list may be a sequence of
        values.
        """
        found = {"example": node["example"]} if "example" in node else {}
        named = node.get("examples")
        for name in named if isinstance(named, dict) else ():
            place, example = resolve(self.document, join(pointer, "examples", name))
            value = _value_of(example, kind) if isinstance(example, dict) else MISSING
            if value is MISSING:
                if isinstance(example, dict) and "externalValue" in example:  # which was told when it was not read
                    continue
                self.problem(place, f"the example {name!r} is not used", "it has no value in place", "add a value")
                continue
            found[name] = value
        if self.strict or schema is None:
            return found
        if kind in ("events", "lines"):
            return found
        meant = {name: _meant(schema, value) if kind == "json" else value for name, value in found.items()}
        return {
            name: value
            for name, value in meant.items()
            if (kind != "json" and isinstance(value, str)) or self._is_right(schema, name, value, pointer)
        }

    def _is_right(self, schema: Schema, name: str, value: Json, pointer: str) -> bool:
        try:
            if schema.is_valid(value):
                return True
        except ContractError as error:
            self.problem(schema.pointer, error.what, error.why, error.fix)
            return True
        finding = schema.explain(value)[0]
        place = pointer if name == "example" else join(pointer, "examples", name)
        why = f"at {finding.where or 'the root'}: {finding.message} ({finding.contract})"
        self.problem(place, f"the example {name!r} breaks its own schema, and is not used", why, "correct one of them")
        return False

    def schema(self, pointer: str) -> Schema:
        """Return the schema of a place."""
        if self.strict:
            check_schema(self.document, pointer, self._checked)
        made = Schema(self.document, pointer, self.name)
        return self._schemas.setdefault(made.pointer, made)

    # -- security and servers

    def security(self, operation: Operation) -> tuple[tuple[SecurityScheme, ...], ...]:
        """Read the alternatives of keys that an operation takes."""
        required = operation.node.get("security", self.document.get("security"))
        found = []
        for alternative in required if isinstance(required, list) else ():
            names = list(alternative) if isinstance(alternative, dict) else []
            schemes = [self.scheme(name, join(operation.pointer, "security")) for name in names]
            found.append(tuple(each for each in schemes if each is not None))
        return tuple(found)

    def scheme(self, name: str, place: str) -> SecurityScheme | None:
        """Read a security scheme; None for one that is not defined."""
        pointer = join("/components/securitySchemes", name)
        try:
            node = resolve(self.document, pointer)[1]
            if node["type"] == "mutualTLS" and not self._is_told(pointer):
                why = "it is mutualTLS, and no client's certificate reaches the mock"
                self.problem(pointer, f"the security scheme {name!r} is not checked", why)
            return SecurityScheme(
                name=name,
                type=str(node["type"]),
                location=str(node.get("in", "")),
                field=str(node.get("name", "")),
                scheme=str(node.get("scheme", "")).lower(),
            )
        except (ContractError, KeyError, TypeError, AttributeError):
            fix = "define it under components/securitySchemes"
            self.problem(place, f"the security scheme {name!r} is not defined", "it is not checked", fix)
            return None

    def _is_told(self, pointer: str) -> bool:
        """Return whether a problem of a place was noted before."""
        return isinstance(self.document, Document) and any(each.place == pointer for each in self.document.problems)

    def callbacks(self, operation: Operation) -> tuple[tuple[str, Operation], ...]:
        """Read the callbacks of an operation: for each address the requests that are sent there."""
        found = []
        for name in _names(operation.node.get("callbacks")):
            pointer, item = resolve(self.document, join(operation.pointer, "callbacks", name))
            for address in _names(item):
                place, below = resolve(self.document, join(pointer, address))
                for method, keys in methods_of(below) if isinstance(below, dict) else ():
                    made = Operation(self, f"{operation.id} {name}", method, "", join(place, *keys), place)
                    found.append((address, made))
        return tuple(found)

    def bases(self, operation: Operation) -> tuple[str, ...]:
        """Return the paths of the servers below which an operation stands."""
        item = lookup(self.document, operation.item)
        owners = (operation.node, item, self.document)
        listed: list[Json] = next((each["servers"] for each in owners if isinstance(each.get("servers"), list)), [])
        found = [_path_of(each) for each in listed if isinstance(each, dict)]
        return tuple(dict.fromkeys(self.prefix + path for path in found if path))


class _SharedReplies(Mapping[str, Reply]):
    """The replies under components/responses, each read when it is first asked for."""

    def __init__(self, reader: Reader, names: list[str]) -> None:
        self._reader, self._names = reader, dict.fromkeys(names)

    def __getitem__(self, name: str) -> Reply:
        """Return a reply; a KeyError for one that cannot be read, since no operation asks for it by its name."""
        if name not in self._names:
            raise KeyError(name)
        try:
            return self._reader.reply(name, join("/components/responses", name))
        except Exception as error:
            if self._reader.strict:
                raise
            raise KeyError(name) from error

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter(self._names)

    def __len__(self) -> int:
        """Count them."""
        return len(self._names)


def _names(node: Json) -> list[str]:
    """List the names of a map; none for anything else."""
    return [str(name) for name in node] if isinstance(node, dict) else []


MISSING: Any = object()


def _value_of(example: Mapping[str, Json], kind: media_types.MediaKind) -> Json:
    """Return the value of an example, which OpenAPI 3.2 may have as it is sent; MISSING for none."""
    for key in ("value", "dataValue"):
        if key in example:
            return example[key]
    sent = example.get("serializedValue", MISSING)
    if kind != "json" or not isinstance(sent, str):
        return sent
    try:
        return json.loads(sent)
    except ValueError:
        return MISSING


def _meant(schema: Schema, value: Json) -> Json:
    """Return what an example means that may be JSON in a text: some documents write all examples so."""
    if not isinstance(value, str):
        return value
    try:
        if schema.is_valid(value):
            return value
        read = json.loads(value)
        return read if schema.is_valid(read) else value
    except (ContractError, ValueError, RecursionError):
        return value


def _path_of(server: Mapping[str, Json]) -> str:
    """Return the path of a server's address, with its variables by default, without a slash at the end."""
    url, variables = str(server.get("url", "")), server.get("variables")
    for name, variable in variables.items() if isinstance(variables, dict) else ():
        if isinstance(variable, dict):
            url = url.replace("{" + str(name) + "}", str(variable.get("default", "")))
    try:
        path = urlsplit(url).path
    except ValueError:
        return ""
    return "/" + path.strip("/") if path.strip("/") else ""
