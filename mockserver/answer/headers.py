"""The header fields that a contract declares for its answers."""

from random import Random

from mockserver.answer.generate import assemble, generate
from mockserver.answer.written import as_text, write_json
from mockserver.contract.media import kind_of, read
from mockserver.contract.openapi import HeaderField, Operation, Reply
from mockserver.contract.schema import Schema
from mockserver.errors import ContractError
from mockserver.messages import Json, header_value
from mockserver.request.reading.bodies import header_values

_FRAMING = frozenset(
    "connection content-encoding content-length content-range content-type date keep-alive proxy-authenticate "
    "proxy-connection te trailer transfer-encoding upgrade".split()
)
"""Fields that describe the message or the connection, which the server alone knows."""

_OURS = ("access-control-", "x-mock-")
"""The beginnings of the names of fields that the server itself sends."""


MOST_TRIES = 12
"""How many values of a field are tried."""


def declared_fields(operation: Operation | None, reply: Reply) -> tuple[tuple[bytes, bytes], ...]:
    """Make the header fields that a reply declares; those of a pack's contract, if it requires them."""
    known = {"www-authenticate": "Bearer", "allow": "" if operation is None else operation.allow}
    is_strict = operation is None or operation.bundled
    fields = []
    for name, declared in reply.headers.items():
        if is_strict and not declared.required:
            continue
        if name in known:
            fields.append((name.encode(), header_value(known[name])))
        elif is_strict:
            made = generate(declared.schema, Random(0)) if declared.schema else ""
            fields.append((name.encode(), header_value(str(made))))
        elif is_declarable(name):
            text = made_field(name, declared)
            if text is not None:
                fields.append((name.encode(), text))
    return tuple(fields)


def is_declarable(name: str) -> bool:
    """Return whether a contract may declare a field: the others belong to the message, or to the server."""
    return name not in _FRAMING and not name.startswith(_OURS) and name.isascii() and not set(name) & set(' \t:"(),/')


def made_field(name: str, declared: HeaderField) -> bytes | None:
    """Write a value of a field: its example, else what its schema shows, else a generated value."""
    if declared.examples:
        return _written(declared, declared.examples[0])
    if name == "retry-after" and (declared.schema is None or declared.schema.is_valid(1)):
        return b"1"
    if declared.schema is None:
        return b"" if declared.required else None
    try:
        return _readable(name, declared, declared.schema)
    except ContractError:
        if declared.required:
            raise
        return None


def _readable(name: str, declared: HeaderField, schema: Schema) -> bytes:
    """Write a value that is right when it is read again: a field has no line breaks, a part of a list no commas."""
    shown = assemble(schema)
    values = (generate(schema, Random(seed)) for seed in range(MOST_TRIES)) if shown is None else iter([shown])
    for value in values:
        text = _written(declared, value)
        if any(map(schema.is_valid, header_values(name, declared, [text.decode("latin-1")]))):
            return text
    raise ContractError(
        f"the header field {name} cannot be written",
        where="#" + schema.pointer,
        why="no value of its schema was found that can be read again from a header field",
        fix="give the field an example, or leave out `required`",
    )


def _written(declared: HeaderField, value: Json) -> bytes:
    """Write a value in the style of header fields (simple), or in its media type."""
    if declared.media and kind_of(read(declared.media)) == "json":
        text = write_json(value)
    elif isinstance(value, dict):
        between = "=" if declared.explode else ","
        text = ",".join(f"{key}{between}{as_text(each)}" for key, each in value.items())
    else:
        text = ",".join(map(as_text, value)) if isinstance(value, list) else as_text(value)
    shown = "".join(char if char.isprintable() else " " for char in text).strip()
    return shown.encode("latin-1") if all(ord(char) < 256 for char in shown) else shown.encode("utf-8")
