"""Own behaviour in Python: functions that play operations, with what is kept at hand."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from inspect import isasyncgenfunction, iscoroutinefunction
from pathlib import Path
from runpy import run_path
from traceback import extract_tb
from typing import Any, TypeAlias, TypeVar

from msgspec import structs

from mockserver.api import Call, Draft, Play
from mockserver.contract.openapi import Operation
from mockserver.errors import StubError, UsageError, suggestion
from mockserver.messages import Finding
from mockserver.store.base import Store
from mockserver.store.records import Records
from mockserver.stub.response import StubAnswer, name_of, read_response, why_not, with_body
from mockserver.stub.rules import fields_of

PlayFunction: TypeAlias = Callable[[Call, Records], Any]
"""Plays a valid call with the records of its scope; returns the body of the answer, or a `StubAnswer`."""

F = TypeVar("F", bound=PlayFunction)

_MARK = "mockserver_operations"


def play(operation: str) -> Callable[[F], F]:
    """Mark a function in a file for `--play` as the one that plays an operation: by its id, or as `POST /path`."""

    def mark(function: F) -> F:
        function.__dict__[_MARK] = (*function.__dict__.get(_MARK, ()), operation)
        return function

    return mark


class PlayFunctions:
    """The functions that play operations: those of a file, and those that a test has set."""

    def __init__(self, store: Store, file: Path | None) -> None:
        self._store, self._file = store, file
        self._set: dict[str, PlayFunction] = {}

    def set(self, operations: tuple[Operation, ...], name: str, function: PlayFunction) -> None:
        """Let a function play an operation; a UsageError says why it cannot."""
        check(function)
        named(operations, name)
        self._set[name] = function

    def clear(self) -> bool:
        """Forget the functions that a test has set; return whether there were any."""
        had = bool(self._set)
        self._set.clear()
        return had

    def plays(self, operations: tuple[Operation, ...]) -> Mapping[Operation, Play]:
        """Return what plays the operations that have a function; the file is read anew."""
        functions = {**({} if self._file is None else dict(read_functions(self._file))), **self._set}
        return {
            operation: partial(_played, function, self._store)
            for name, function in functions.items()
            for operation in named(operations, name)
        }


class Layered(Mapping[Operation, Play]):
    """What plays operations, from two sources: the first one wins, and the second one is not asked without need."""

    def __init__(self, first: Mapping[Operation, Play], second: Mapping[Operation, Play]) -> None:
        self._first, self._second = first, second

    def __getitem__(self, operation: Operation) -> Play:
        return self._first[operation] if operation in self._first else self._second[operation]

    def __iter__(self) -> Iterator[Operation]:
        return iter({**self._second, **self._first})

    def __len__(self) -> int:
        return len(self._first.keys() | self._second.keys())


def named(operations: tuple[Operation, ...], name: str) -> list[Operation]:
    """Return the operations that a name means; a UsageError suggests another name if there are none."""
    id = fields_of(operations).id_of(name)
    found = [each for each in operations if each.id == id]
    if not found:
        fix = suggestion(name, [each.id for each in operations], "name one by its id, or as POST /path")
        raise UsageError(f"there is no operation {name!r} to play", where="play", fix=fix)
    return found


def check(function: Any) -> None:
    """Reject what cannot play an operation."""
    if not callable(function) or iscoroutinefunction(function) or isasyncgenfunction(function):
        why = "it is async" if callable(function) else f"it is {function!r}"
        raise UsageError("what plays an operation is a function that answers at once", why=why, fix="write it with def")


def read_functions(file: Path) -> Iterator[tuple[str, PlayFunction]]:
    """Run a file, and yield its marked functions by operation; a UsageError says where it fails."""
    if not file.is_file():
        fix = "name a file in Python whose functions are marked with @play(...)"
        raise UsageError("the file of --play cannot be read", where=str(file), why="there is no such file", fix=fix)
    try:
        names = run_path(str(file))
    except (Exception, SystemExit) as error:  # whatever a user's code does
        lines = [each.lineno for each in extract_tb(error.__traceback__) if each.filename == str(file)]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        where = str(file) if line is None else f"{file}:{line}"
        raise UsageError("the file of --play fails", where=where, why=f"{type(error).__name__}: {error}") from error
    for each in names.values():
        for name in getattr(each, "__dict__", {}).get(_MARK, ()):
            check(each)
            yield name, each


def _played(function: PlayFunction, store: Store, call: Call) -> Draft:
    """Return the answer of a function; what it does wrong is a 500 that says so."""
    name, operation = name_of(function), call.operation
    try:
        value = function(call, Records(store, call.request.scope))
    except Exception as error:  # a user's own function
        lines = extract_tb(error.__traceback__)
        return _failed(call, f"{name} raised {type(error).__name__}: {error} (line {lines[-1].lineno})")
    try:
        step = read_response(dict(value) if isinstance(value, StubAnswer) else {"body": value})
        draft = structs.replace(with_body(operation, step), source="simulated")
    except StubError as error:
        return _failed(call, f"{name} returned no answer: {error.what}" + (f" ({error.why})" if error.why else ""))
    if wrong := why_not(operation, draft):
        return _failed(call, f"{name} returned what cannot be sent: {wrong}")
    return structs.replace(draft, headers=(*draft.headers, *step.headers))


def _failed(call: Call, message: str) -> Draft:
    finding = Finding("", "play", f"The function {message}.", "stub", contract=call.operation.place)
    return Draft(500, {"detail": finding.message}, findings=(finding,))
