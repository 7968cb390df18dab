"""Requests drawn by hypothesis, valid and invalid; what shows a problem is shrunk to the least that still shows it."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from random import Random
from typing import Any, Protocol

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky, FlakyFailure

from mockserver.answer.generate import generate
from mockserver.check.provider.boundaries import body_variants, path_texts, variants
from mockserver.check.provider.cases import Case
from mockserver.check.provider.values import base_body, usual
from mockserver.check.provider.writing import text_of, types_of_values
from mockserver.contract.openapi import Operation, Parameter
from mockserver.contract.resolved import view_of
from mockserver.errors import ContractError
from mockserver.messages import Finding, Json

MOST_CAUSES = 10
"""How many different problems are shrunk for one operation."""

TEXT = st.text(st.characters(codec="utf-8"), max_size=40)


IN_PATH = TEXT.filter(lambda text: text not in ("", ".", ".."))


class _FoundError(Exception):
    """A drawn request shows a problem that was not known."""


class Findings(Protocol):
    """What keeps problems."""

    @property
    def causes(self) -> set[tuple[str, str, str, str]]:
        """What was found so far."""

    def keep(self, found: Iterable[Finding], cases: int = 1) -> None:
        """Keep problems."""


def fuzz(
    operation: Operation,
    path: Mapping[str, str],
    count: int,
    chance: int,
    examine: Callable[[Case], list[Finding]],
    findings: Findings,
) -> None:
    """Draw so many requests, and have each examined; of each problem the least request that shows it is kept."""
    left = count
    for number in range(MOST_CAUSES):
        hunt = _Hunt(examine, findings.causes)
        run = seed(chance * 1_000 + number)(_settings(left)(given(cases(operation, path))(hunt.look)))
        with suppress(_FoundError, Flaky, FlakyFailure, ExceptionGroup):
            run()
        if hunt.shown is None:
            return
        findings.keep([hunt.shown], 0)
        left -= hunt.used
        if left <= 0:
            return


class _Hunt:
    """Looks for one problem that was not known, and then only for that one, while hypothesis shrinks its request."""

    def __init__(self, examine: Callable[[Case], list[Finding]], known: set[tuple[str, str, str, str]]) -> None:
        self._examine, self._known = examine, known
        self.shown: Finding | None = None
        """The problem as the last request showed it, which is the least one in the end."""
        self.used = 0
        """How many requests were drawn before the problem."""

    def look(self, case: Case) -> None:
        """Examine one request; an exception tells that it shows the problem."""
        found = self._examine(case)
        if self.shown is None:
            self.used += 1
            self.shown = next((each for each in found if each.cause not in self._known), None)
            if self.shown is None:
                return
        else:
            cause = self.shown.cause
            again = next((each for each in found if each.cause == cause), None)
            if again is None:
                return
            self.shown = again
        raise _FoundError


def _settings(count: int) -> settings:
    return settings(
        max_examples=max(1, count),
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


def cases(operation: Operation, path: Mapping[str, str]) -> "st.SearchStrategy[Case]":
    """Draw requests of an operation: valid ones, or with one part that is something else."""
    boundary = [variant.value for variant in body_variants(operation)]
    parameters = [each for each in operation.parameters if each.location == "query" and is_plain(each)]
    odd: dict[str, list[str]] = {
        each.name: [
            text_of(variant.value)
            for variant in variants(*view_of(each.schema), each.name)
            if isinstance(variant.value, str | int | float)
        ]
        for each in parameters
    }
    base = usual(operation, path)
    shapes = {each.name: path_texts(each, path[each.name]) for each in operation.parameters if each.location == "path"}

    @st.composite
    def draw(make: Any) -> Case:
        body = make(_bodies(operation, boundary)) if boundary else base.body
        names = make(_some(sorted(odd)))
        query = [pair for pair in base.query if pair[0].partition("[")[0] not in names]
        query += [(name, make(st.sampled_from(odd[name]) | TEXT)) for name in names]
        where = dict(path)
        if shapes and make(st.integers(0, 4)) == 4:
            name = make(st.sampled_from(sorted(shapes)))
            where[name] = make(st.sampled_from(shapes[name]) | IN_PATH)
        return base._replace(name="drawn", path=where, query=tuple(query), body=body)

    return draw()


def is_plain(parameter: Parameter) -> bool:
    """Return whether a parameter is written as one text under its name."""
    kinds = types_of_values(parameter)
    is_listed = "array" in kinds and not (parameter.style == "form" and parameter.explode)
    return not (parameter.media or is_listed or "object" in kinds)


def _some(names: list[str]) -> "st.SearchStrategy[list[str]]":
    """Draw a choice of names, most often none."""
    if not names:
        return st.just([])
    return st.lists(st.sampled_from(names), unique=True, max_size=2) | st.just([])


def _bodies(operation: Operation, boundary: list[Json]) -> "st.SearchStrategy[Json]":
    """Draw bodies: made from the schema, a boundary, or one with a field that is something else."""
    schema = operation.body.schema if operation.body is not None else None

    @st.composite
    def made(make: Any) -> Json:
        chance: Random = make(st.randoms(use_true_random=False))
        try:
            return generate(schema, chance, direction="request") if schema is not None else None
        except ContractError:  # no value can be made for a part of it that may be left out
            return base_body(operation)

    @st.composite
    def changed(make: Any) -> Json:
        value = make(made())
        if not isinstance(value, dict) or not value:
            return value
        key = make(st.sampled_from(sorted(value)))
        return {**value, key: make(_anything(value[key]))}

    return made() | changed() | st.sampled_from(boundary)


def _anything(like: Json) -> "st.SearchStrategy[Json]":
    """Draw a value for a field: most often of its own type."""
    leaves = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT
    any_ = st.recursive(leaves, lambda below: st.lists(below, max_size=3) | st.dictionaries(TEXT, below, max_size=3))
    if isinstance(like, str):
        return TEXT | st.text(st.characters(codec="utf-8"), min_size=40, max_size=1_100) | any_
    if isinstance(like, list):
        return st.lists(TEXT, max_size=12) | any_
    return any_
