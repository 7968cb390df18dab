"""Templates in canned answers: jinja2's sandbox, compiled once, bounded in all that they read, build and write."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from functools import lru_cache
from math import isfinite
from random import Random
from typing import Any, TypeAlias

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, UndefinedError, nodes, pass_context
from jinja2 import Template as CompiledTemplate
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS as OF_JINJA2
from jinja2.meta import find_undeclared_variables
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS
from jinja2.utils import missing
from jinja2.visitor import NodeTransformer

from mockserver.answer.filling import Filling
from mockserver.answer.making.words import faked, uuid
from mockserver.clock import timestamp_of
from mockserver.contract.tree import join
from mockserver.errors import FixtureError, reason, suggestion
from mockserver.messages import Json

MOST_WORK = 16 * 2**20
"""How many bytes a template may read, build and write for one answer; an item, and a part of a step, counts as 8."""

_WORK = "_work"
"""The name under which a template's context has its Allowance; no template can read it."""

_MARKS = ("{{", "{%", "{#")

Filler: TypeAlias = "Callable[[Mapping[str, Any]], Json]"
"""Fills in a part of an answer from the values of a call."""


class NotAllowedError(Exception):
    """A template does what none may; its text says what."""


class Allowance:
    """Counts the bytes that a template reads, builds and writes."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MOST_WORK

    def spend(self, size: int) -> None:
        """Count some bytes; a NotAllowedError where they are too many."""
        self.left -= size
        if self.left < 0:
            raise NotAllowedError(f"it reads, builds or writes more than {MOST_WORK:,} bytes")

    def write(self, text: str) -> str:
        """Count a text and return it."""
        self.spend(8 + len(text) * (1 if text.isascii() else 4))
        return text

    def take(self, value: Any) -> Any:
        """Count a value with all that is in it, and return it; what yields its items becomes a list."""
        if isinstance(value, _YIELDING):
            value = self._listed(value)
        waiting = [value]
        while waiting:
            each = waiting.pop()
            if isinstance(each, str):
                self.write(each)
            elif isinstance(each, dict):
                self.spend(8 + 16 * len(each))
                waiting += each
                waiting += each.values()
            elif isinstance(each, list | tuple):
                self.spend(8 + 8 * len(each))
                waiting += each
            else:
                self.spend(8 + (each.bit_length() // 8 if isinstance(each, int) else 0))
        return value

    def steps(self, value: Any, cost: int) -> list[Any]:
        """Return the items that a loop goes through, each of whose steps costs something."""
        size = 8 + 8 * cost
        if isinstance(value, str | dict | list | tuple):
            self.spend(size * len(value))
            return list(value)
        return self._listed(value, size)

    def _listed(self, value: Any, size: int = 8) -> list[Any]:
        found = []
        for each in value:
            self.spend(size)
            found.append(each)
        return found


_YIELDING: tuple[type, ...] = (Iterator, type({}.keys()), type({}.values()), type({}.items()))
"""What yields its items, and may be read only once."""


# -- what a template may name


class Moment:
    """A time: `now`, whose text is RFC 3339's."""

    def __init__(self, at: int) -> None:
        self._at = at

    def __str__(self) -> str:
        return f"{timestamp_of(self._at)}Z"

    @property
    def date(self) -> str:
        """Return the day: 2026-04-22."""
        return str(self)[:10]

    @property
    def unix(self) -> int:
        """Return the seconds since 1970."""
        return self._at // 1_000_000_000

    @property
    def unix_ms(self) -> int:
        """Return the milliseconds since 1970."""
        return self._at // 1_000_000

    def plus(self, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> "Moment":
        """Return a later time, or with negative numbers an earlier one."""
        later = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        return Moment(self._at + later // timedelta(microseconds=1) * 1000)


class Chance:
    """What `random` offers: the mock's own random source."""

    def __init__(self, source: Callable[[], Random]) -> None:
        self._source = source

    def random(self) -> float:
        """Return a number from 0 to 1."""
        return self._source().random()

    def randint(self, low: int, high: int) -> int:
        """Return an integer from `low` to `high`, both included."""
        return self._source().randint(low, high)

    def uniform(self, low: float, high: float) -> float:
        """Return a number from `low` to `high`."""
        return self._source().uniform(low, high)

    def choice(self, values: list[Any]) -> Any:
        """Return one of some values."""
        return self._source().choice(values)

    def uuid(self) -> str:
        """Return a UUID of version 4."""
        return uuid(self._source())


class Words:
    """What `faker` offers: a value of each of Faker's providers."""

    def __init__(self, source: Callable[[], Random], locale: str) -> None:
        self._source, self._locale = source, locale

    def word(self, name: str) -> Json:
        """Return a value of a provider."""
        values = faked(name, self._locale)
        if not values:
            raise NotAllowedError(f"Faker has no provider {name[:80]!r} that gives a single value")
        return self._source().choice(values)


class SentHeaders(dict[str, str]):
    """The header fields of a request; names are found in any case."""

    def __missing__(self, name: str) -> str:
        lower = name.lower()
        if lower in self:
            return self[lower]
        raise KeyError(name)


VALUES: Mapping[str, Callable[[Filling], Any]] = {
    "path": lambda filling: dict(filling.call.path),
    "query": lambda filling: dict(filling.call.query),
    "body": lambda filling: filling.call.body,
    "headers": lambda filling: SentHeaders(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in reversed(filling.call.request.headers.raw)
    ),
    "record": lambda filling: missing if (found := filling.record()) is None else found,
    "now": lambda filling: Moment(filling.at),
    "random": lambda filling: Chance(filling.chance),
    "faker": lambda filling: Words(filling.chance, filling.locale),
}
"""What a template may name; each is made only for templates that name it."""

_OPEN: tuple[tuple[type, frozenset[str]], ...] = (
    (str, frozenset("lower upper title capitalize strip lstrip rstrip split startswith endswith".split())),
    (dict, frozenset("items keys values get".split())),
    (Moment, frozenset("date unix unix_ms plus".split())),
    (Chance, frozenset("random randint uniform choice uuid".split())),
    (LoopContext, frozenset("index index0 revindex revindex0 first last length cycle previtem nextitem".split())),
)
"""The attributes that a template may read. None of them builds more than it is given."""


# -- filters and tests


def _plain(value: Any) -> Json:
    """Return a value of a template as JSON."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float) and isfinite(value):
        return value
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise NotAllowedError("an object has a name that is no text")
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, Moment | Undefined):  # the text of an undefined value is an error that says so
        return str(value)
    if isinstance(value, Iterable):
        return [_plain(each) for each in value]
    raise NotAllowedError("its value is no JSON value")


def _text(work: Allowance, value: Any) -> str:
    """Write a value into a text: a text as it is, all else as JSON."""
    plain = value if isinstance(value, str) else _plain(work.take(value))
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


@pass_context
def _written(context: Context, value: Any) -> str:
    return _text(context[_WORK], value)


@pass_context
def _as_json(context: Context, value: Any) -> str:
    return json.dumps(_plain(context[_WORK].take(value)), ensure_ascii=False)


@pass_context
def _counted(context: Context, value: Any) -> Any:
    return context[_WORK].take(value)


@pass_context
def _steps(context: Context, value: Any, cost: int) -> list[Any]:
    found: list[Any] = context[_WORK].steps(value, cost)
    return found


@pass_context
def _joined(context: Context, values: Any, separator: str = "") -> str:
    work = context[_WORK]
    texts = [_text(work, each) for each in work.take(values)]
    work.spend(len(separator) * len(texts))
    return separator.join(texts)


@pass_context
def _replaced(context: Context, value: Any, old: str, new: str) -> str:
    text = _text(context[_WORK], value)
    context[_WORK].spend(text.count(old) * len(new))
    return text.replace(old, new)


def _rounded(value: float, digits: int = 0) -> float:
    return round(float(value), digits)


@pass_context
def _range(context: Context, *bounds: int) -> list[int]:
    if any(abs(bound) > MOST_WORK for bound in bounds):
        context[_WORK].spend(MOST_WORK + 1)
    found = range(*bounds)
    context[_WORK].spend(8 * len(found))
    return list(found)


@pass_context
def _is_in(context: Context, value: Any, values: Any) -> bool:
    return value in context[_WORK].take(values)


FILTERS: Mapping[str, Any] = {
    **{
        name: OF_JINJA2[name]
        for name in "abs capitalize count d default first float int items last length list lower map max min reject "
        "rejectattr reverse select selectattr sort title trim truncate unique upper urlencode".split()
    },
    "join": _joined,
    "replace": _replaced,
    "round": _rounded,
    "string": _written,
    "sum": sum,
    "tojson": _as_json,
    "_counted": _counted,
    "_steps": _steps,
}
"""The filters that a template may use. None builds more than a few times what it is given, without counting it."""

_TESTS: Mapping[str, Any] = {
    **{
        name: TESTS[name]
        for name in "boolean defined divisibleby eq equalto even false float ge gt integer iterable le lower lt "
        "mapping ne none number odd sequence string true undefined upper == != < <= > >=".split()
    },
    "in": _is_in,
}


# -- the sandbox


class Absent(StrictUndefined):
    """What a template names and the call has not: an error, unless it is asked for it or has a default."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        name = self._undefined_name
        if self._undefined_obj is missing and name == "record":
            return "no item is kept under the path of the request"
        return f"there is no {name[:80]!r}" if isinstance(name, str) else "there is no such item"


class Sandbox(ImmutableSandboxedEnvironment):
    """Runs templates: they read what is open to them, and all that they build is counted."""

    intercepted_binops = frozenset(ImmutableSandboxedEnvironment.default_binop_table)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return `obj.attribute`: a field of a JSON object first, whatever the methods of objects in Python are."""
        if isinstance(obj, Undefined):
            return obj
        if isinstance(obj, dict) and attribute in obj:
            return obj[attribute]
        if isinstance(obj, Words):
            return obj.word(attribute)
        if any(attribute in names for kind, names in _OPEN if isinstance(obj, kind)):
            return super().getattr(obj, attribute)
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return `obj[argument]`."""
        if isinstance(obj, Undefined):
            return obj
        if isinstance(obj, dict | list | tuple | str):
            try:
                return obj[argument]
            except (TypeError, LookupError):
                pass
        return self.undefined(obj=obj, name=argument)

    def is_safe_callable(self, obj: Any) -> bool:
        """Return whether a template may call a value: what it can name, it may."""
        return callable(obj)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Return the result of an operator, counted before it is built."""
        work = context[_WORK]
        if operator == "*":
            work.spend(_size_of_product(left, right))
        elif operator == "**" and isinstance(left, int) and isinstance(right, int):
            work.spend(left.bit_length() * abs(right) // 8)
        elif operator == "%" and isinstance(left, str):
            raise NotAllowedError("% is for numbers; ~ joins texts")
        return work.take(super().call_binop(context, operator, left, right))


def _size_of_product(left: Any, right: Any) -> int:
    if isinstance(right, int) and isinstance(left, str | list | tuple):
        return 8 * len(left) * max(right, 0)
    if isinstance(left, int) and isinstance(right, str | list | tuple):
        return 8 * len(right) * max(left, 0)
    return 0


@lru_cache(maxsize=1)
def _sandbox() -> Sandbox:
    """Return the one sandbox; it computes nothing when it compiles, since that would not be counted."""
    found = Sandbox(undefined=Absent, finalize=_written, optimized=False, keep_trailing_newline=True, cache_size=0)
    found.filters, found.tests, found.globals = dict(FILTERS), dict(_TESTS), {"range": _range}
    return found


# -- compiling

_ALLOWED = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Assign, nodes.Name, nodes.Const),
    *(nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.Getattr, nodes.Getitem, nodes.Slice),
    *(nodes.Filter, nodes.Test, nodes.Call, nodes.CondExpr, nodes.BinExpr, nodes.UnaryExpr, nodes.Compare),
    *(nodes.Operand, nodes.Concat),
)
"""What a template consists of: values, `if`, `for` and `set`."""


class _Counting(NodeTransformer):
    """Puts counting around all that a template reads and builds."""

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        """Return a node whose parts, and whose value, are counted."""
        self.generic_visit(node, *args, **kwargs)
        if isinstance(node, nodes.Filter | nodes.Test):
            node.node = None if node.node is None else _counted_by(node.node)
        elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr | nodes.Getitem):
            node.node.node = _counted_by(node.node.node)
        elif isinstance(node, nodes.Compare):
            node.expr = _counted_by(node.expr)
            for operand in node.ops:
                operand.expr = _counted_by(operand.expr)
        elif isinstance(node, nodes.For):
            cost = nodes.Const(sum(1 for _ in node.find_all(nodes.Node)), lineno=node.lineno)
            node.iter = _filtered(node.iter, "_steps", cost)
        elif isinstance(node, nodes.Concat):
            return _filtered(nodes.List(node.nodes, lineno=node.lineno), "join")
        is_built = isinstance(node, nodes.Filter | nodes.Call | nodes.List | nodes.Dict) or (
            isinstance(node, nodes.Tuple) and node.ctx == "load"
        )
        if is_built or (isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice)):
            return _counted_by(node)
        return node


def _counted_by(node: nodes.Node) -> nodes.Filter:
    return _filtered(node, "_counted")


def _filtered(node: nodes.Node, name: str, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)


class _Leaf:
    """A text of an answer that is a template."""

    def __init__(self, text: str, where: str) -> None:
        self._text, self._where = text, where
        try:
            tree = _sandbox().parse(text)
            self.names = self._checked(tree)
            value = _value_of(tree)
            self._is_value = value is not None
            if value is not None:
                tree.body = [nodes.Assign(nodes.Name("value", "store", lineno=1), value, lineno=1)]
            _Counting().visit(tree)
            tree.set_environment(_sandbox())
            code = _sandbox().compile(tree)
            self._template = CompiledTemplate.from_code(_sandbox(), code, _sandbox().make_globals(None))
        except TemplateSyntaxError as error:
            why = f"{error.message or ''}".removesuffix(".")
            raise self._error(f"{why}, in line {error.lineno} of the text", "correct the template") from error
        except (SyntaxError, RecursionError, MemoryError) as error:  # of Python, which compiles what jinja2 makes of it
            raise self._error("it is nested too deeply", "make it simpler") from error

    def fill(self, values: Mapping[str, Any]) -> Json:
        """Return the value of an expression that stands alone, else the text."""
        work = values[_WORK]
        try:
            context = self._template.new_context(dict(values))
            pieces = [work.write(piece) for piece in self._template.root_render_func(context)]
            return _plain(work.take(context.vars["value"])) if self._is_value else "".join(pieces)
        except Exception as error:  # whatever a template does
            fix = "correct the template, or ask for what it needs"
            if isinstance(error, UndefinedError):
                fix = "write {{ ... | default(VALUE) }} for what may be missing"
            raise self._error(_why(error), fix) from error

    def _checked(self, tree: nodes.Template) -> set[str]:
        """Return the names that a template asks for; a FixtureError where it may not have something."""
        for node in tree.find_all(nodes.Node):
            is_recursive = isinstance(node, nodes.For) and node.recursive
            if not isinstance(node, _ALLOWED) or is_recursive:
                kind = "recursive" if is_recursive else type(node).__name__.lower()
                raise self._error(f"a template has no {kind} here", "use values, if, for and set")
        names = find_undeclared_variables(tree) - {"range"}
        for name in sorted(names - VALUES.keys()):
            fix = suggestion(name, VALUES, f"there are {', '.join(VALUES)}")
            raise self._error(f"there is nothing called {name!r}", fix)
        return names

    def _error(self, why: str, fix: str) -> FixtureError:
        shown = self._text if len(self._text) <= 80 else f"{self._text[:77]}..."
        return FixtureError(f"the template {shown!r} fails", where=self._where, why=why, fix=fix)


def _value_of(tree: nodes.Template) -> nodes.Expr | None:
    """Return the expression of a template that is one, with nothing around it."""
    output = tree.body[0] if len(tree.body) == 1 else None
    parts = output.nodes if isinstance(output, nodes.Output) else []
    return parts[0] if len(parts) == 1 and not isinstance(parts[0], nodes.TemplateData) else None


def _why(error: Exception) -> str:
    """Return why a template failed, without the names of Python's classes."""
    texts: tuple[tuple[type[Exception], str], ...] = (
        (SecurityError, "what is called is no function: write it without ( )"),
        (TypeError, "an operation does not fit the kinds of its values"),
        (OverflowError, "a number is too large"),
    )
    return next((text for kind, text in texts if isinstance(error, kind)), reason(error))


def compile_body(body: Json, file: str) -> Callable[[Filling], Json]:
    """Compile the texts of an answer that are templates; keys are none. A FixtureError says what is wrong with one."""
    names: set[str] = set()
    part = _part(body, file, "/body", names)

    def fill(filling: Filling) -> Json:
        values = {name: value for name in names if (value := VALUES[name](filling)) is not missing}
        return part({**values, _WORK: Allowance()})

    return fill


def _part(value: Json, file: str, pointer: str, names: set[str]) -> Filler:
    if isinstance(value, str) and any(mark in value for mark in _MARKS):
        leaf = _Leaf(value, f"{file}#{pointer}")
        names |= leaf.names
        return leaf.fill
    if isinstance(value, list):
        items = [_part(each, file, join(pointer, str(index)), names) for index, each in enumerate(value)]
        return lambda values: [item(values) for item in items]
    if isinstance(value, dict):
        fields = {name: _part(each, file, join(pointer, name), names) for name, each in value.items()}
        return lambda values: {name: field(values) for name, field in fields.items()}
    return lambda _: value
