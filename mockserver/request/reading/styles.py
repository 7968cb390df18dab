"""Texts -> lists and objects: the styles in which OpenAPI writes parameters and the fields of forms."""

import re
from collections.abc import Iterator, Sequence
from typing import Protocol, TypeAlias
from urllib.parse import unquote_to_bytes

from mockserver.request.reading.shapes import Raw, TextShape

Pairs: TypeAlias = Sequence[tuple[str, str]]
"""Names and texts, still percent-encoded."""

MOST_KEYS = 32
"""How deep a field of a deepObject may stand."""


class Styled(Protocol):
    """How a parameter, or a field of a form, is written."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def style(self) -> str:
        """form, simple, label, matrix, spaceDelimited, pipeDelimited, deepObject or cookie."""

    @property
    def explode(self) -> bool:
        """Whether each part of a list or object is written with a name of its own."""


def decoded(text: str, *, plus: bool = True) -> str:
    """Return a percent-encoded text decoded as UTF-8; a plus is a space, as forms write it."""
    if plus:
        text = text.replace("+", " ")
    elif "%" not in text and text.isascii():
        return text
    return unquote_to_bytes(text.encode("latin-1", "replace")).decode("utf-8", "replace")


def pairs_of(query: str) -> list[tuple[str, str]]:
    """Split a query or an encoded form; the names are decoded, the texts are not."""
    parts = (part.partition("=") for part in query.split("&") if part)
    return [(decoded(name), text) for name, _, text in parts]


# -- query, and forms, which are written like one


def form_readings(
    parameter: Styled, shape: TextShape, sent: Pairs, others: frozenset[str], *, plus: bool = True
) -> list[Raw] | None:
    """Read a parameter of a query, or a field of a form."""
    name, style = parameter.name, parameter.style
    if style == "deepObject":
        return deep_readings(name, shape, sent, plus=plus)
    if shape.takes("object") and parameter.explode and style == "form":
        found = _spread(shape, sent, others, plus=plus)
        if found is not None or not shape.kinds - {"object", "null"}:
            return found if found is None else [found]
    texts = [text for key, text in sent if key == name]
    if not texts:
        return None
    last = decoded(texts[-1], plus=plus)
    if not (shape.takes("array") or shape.takes("object")):
        return [last]
    if parameter.explode:
        listed: list[Raw] = [decoded(text, plus=plus) for text in texts]
        readings: list[Raw] = [listed] if shape.takes("array") else []
        readings += [[]] if shape.takes("array") and listed == [""] else []
    else:
        readings = list(_joined(parameter, shape, texts, plus=plus))
    if not _takes_scalar(shape):
        return readings
    return [last, *readings] if len(texts) == 1 and parameter.explode else [*readings, last]


DELIMITERS = {"spaceDelimited": " ", "pipeDelimited": "|", "tabDelimited": "\t"}
"""What stands between parts, other than a comma; tabs, and the others beyond a query, are Swagger 2.0's alone."""

_ENCODED = {"spaceDelimited": r"%20|\+| ", "pipeDelimited": r"\||%7[Cc]", "tabDelimited": r"%09|\t"}


def _joined(parameter: Styled, shape: TextShape, texts: Sequence[str], *, plus: bool) -> Iterator[Raw]:
    """Yield the readings of lists and objects whose parts stand in one text, split before decoding and after."""
    pattern = _ENCODED.get(parameter.style, ",")
    raw = [part for text in texts for part in re.split(pattern, text)]
    parts = [decoded(part, plus=plus) for part in raw]
    yield from _composed(shape, parts)
    if pattern == "," and any("%2c" in text.lower() for text in texts):
        yield from _composed(shape, [part for text in texts for part in decoded(text, plus=plus).split(",")])


def _composed(shape: TextShape, parts: list[str], *, equals: bool = False) -> Iterator[Raw]:
    """Yield what parts of a text make: a list, an object of names and texts in turn, or of name=text."""
    if shape.takes("array"):
        yield list(parts)
        if parts == [""]:
            yield []
    if shape.takes("object"):
        if equals:
            if all("=" in part for part in parts):
                yield {name: text for name, _, text in (part.partition("=") for part in parts)}
        elif len(parts) % 2 == 0:
            yield dict(zip(parts[::2], parts[1::2], strict=True))


def _takes_scalar(shape: TextShape) -> bool:
    return bool(shape.kinds - {"array", "object", "null"}) or not shape.kinds


def _spread(shape: TextShape, sent: Pairs, others: frozenset[str], *, plus: bool) -> dict[str, Raw] | None:
    """Return an object whose fields stand in the query as parameters of their own; None if none of them does."""
    found: dict[str, Raw] = {}
    for key, text in sent:
        if key in others or not (key in shape.fields or shape.is_open):
            continue
        value = decoded(text, plus=plus)
        field = shape.field(key)
        if field.takes("array"):
            found.setdefault(key, []).append(value)
        else:
            found[key] = value
    return found or None


_INDEX = re.compile(r"[0-9]{0,9}")
_KEYS = re.compile(r"\[([^\[\]]*)\]")


def deep_readings(name: str, shape: TextShape, sent: Pairs, *, plus: bool = True) -> list[Raw] | None:
    """Read an object whose fields are written as name[field], name[field][inner] or name[list][]."""
    tree: dict[str, Raw] = {}
    is_there = False
    for key, text in sent:
        head, bracket, rest = key.partition("[")
        if head != name or (not bracket and key != name):
            continue
        is_there = True
        keys = _KEYS.findall(bracket + rest)
        if "".join(f"[{each}]" for each in keys) != bracket + rest or not 0 < len(keys) <= MOST_KEYS:
            return []
        node = tree
        for each in keys[:-1]:
            below = node.setdefault(each, {})
            if not isinstance(below, dict):
                return []
            node = below
        held = node.setdefault(keys[-1], [])
        if not isinstance(held, list):
            return []
        held.append(decoded(text, plus=plus))
    return [_grown(tree, shape)] if is_there else None


def _grown(node: Raw, shape: TextShape) -> Raw:
    """Return a branch of a nested object as its shape has it: a list, an object, or the last text."""
    if isinstance(node, list):
        return node if shape.takes("array") else node[-1]
    if shape.takes("array") and all(_INDEX.fullmatch(key) for key in node):
        ordered = sorted(node, key=lambda key: int(key or 0))
        parts = [each for key in ordered for each in (node[key] if isinstance(node[key], list) else [node[key]])]
        return [_grown([part] if isinstance(part, str) else part, shape.item(at)) for at, part in enumerate(parts)]
    return {key: _grown(each, shape.field(key)) for key, each in node.items()}


# -- path, header, cookie


def path_readings(parameter: Styled, shape: TextShape, text: str, encoded: str) -> list[Raw]:
    """Read a parameter of a path, split before it is decoded, and after: clients encode parts or the whole."""
    found = _path_readings(parameter, shape, text)
    if encoded == text:
        return found
    return [*map(_decoded_parts, _path_readings(parameter, shape, encoded)), *found]


def _decoded_parts(raw: Raw) -> Raw:
    """Decode what was split: a text, or the texts of a list or an object."""
    if isinstance(raw, dict):
        return {decoded(name, plus=False): decoded(text, plus=False) for name, text in raw.items()}
    return [decoded(text, plus=False) for text in raw] if isinstance(raw, list) else decoded(raw, plus=False)


def _path_readings(parameter: Styled, shape: TextShape, text: str) -> list[Raw]:
    """Read a text in a style of paths: simple, label or matrix."""
    if parameter.style == "label":
        return list(_label(parameter, shape, text)) if text.startswith(".") else []
    if parameter.style == "matrix":
        return list(_matrix(parameter, shape, text)) if text.startswith(";") else []
    return simple_readings(parameter, shape, [text]) or []


def simple_readings(parameter: Styled, shape: TextShape, texts: Sequence[str]) -> list[Raw] | None:
    """Read a text in the style "simple": parts with commas between them, or with another sign."""
    if not texts:
        return None
    if not (shape.takes("array") or shape.takes("object")):
        return [texts[0].strip()]
    sign = _ENCODED.get(parameter.style, ",")
    parts = [part.strip() for text in texts for part in re.split(sign, text)]
    readings = list(_composed(shape, parts, equals=parameter.explode))
    return [*readings, texts[0]] if _takes_scalar(shape) else readings


def _label(parameter: Styled, shape: TextShape, text: str) -> Iterator[Raw]:
    """Yield the readings of .a.b, .a,b and .k=v.l=w."""
    inner = text[1:]
    by_comma = not parameter.explode and "," in inner
    yield from _composed(shape, inner.split("," if by_comma else "."), equals=parameter.explode)
    if _takes_scalar(shape):
        yield inner


def _matrix(parameter: Styled, shape: TextShape, text: str) -> Iterator[Raw]:
    """Yield the readings of ;name=a,b, of ;name=a;name=b and of ;k=v;l=w."""
    parts = text[1:].split(";")
    if parameter.explode and shape.takes("object"):
        yield from _composed(shape, parts, equals=True)
    named = [value for key, _, value in (part.partition("=") for part in parts) if key == parameter.name]
    if len(named) != len(parts):
        return
    if parameter.explode:
        if shape.takes("array"):
            yield named
    elif len(named) == 1:
        yield from _composed(shape, named[0].split(","))
    if _takes_scalar(shape) and len(named) == 1:
        yield named[0]


def cookie_readings(parameter: Styled, shape: TextShape, sent: Pairs) -> list[Raw] | None:
    """Read a cookie; in the style "cookie" nothing is percent-encoded."""
    if parameter.style == "cookie":
        sent = [(name, text.replace("%", "%25")) for name, text in sent]
    found = form_readings(parameter, shape, sent, frozenset(), plus=False)
    alone = parameter.explode and found and shape.takes("array") and isinstance(found[0], list) and len(found[0]) == 1
    return [*found, *_composed(shape, found[0][0].split(","))] if found and alone else found
