"""An OpenAPI 3.1 document as an immutable Contract: operations, parameters, bodies, replies, examples."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from msgspec import structs

from mockserver.contract.schema import Schema, check_schema, join, resolve
from mockserver.contract.source import read_source
from mockserver.errors import ContractError
from mockserver.messages import Json, Value, kind_of

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
PATH_KEYS = (*METHODS, "parameters", "summary", "description", "servers")
"""The methods that a path may have."""

EVENT_STREAM = "text/event-stream"


class Parameter(Value, frozen=True):
    """One declared parameter; `location` is path, query, header or cookie."""

    name: str
    location: str
    required: bool
    schema: Schema
    examples: tuple[Json, ...] = ()
    """The examples beside the schema, not checked against it."""


class Body(Value, frozen=True):
    """The JSON body that an operation takes."""

    required: bool
    schema: Schema
    type: str = "application/json"


class Media(Value, frozen=True):
    """One representation of a reply: its media type, its schema if it has one, its examples by name."""

    type: str
    schema: Schema | None
    examples: Mapping[str, Json]
    item_schema: Schema | None = None
    """What each event of a stream satisfies."""


class Reply(Value, frozen=True):
    """One declared reply of an operation; `status` is "200", "4XX" or "default"."""

    status: str
    media: tuple[Media, ...]
    pointer: str
    evidence: str
    required_headers: Mapping[str, Schema | None]
    """The required header fields, by name in lower case, with their schemas."""

    @property
    def preferred(self) -> Media | None:
        """The representation that is sent: a declared stream, else the first; None for no body."""
        streams = [media for media in self.media if media.type == EVENT_STREAM]
        return next(iter(streams or self.media), None)


class Operation(Value, frozen=True, eq=False):
    """One operation of one contract; `contract` is the contract's name, `pointer` the place in its document.

    An operation is equal only to itself, so it can be the key of what is compiled for it.
    """

    id: str
    contract: str
    method: str
    path: str
    pointer: str
    parameters: tuple[Parameter, ...]
    body: Body | None
    replies: Mapping[str, Reply]
    secured: bool
    exact: Mapping[int, Reply]
    """The replies that are declared for a single status."""
    success: int
    """The first declared success status; 200 if only a range or a default is declared."""
    names: tuple[str, ...]
    """The names of the path's parameters, in the order of the path."""
    allow: str
    """The methods that the path takes, as the Allow header lists them."""

    def reply(self, status: int) -> Reply | None:
        """Return the declared reply for a status: the exact one, else its range, else the default."""
        return self.exact.get(status) or self.replies.get(f"{status // 100}XX") or self.replies.get("default")

    @property
    def place(self) -> str:
        """The operation's place, as `<contract>#<pointer>`."""
        return f"{self.contract}#{self.pointer}"


class Contract(Value, frozen=True, eq=False):
    """A contract: its name (a version, or a file's name), its document, its operations, its shared replies.

    Like an operation, it is equal only to itself.
    """

    name: str
    title: str
    document: Json
    operations: tuple[Operation, ...]
    replies: Mapping[str, Reply]
    """The replies under components/responses, by name. Answers that belong to no operation are declared here."""
    file: str
    bundled: bool = False
    left_out: Mapping[str, str] = MappingProxyType({})
    """The operations that could not be read, each with the reason: only where a document is read as far as it goes."""


def read_file(path: Path, *, name: str = "", bundled: bool = False, partly: bool = False) -> Contract:
    """Read the contract of a file. For a user's own, a ContractError names the place that cannot be served.

    `partly` reads it as far as it goes: an operation that cannot be served is left out, with the reason.
    """
    document = read_source(path).data
    return read_contract(document, name=name or path.stem, file=path.name, bundled=bundled, partly=partly)


def read_contract(document: Json, *, name: str, file: str, bundled: bool = False, partly: bool = False) -> Contract:
    """Make a Contract of a parsed document. The tests check the examples of bundled ones, so this does not."""
    reader = _Reader(document, name, file, bundled, partly)
    try:
        return reader.contract()
    except ContractError as error:
        where = f"{file}{error.where}" if error.where.startswith("#") else error.where or file
        raise ContractError(error.what, where=where, why=error.why, fix=error.fix) from error
    except Exception as error:
        raise ContractError(
            "the document is not valid OpenAPI 3.1",
            where=f"{file}#{reader.at}, or below",
            why=getattr(error, "message", "") or "something there does not have the form that OpenAPI gives it",
            fix="check it with an OpenAPI validator",
        ) from error


def is_json(media_type: str) -> bool:
    """Return whether a media type carries JSON, by the rule of FastAPI."""
    main, _, sub = media_type.partition("/")
    return main == "application" and (sub == "json" or sub.endswith("+json"))


def taken_methods(methods: Iterable[str]) -> frozenset[str]:
    """List the methods that a path takes: those with an operation, OPTIONS, and HEAD beside GET."""
    found = frozenset(methods) | {"OPTIONS"}
    return found | {"HEAD"} if "GET" in found else found


class _Reader:
    """Reads one document. Every error names its place in the document."""

    def __init__(self, document: Json, name: str, file: str, bundled: bool, partly: bool) -> None:
        self.document, self.name, self.file, self.bundled, self.partly = document, name, file, bundled, partly
        self.left_out: dict[str, str] = {}
        self.checked: set[str] = set()
        self.schemas: dict[str, Schema] = {}
        """Schemas by pointer: places that refer to the same schema share it and its validator."""
        self.replies: dict[str, Reply] = {}
        """Replies by pointer: most operations refer to the same few."""
        self.at = ""
        """The place that was read last, for errors that were not foreseen."""

    def contract(self) -> Contract:
        document = self.document
        if not isinstance(document, dict):
            raise ContractError("the document is not OpenAPI 3.1", where="#/openapi", why=f"it is {kind_of(document)}")
        if not str(document.get("openapi", "")).startswith("3.1."):
            found = document.get("openapi", document.get("swagger"))
            raise ContractError(
                "the document is not OpenAPI 3.1",
                where="#/openapi",
                why=f"it says {found!r}",
                fix="convert it; OpenAPI 3.0 differs in nullable, exclusiveMinimum and examples",
            )
        if not isinstance(document.get("paths"), dict) or not document["paths"]:
            raise ContractError("the document has no paths", where="#/paths", fix="describe an operation")
        for key in () if self.partly else document.get("components", {}).get("schemas", {}):
            check_schema(document, join("/components/schemas", key), self.checked)
        operations = tuple(self.operations())
        if not operations:
            why = "; ".join(f"{name}: {each}" for name, each in self.left_out.items())
            raise ContractError("the document has no operations", where="#/paths", why=why, fix="describe one")
        info = document.get("info", {})
        names = () if self.partly else document.get("components", {}).get("responses", {})
        shared = {key: self.reply(key, join("/components/responses", key)) for key in names}
        return Contract(
            self.name,
            str(info.get("title", self.name)),
            document,
            operations,
            MappingProxyType(shared),
            self.file,
            self.bundled,
            MappingProxyType(self.left_out),
        )

    def operations(self) -> Iterator[Operation]:
        alike: dict[str, str] = {}
        seen: set[str] = set()
        for path, item in self.document["paths"].items():
            with self.tolerated(path):
                self.check_path(path, item, alike)
                for method in METHODS:
                    if method not in item:
                        continue
                    with self.tolerated(str(item[method].get("operationId", f"{method} {path}"))):
                        operation = self.operation(path, method, item)
                        if operation.id in seen:
                            raise ContractError(
                                f"the operationId {operation.id!r} stands twice", where="#" + operation.pointer
                            )
                        seen.add(operation.id)
                        yield operation

    @contextmanager
    def tolerated(self, name: str) -> Iterator[None]:
        """Leave out what cannot be served, if the document is read as far as it goes."""
        try:
            yield
        except Exception as error:
            if not self.partly:
                raise
            unforeseen = "it does not have the form that OpenAPI gives it"
            self.left_out[name] = error.what if isinstance(error, ContractError) else unforeseen
            self.checked.clear()  # what was checked before the error is not wholly right

    def check_path(self, path: str, item: Json, alike: dict[str, str]) -> None:
        pointer = self.at = join("/paths", path)
        other = alike.setdefault(re.sub(r"\{[^{}]*\}", "{}", path), path)
        if other != path:
            raise ContractError(f"the paths {other!r} and {path!r} are the same", where="#" + pointer)
        if not isinstance(item, dict) or "$ref" in item:
            raise ContractError("a path must be described in place", where="#" + pointer)
        self.check_template(path, pointer)
        for key in item:
            if key not in PATH_KEYS and not key.startswith("x-"):
                raise ContractError(
                    f"a path has no {key!r}",
                    where="#" + join(pointer, key),
                    why=f"its methods are {', '.join(METHODS)}",
                    fix="correct it, or begin the name of your own with x-",
                )

    def check_template(self, path: str, pointer: str) -> None:
        bad = [part for part in path.split("/") if "{" in part and not re.fullmatch(r"\{[^{}]+\}", part)]
        if not path.startswith("/") or bad:
            raise ContractError(
                f"the path {path!r} cannot be served",
                where="#" + pointer,
                why="a path begins with / and a parameter fills a whole segment",
            )

    def operation(self, path: str, method: str, item: Json) -> Operation:
        pointer = self.at = join("/paths", path, method)
        node = item[method]
        parameters = self.parameters(join("/paths", path), item, pointer, node)
        names = tuple(re.findall(r"\{([^}]+)\}", path))
        declared = {parameter.name for parameter in parameters if parameter.location == "path"}
        if set(names) != declared:
            raise ContractError(
                f"the path's parameters {sorted(names)} are not the declared ones {sorted(declared)}",
                where="#" + pointer,
                fix="declare each parameter of the path with in: path",
            )
        replies = {
            str(status).upper() if str(status) != "default" else "default": self.reply(
                str(status), join(pointer, "responses", status)
            )
            for status in node.get("responses") or {}
        }
        if not replies:
            raise ContractError("the operation declares no responses", where="#" + join(pointer, "responses"))
        exact = {int(key): reply for key, reply in replies.items() if key.isdigit()}
        return Operation(
            id=node.get("operationId", f"{method} {path}"),
            contract=self.name,
            method=method.upper(),
            path=path,
            pointer=pointer,
            parameters=parameters,
            body=self.body(join(pointer, "requestBody")) if "requestBody" in node else None,
            replies=MappingProxyType(replies),
            secured=self.secured(node.get("security", self.document.get("security", [])), pointer),
            exact=MappingProxyType(exact),
            success=min((status for status in exact if 200 <= status < 300), default=200),
            names=names,
            allow=", ".join(sorted(taken_methods(each.upper() for each in METHODS if each in item))),
        )

    def parameters(self, path_pointer: str, item: Json, pointer: str, node: Json) -> tuple[Parameter, ...]:
        places = [join(path_pointer, "parameters", index) for index in range(len(item.get("parameters", [])))]
        places += [join(pointer, "parameters", index) for index in range(len(node.get("parameters", [])))]
        found = {}
        for parameter in map(self.parameter, places):
            found[parameter.location, parameter.name] = parameter
        return tuple(found.values())

    def parameter(self, pointer: str) -> Parameter:
        self.at = pointer
        pointer, node = resolve(self.document, pointer)
        location = node.get("in")
        default_style = {"path": "simple", "header": "simple", "query": "form", "cookie": "form"}
        if location not in default_style or "name" not in node:
            raise ContractError("a parameter needs a name and an in", where="#" + pointer)
        explodes = location in ("query", "cookie")
        usual = node.get("style", default_style[location]) == default_style[location]
        if not usual or node.get("explode", explodes) is not explodes or "schema" not in node:
            raise ContractError(
                f"the parameter {node['name']!r} cannot be served",
                where="#" + pointer,
                why="parameters are served in OpenAPI's default style, with a schema",
            )
        name = node["name"].lower() if location == "header" else node["name"]
        required = bool(node.get("required", False))
        named = node.get("examples")
        examples = [each.get("value") for each in named.values() if isinstance(each, dict)] if named else []
        examples += [node["example"]] if "example" in node else []
        return Parameter(name, location, required, self.schema(join(pointer, "schema")), tuple(examples))

    def body(self, pointer: str) -> Body:
        pointer, node = resolve(self.document, pointer)
        for media_type, media in (node.get("content") or {}).items():
            if is_json(media_type):
                place = join(pointer, "content", media_type, "schema")
                if "schema" not in media:
                    raise ContractError("a request body needs a schema", where="#" + place)
                return Body(bool(node.get("required", False)), self.schema(place), media_type)
        raise ContractError(
            "the request body cannot be served",
            where="#" + join(pointer, "content"),
            why="only JSON bodies are served",
        )

    def reply(self, status: str, pointer: str) -> Reply:
        in_operation = not pointer.startswith("/components/")
        if in_operation and not re.fullmatch(r"[1-5](\d\d|XX|xx)|default", status):
            raise ContractError(f"{status!r} is no status", where="#" + pointer)
        pointer, node = resolve(self.document, pointer)
        shared = self.replies.get(pointer)
        if shared is not None:
            return structs.replace(shared, status=status)
        content = node.get("content") or {}
        media = tuple(self.media(name, join(pointer, "content", name)) for name in content)
        evidence = node.get("x-evidence", self.document.get("info", {}).get("x-evidence", "documented"))
        headers = {}
        for name in node.get("headers") or {}:
            place, header = resolve(self.document, join(pointer, "headers", name))
            if header.get("required"):
                headers[name.lower()] = self.schema(join(place, "schema")) if "schema" in header else None
        reply = self.replies[pointer] = Reply(status, media, pointer, evidence, MappingProxyType(headers))
        return reply

    def media(self, media_type: str, pointer: str) -> Media:
        self.at = pointer
        _, node = resolve(self.document, pointer)
        if not is_json(media_type) and not media_type.startswith("text/"):
            raise ContractError(
                f"answers of type {media_type} cannot be served",
                where="#" + pointer,
                why="answers are served as JSON or as text",
            )
        schema = self.schema(join(pointer, "schema")) if "schema" in node else None
        item = self.schema(join(pointer, "x-item-schema")) if "x-item-schema" in node else None
        examples = {"example": node["example"]} if "example" in node else {}
        for name in node.get("examples", {}):
            place, example = resolve(self.document, join(pointer, "examples", name))
            if "value" not in example:
                raise ContractError("an example needs a value in place", where="#" + place)
            examples[name] = example["value"]
        for name, value in examples.items():
            self.check_example(schema, name, value, pointer)
        return Media(media_type, schema, MappingProxyType(examples), item)

    def check_example(self, schema: Schema | None, name: str, value: Json, pointer: str) -> None:
        if self.bundled or self.partly or schema is None or schema.is_valid(value):
            return
        finding = schema.explain(value)[0]
        raise ContractError(
            f"the example {name!r} breaks its own schema",
            where="#" + pointer,
            why=f"at {finding.where or 'the root'}: {finding.message} ({finding.contract})",
            fix="correct the example or the schema",
        )

    def schema(self, pointer: str) -> Schema:
        check_schema(self.document, pointer, self.checked)
        made = Schema(self.document, pointer, self.name)
        schema = self.schemas.setdefault(made.pointer, made)
        if not self.bundled and schema is made:
            self.at = pointer
            schema.is_valid(None)  # an unusable schema is reported at start
        return schema

    def secured(self, requirements: Json, pointer: str) -> bool:
        schemes = self.document.get("components", {}).get("securitySchemes", {})
        for requirement in requirements or []:
            for name in requirement:
                scheme = schemes.get(name, {})
                if (scheme.get("type"), str(scheme.get("scheme")).lower()) != ("http", "bearer"):
                    raise ContractError(
                        f"the security scheme {name!r} cannot be served",
                        where="#" + join(pointer, "security"),
                        why="keys are served as HTTP bearer authentication",
                    )
        return bool(requirements) and {} not in requirements
