"""A Contract: its operations, with their parameters, bodies, replies and examples.

A user's document is read as far as it goes: each operation when it is first needed, and what one cannot do stops only
that one. A bundled document is read whole at once, and must be understood whole.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Protocol, TypeVar

from mockserver.contract.document import METHODS, is_remote
from mockserver.contract.schema import Schema
from mockserver.contract.tree import Document, Problem, lookup, named_place, resolve
from mockserver.messages import Json, Value

EVENT_STREAM = "text/event-stream"

T = TypeVar("T")


ANYTHING = Schema({"any": True}, "/any", "")
"""The schema of a place that declares none."""

ANY_TEXT = Schema({"text": {"type": "string"}}, "/text", "")


OTHERS = -1
"""The place of the encoding object for items that have none of their own."""


class Media(Value, frozen=True, eq=False):
    """One representation of a body: its media type, its schema if it has one, its examples by name."""

    type: str
    schema: Schema | None
    examples: Mapping[str, Json]
    item_schema: Schema | None = None
    """What each event of a stream satisfies."""
    pointer: str = ""
    encoding: Mapping[str | int, Json] = MappingProxyType({})
    """How the fields of a form are encoded, by name, as OpenAPI's encoding objects say; their `headers` are read.
    Those of a list are by their place, with OTHERS for all that have none of their own."""


class Parameter(Value, frozen=True, eq=False):
    """One declared parameter; `location` is path, query, header, cookie, or querystring for a whole query."""

    name: str
    location: str
    required: bool
    schema: Schema
    examples: tuple[Json, ...] = ()
    """The examples beside the schema, not checked against it."""
    style: str = "simple"
    explode: bool = False
    media: str = ""
    """The media type in which the value is written, if it is not written in a style."""
    allow_empty: bool = False
    allow_reserved: bool = False
    """Whether reserved characters, a plus among them, stand for themselves."""
    named: Mapping[str, Json] = MappingProxyType({})
    """The examples that have a name."""
    pointer: str = ""


class Body(Value, frozen=True, eq=False):
    """The body that an operation takes, in each of its media types."""

    required: bool
    media: tuple[Media, ...]

    @property
    def preferred(self) -> Media:
        """The representation that is meant without another: JSON, else the first."""
        return next((each for each in self.media if is_json(each.type)), self.media[0])

    @property
    def schema(self) -> Schema:
        """The schema of the preferred representation."""
        return self.preferred.schema or ANYTHING

    @property
    def type(self) -> str:
        """The media type of the preferred representation."""
        return self.preferred.type


class HeaderField(Value, frozen=True, eq=False):
    """A declared header field of a reply."""

    required: bool
    schema: Schema | None
    examples: tuple[Json, ...] = ()
    explode: bool = False
    media: str = ""


class Reply(Value, frozen=True, eq=False):
    """One declared reply of an operation; `status` is "200", "4XX" or "default"."""

    status: str
    media: tuple[Media, ...]
    pointer: str
    evidence: str
    headers: Mapping[str, HeaderField]
    """The declared header fields, by name in lower case."""
    links: Mapping[str, Json] = MappingProxyType({})

    @property
    def required_headers(self) -> Mapping[str, Schema | None]:
        """The required header fields, by name in lower case, with their schemas."""
        return {name: each.schema for name, each in self.headers.items() if each.required}

    @property
    def preferred(self) -> Media | None:
        """The representation that is sent: a declared stream, else the first; None for no body."""
        streams = [media for media in self.media if media.type == EVENT_STREAM]
        return next(iter(streams or self.media), None)


class SecurityScheme(Value, frozen=True):
    """A security scheme: its name, type (apiKey, http, oauth2 ...), and where its key stands."""

    name: str
    type: str
    location: str = ""
    """header, query or cookie, for an API key."""
    field: str = ""
    """The name of the header, parameter or cookie of an API key."""
    scheme: str = ""
    """basic, bearer or another, for http, in lower case."""


class PartReader(Protocol):
    """Reads the parts of operations from their document."""

    document: Json
    name: str
    strict: bool

    def read(self, part: Callable[["Operation"], T], operation: "Operation") -> T:
        """Read a part of an operation; a ContractError names its place."""
        ...

    def parameters(self, operation: "Operation") -> tuple[Parameter, ...]:
        """Read the parameters of an operation: its own over those of its path."""
        ...

    def body(self, operation: "Operation") -> Body | None:
        """Read the body that an operation takes."""
        ...

    def replies(self, operation: "Operation") -> Mapping[str, Reply]:
        """Read the replies of an operation."""
        ...

    def header_names(self, operation: "Operation") -> frozenset[str]:
        """Return the names of the header fields that the replies of an operation declare, in lower case."""
        ...

    def security(self, operation: "Operation") -> tuple[tuple[SecurityScheme, ...], ...]:
        """Read the alternatives of keys that an operation takes."""
        ...

    def bases(self, operation: "Operation") -> tuple[str, ...]:
        """Return the paths of the servers below which an operation stands."""
        ...

    def callbacks(self, operation: "Operation") -> tuple[tuple[str, "Operation"], ...]:
        """Read the callbacks of an operation."""
        ...


class Operation:
    """One operation of one contract; `contract` is the contract's name, `pointer` the place in its document.

    What it takes and answers is read when first asked for; a ContractError says what cannot be served.
    An operation is equal only to itself, so it can be the key of what is compiled for it.
    """

    def __init__(self, reader: "PartReader", name: str, method: str, path: str, pointer: str, item: str) -> None:
        self._reader, self.item = reader, item
        self.id, self.contract, self.method, self.path, self.pointer = name, reader.name, method.upper(), path, pointer
        self.names = tuple(re.findall(r"\{([^{}]+)\}", path))
        """The names of the path's parameters, in the order of the path."""
        self.problems: list[Problem] = []
        """What of it is not served as its document is written, as far as it was read."""
        self.logged = 0
        """How many of these were logged."""

    def __repr__(self) -> str:
        return f"<Operation {self.id} of {self.contract}>"

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The declared parameters, those of the path first."""
        return self._reader.read(self._reader.parameters, self)

    @cached_property
    def body(self) -> Body | None:
        """The body that it takes."""
        return self._reader.read(self._reader.body, self)

    @cached_property
    def replies(self) -> Mapping[str, Reply]:
        """The declared replies, by status, range or "default"."""
        return self._reader.read(self._reader.replies, self)

    @property
    def header_names(self) -> frozenset[str]:
        """The names of the header fields that its replies declare, in lower case; nothing else of them is read."""
        return self._reader.header_names(self)

    @cached_property
    def exact(self) -> Mapping[int, Reply]:
        """The replies that are declared for a single status."""
        return MappingProxyType({int(key): reply for key, reply in self.replies.items() if key.isdigit()})

    @cached_property
    def success(self) -> int:
        """The first declared success status, else the first declared one; 200 if only ranges or a default are."""
        good = [status for status in self.exact if 200 <= status < 300]
        if good or "2XX" in self.replies or "default" in self.replies or not self.replies:
            return min(good, default=200)
        return min(self.exact) if self.exact else int(min(self.replies)[0]) * 100

    @cached_property
    def security(self) -> tuple[tuple[SecurityScheme, ...], ...]:
        """The alternatives of keys, each a set of schemes that are needed together; none for an open operation."""
        return self._reader.read(self._reader.security, self)

    @property
    def secured(self) -> bool:
        """Whether it needs a key."""
        return bool(self.security) and () not in self.security

    @cached_property
    def allow(self) -> str:
        """The methods that the path takes, as the Allow header lists them."""
        item = resolve(self._reader.document, self.item)[1]
        return ", ".join(sorted(taken_methods(method.upper() for method, _ in methods_of(item))))

    @cached_property
    def bases(self) -> tuple[str, ...]:
        """The paths of the servers below which it stands, without a slash at the end."""
        return self._reader.bases(self)

    @cached_property
    def callbacks(self) -> tuple[tuple[str, "Operation"], ...]:
        """The requests that it sends after its answer: each with its address, as a runtime expression."""
        return self._reader.read(self._reader.callbacks, self)

    @property
    def bundled(self) -> bool:
        """Whether its document is a pack's own, which was read whole when it was loaded."""
        return self._reader.strict

    @property
    def node(self) -> Mapping[str, Json]:
        """What the document says of it."""
        node: Mapping[str, Json] = lookup(self._reader.document, self.pointer)
        return node

    def reply(self, status: int) -> Reply | None:
        """Return the declared reply for a status: the exact one, else its range, else the default."""
        return self.exact.get(status) or self.replies.get(f"{status // 100}XX") or self.replies.get("default")

    def read(self) -> None:
        """Read all of it; a ContractError says what cannot be served."""
        for part in ("parameters", "body", "replies", "security"):
            getattr(self, part)

    def placed(self, where: str = "") -> str:
        """Return the place of something that an error names by `#pointer`, by default the operation's own."""
        return named_place(self._reader.document, self.contract, where[1:] or self.pointer)

    @cached_property
    def place(self) -> str:
        """The operation's place, as `<contract>#<pointer>`."""
        return self.placed()


def with_body(operation: Operation, body: Body) -> Operation:
    """Return an operation that takes another body."""
    made = Operation.__new__(Operation)
    made.__dict__.update(operation.__dict__, body=body)
    return made


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
    path: str = ""
    """The path of a user's file."""
    bundled: bool = False
    left_out: Mapping[str, str] = MappingProxyType({})
    """The operations that cannot be served, each with the reason: only where all were read."""
    prefix: str = ""
    """The path under which it is served."""
    webhooks: tuple[str, ...] = ()

    @property
    def other_files(self) -> tuple[str, ...]:
        """The files that it refers to, readable or not, by their names relative to its own."""
        return tuple(each for each in self.document.files if not is_remote(each))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is not served as it is written, as far as it was read."""
        return tuple(self.document.problems) if isinstance(self.document, Document) else ()


def is_json(media_type: str) -> bool:
    """Return whether a media type carries JSON, by the rule of FastAPI."""
    main, _, sub = media_type.partition(";")[0].strip().lower().partition("/")
    return main == "application" and (sub == "json" or sub.endswith("+json"))


def taken_methods(methods: Iterable[str]) -> frozenset[str]:
    """List the methods that a path takes: those with an operation, OPTIONS, and HEAD beside GET."""
    found = frozenset(methods) | {"OPTIONS"}
    return found | {"HEAD"} if "GET" in found else found


def methods_of(item: Mapping[str, Json]) -> list[tuple[str, tuple[str, ...]]]:
    """List the methods of a path item, each with the keys under which its operation stands."""
    found: list[tuple[str, tuple[str, ...]]] = [
        (method, (method,)) for method in METHODS if isinstance(item.get(method), dict)
    ]
    others = item.get("additionalOperations")
    if isinstance(others, dict):
        found += [(name, ("additionalOperations", name)) for name, node in others.items() if isinstance(node, dict)]
    return found
