"""Reads YAML by the core schema of YAML 1.2, as data of JSON, from the events of libyaml where it is there."""

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from mockserver.messages import Json

MOST_ADDED = 8 * 2**20
"""How many characters of JSON the aliases and merges of a document may add to it."""

REPEATED = "has a key twice"
BROKEN = "contains what JSON cannot express"
"""What is said of a document with a value that is no value of JSON."""

LONGEST_NUMBER = 4300
"""How many digits a number may have: as many as Python reads."""

_TAG = "tag:yaml.org,2002:"
_MERGING = object()
"""Stands for the key `<<`, whose value is merged."""
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_ODD = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, Json] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_TAGGED: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,), "null": (type(None),)}


class RefusedError(Exception):
    """Why a text is not read: what is said of the document, why, and the offset in the text."""

    def __init__(self, what: str, why: str = "", offset: int | None = None, fix: str = "") -> None:
        super().__init__(what)
        self.what, self.why, self.offset, self.fix = what, why, offset, fix


class Token(NamedTuple):
    """A part of a text: `{`, `}`, `[`, `]`, a text, a plain word, or an alias; and where it begins."""

    kind: str
    text: str
    offset: int
    anchor: str = ""


class _Open:
    """A mapping or list that is being read."""

    __slots__ = ("anchor", "data", "height", "key", "merges", "size")

    def __init__(self, data: Json, anchor: str | None, size: int) -> None:
        self.data, self.anchor, self.size = data, anchor, size
        self.key: Any = None if type(data) is dict else 0
        """The key of the next value; None where a key comes."""
        self.merges: list[Json] | None = None
        self.height = 1


class _Anchored(NamedTuple):
    """What an alias stands for: its value, its text if it is one, how much JSON it is, and how deep."""

    value: Json
    text: str | None
    size: int
    height: int


def read_yaml(text: str, deepest: int) -> Json:
    """Return the data of a text; a RefusedError says what cannot be read, and where."""
    return _YamlReader(deepest).read(text)


def too_deep(deepest: int, offset: int | None) -> RefusedError:
    """Return the refusal of a text that is nested too deeply."""
    return RefusedError(f"is nested deeper than {deepest} levels", "one more begins here", offset, "make it flatter")


def yaml_steps(text: str) -> Iterator[Token]:
    """Yield the parts of a text that is known to be right."""
    from yaml import events

    kinds: dict[type, str] = {
        events.MappingStartEvent: "{",
        events.MappingEndEvent: "}",
        events.SequenceStartEvent: "[",
        events.SequenceEndEvent: "]",
    }
    event: Any
    for event in _events(text):
        kind = type(event)
        if kind is events.ScalarEvent:
            yield Token("text", event.value, event.start_mark.index, event.anchor or "")
        elif kind is events.AliasEvent:
            yield Token("alias", event.anchor, event.start_mark.index)
        elif kind in kinds:
            yield Token(kinds[kind], "", event.start_mark.index, getattr(event, "anchor", None) or "")


def _events(text: str) -> Iterator[Any]:
    """Yield the events of a text; a RefusedError tells what the parser stumbles over."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        yield from yaml.parse(text, loader)
    except yaml.reader.ReaderError as error:
        why = f"{error.reason}: #x{_code_of(error.character):04x}"
        raise RefusedError("is not YAML", why, error.position, "take it out") from error
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark or error.context_mark
        why = ", ".join(each for each in (error.context, error.problem) if each)
        tab = mark is not None and text[mark.index : mark.index + 1] == "\t"
        fix = "indent by spaces, not by tabs" if tab else "see what stands there and in the line above"
        raise RefusedError("is not YAML", why, mark and mark.index, fix) from error
    except yaml.YAMLError as error:
        raise RefusedError("is not YAML", str(error)) from error


def _code_of(character: Any) -> int:
    """Return the code of a character that libyaml or PyYAML names."""
    return character if isinstance(character, int) else ord(character[:1])


class _YamlReader:
    """Makes data of events, without recursion."""

    def __init__(self, deepest: int) -> None:
        self.deepest = deepest
        self.stack: list[_Open] = []
        self.anchors: dict[str, _Anchored] = {}
        self.words = dict(_WORDS)
        """The values of the plain words that were met."""
        self.size, self.added = 0, 0
        """How many characters of JSON were made, and how many of them by aliases."""
        self.root: Json = None

    def read(self, text: str) -> Json:
        """Return the data of a text."""
        from yaml.events import (
            AliasEvent,
            DocumentStartEvent,
            MappingEndEvent,
            MappingStartEvent,
            ScalarEvent,
            SequenceEndEvent,
            SequenceStartEvent,
        )

        documents = 0
        for event in _events(text):
            kind = type(event)
            if kind is ScalarEvent:
                self.scalar(event)
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                self.open(event, {} if kind is MappingStartEvent else [])
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                self.close()
            elif kind is AliasEvent:
                self.alias(event)
            elif kind is DocumentStartEvent:
                documents += 1
                if documents > 1:
                    why, fix = "a second one begins here, after ---", "put each into a file of its own"
                    raise RefusedError("holds several documents", why, event.start_mark.index, fix)
        return self.root

    def scalar(self, event: Any) -> None:
        """Take a key or a value."""
        text, top = event.value, self.stack[-1] if self.stack else None
        self.size += len(text) + 3
        if event.anchor:
            self.anchors[event.anchor] = _Anchored(self.value(event), text, len(text) + 3, 0)
        if top is not None and top.key is None:
            self.key(top, text, event)
        else:
            self.put(top, self.value(event), event)

    def key(self, top: _Open, text: str, event: Any) -> None:
        """Take a key, by its own spelling; `<<` merges, unless it is quoted or an alias."""
        is_merge = text == "<<" and getattr(event, "implicit", (False,))[0]
        if top.merges is not None if is_merge else text in top.data:
            raise RefusedError(REPEATED)
        top.key = _MERGING if is_merge else text

    def put(self, top: _Open | None, value: Json, event: Any) -> None:
        """Put a value where it belongs."""
        if top is None:
            self.root = value
        elif type(top.data) is list:
            top.data.append(value)
        elif top.key is _MERGING:
            top.merges = self.merged(value, event)
            top.key = None
        else:
            top.data[top.key] = value
            top.key = None

    def merged(self, value: Json, event: Any) -> list[Json]:
        found = value if isinstance(value, list) else [value]
        if not found or not all(isinstance(each, dict) for each in found):
            offset = None if event is None else event.start_mark.index
            raise RefusedError(
                "is not YAML", "<< merges a mapping, or a list of them", offset, 'or write "<<" as a key'
            )
        return found

    def open(self, event: Any, data: Json) -> None:
        """Begin a mapping or a list."""
        if self.stack and self.stack[-1].key is None:
            raise _odd_key(event)
        if event.tag not in (None, "!", f"{_TAG}map" if type(data) is dict else f"{_TAG}seq"):
            raise _odd_tag(event)
        if len(self.stack) >= self.deepest:
            raise too_deep(self.deepest, event.start_mark.index)
        self.stack.append(_Open(data, event.anchor, self.size))
        self.size += 3

    def close(self) -> None:
        """End a mapping or a list, and put it where it belongs."""
        done = self.stack.pop()
        data = done.data
        if done.merges:
            data = {}
            for each in reversed(done.merges):
                data.update(each)
            data.update(done.data)
        if done.anchor:
            self.anchors[done.anchor] = _Anchored(data, None, self.size - done.size, done.height)
        top = self.stack[-1] if self.stack else None
        if top is not None:
            top.height = max(top.height, done.height + 1)
        self.put(top, data, None)

    def alias(self, event: Any) -> None:
        """Put what an alias stands for where it belongs, unless the document would grow too large or too deep."""
        offset = event.start_mark.index
        found = self.anchors.get(event.anchor)
        if any(each.anchor == event.anchor for each in self.stack):
            why = f"*{event.anchor} stands within what it names"
            raise RefusedError(BROKEN, why, offset, "use $ref for what refers to itself")
        if found is None:
            raise RefusedError("is not YAML", f"*{event.anchor} names nothing", offset, f"write &{event.anchor} before")
        self.size += found.size
        self.added += found.size
        if self.added > MOST_ADDED:
            why = f"its aliases would add more than {MOST_ADDED:,} characters to it"
            raise RefusedError("is too large", why, offset, "use $ref for what stands in many places")
        if len(self.stack) + found.height > self.deepest:
            raise too_deep(self.deepest, offset)
        top = self.stack[-1] if self.stack else None
        if top is not None and top.key is None:
            if found.text is None:
                raise _odd_key(event)
            self.key(top, found.text, event)
            return
        if top is not None:
            top.height = max(top.height, found.height + 1)
        self.put(top, found.value, event)

    def value(self, event: Any) -> Json:
        """Return the value of a scalar, by its tag or its form."""
        tag, text = event.tag, event.value
        if tag is None:
            return self.plain(event) if event.implicit[0] else text
        if tag in ("!", f"{_TAG}str"):
            return text
        kind = tag.removeprefix(_TAG)
        if kind not in _TAGGED:
            raise _odd_tag(event)
        value = self.plain(event)
        if type(value) not in _TAGGED[kind]:
            raise RefusedError("is not YAML", f"{text[:40]!r} is no {kind}", event.start_mark.index, "correct the tag")
        return float(value) if kind == "float" else value

    def plain(self, event: Any) -> Json:
        """Return what a plain word means in YAML 1.2's core schema: most mean themselves."""
        text = event.value
        if text in self.words:
            return self.words[text]
        value: Json = text
        if _INT.fullmatch(text) or _BASED.fullmatch(text):
            if len(text) > LONGEST_NUMBER:
                why = f"a number has {len(text):,} digits"
                raise RefusedError(BROKEN, why, event.start_mark.index, "shorten it, or write it in quotes")
            base = {"o": 8, "x": 16}.get(text[1:2], 10)
            value = int(text if base == 10 else text[2:], base)
        elif _FLOAT.fullmatch(text) or _ODD.fullmatch(text):
            value = math.inf if _ODD.fullmatch(text) else float(text)
            if math.isinf(value):
                why = f"{text[:40]} is no number of JSON"
                raise RefusedError(BROKEN, why, event.start_mark.index, "write a number, or a text in quotes")
        self.words[text] = value
        return value


def _odd_key(event: Any) -> RefusedError:
    why = "a mapping or a list is a key"
    return RefusedError("has a key that is no text", why, event.start_mark.index, "write it in quotes, if it is a text")


def _odd_tag(event: Any) -> RefusedError:
    why = f"the tag {event.tag} means nothing in JSON"
    return RefusedError(BROKEN, why, event.start_mark.index, "leave it out")
