"""How the conditions of two schemas differ: not, if, contains, propertyNames and their like."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from mockserver.check.changes.rules import At, Compare, Comparison
from mockserver.check.changes.values import CHANGED, change_of, have_type, spots
from mockserver.check.changes.within import is_within, swapped
from mockserver.contract.resolved import View, Views, everything, first, keywords, said
from mockserver.contract.tree import join

CONDITIONS = (
    ("any", ("not",)),
    ("any", ("if", "then", "else")),
    ("string", ("contentSchema",)),
    ("array", ("contains", "minContains", "maxContains")),
    ("array", ("unevaluatedItems",)),
    ("object", ("propertyNames",)),
    ("object", ("patternProperties",)),
    ("object", ("dependentRequired",)),
    ("object", ("dependentSchemas",)),
    ("object", ("unevaluatedProperties",)),
)
"""Keywords that together make a condition, compared as a whole, and the type that each concerns."""


def compare_conditions(run: Comparison, a: View, b: View, at: At, compare: Compare) -> None:
    """Compare the conditions: each is the same, looser, tighter or another, whatever schemas in it are called."""
    for kind, names in CONDITIONS:
        was, now = run.a.digests(a, names), run.b.digests(b, names)
        if was == now or not have_type(a, b, kind):
            continue
        key, change = next(each for each in names if first(a, each) or first(b, each)), change_of(was, now)
        if names == ("patternProperties",) and (_is_partial(a) or _is_partial(b)):
            change = "changed"  # a field that no pattern names any more may be one that is not allowed
        if change == "changed":
            change = _direction(run, names, a, b, compare)
        if change:
            message = f"the condition {key} {CHANGED[change]}"
            run.tell(f"condition-{change}", at, spots(key, a, b), message, said(a, key), said(b, key), detail=key)


def _is_partial(view: View) -> bool:
    """Return whether fields that nothing names are not free."""
    keys = "additionalProperties", "unevaluatedProperties"
    return any(each.value not in (True, {}) for key in keys for each in keywords(view, key))


def _direction(run: Comparison, names: tuple[str, ...], a: View, b: View, compare: Compare) -> str:
    """Return how a condition changed; "" if it says the same in other words."""
    if any(len(keywords(view, name)) > 1 for view in (a, b) for name in names) or names[0] not in _ROOM:
        return "changed"
    leaves_room = _ROOM[names[0]]
    looser, tighter = leaves_room(run, a, b, compare), leaves_room(swapped(run), b, a, compare)
    return {(True, True): "", (True, False): "loosened", (False, True): "tightened"}.get((looser, tighter), "changed")


Room: TypeAlias = Callable[[Comparison, View, View, Compare], bool]
"""Returns whether it is certain that what meets a condition of A meets that of B."""


def _below(views: Views, view: View, key: str, *names: str) -> View:
    found = first(view, key)
    return everything(view.pointer) if found is None else views.of(join(found.pointer, *names))


def _by_schema(key: str) -> Room:
    return lambda run, a, b, compare: is_within(run, _below(run.a, a, key), _below(run.b, b, key), compare)


def _not(run: Comparison, a: View, b: View, compare: Compare) -> bool:
    return is_within(swapped(run), _below(run.b, b, "not"), _below(run.a, a, "not"), compare)


def _contains(run: Comparison, a: View, b: View, compare: Compare) -> bool:
    """Compare how many items there are of a kind: as few must do, and as many must be allowed."""
    if first(a, "contains") is None or first(b, "contains") is None:
        return first(b, "contains") is None
    one, other = _below(run.a, a, "contains"), _below(run.b, b, "contains")
    least, most = (said(b, key, usual) for key, usual in (("minContains", 1), ("maxContains", None)))
    before = said(a, "maxContains")
    few = not least or (least <= said(a, "minContains", 1) and is_within(run, one, other, compare))
    is_room = most is None or (before is not None and before <= most)
    return few and is_room and (most is None or is_within(swapped(run), other, one, compare))


def _if(run: Comparison, a: View, b: View, compare: Compare) -> bool:
    if run.a.digests(a, ("if",)) != run.b.digests(b, ("if",)):
        return False
    return all(_by_schema(key)(run, a, b, compare) for key in ("then", "else"))


def _dependent_required(run: Comparison, a: View, b: View, compare: Compare) -> bool:
    del run, compare
    was: Mapping[str, list[str]] = said(a, "dependentRequired", {})
    return all(set(names) <= set(was.get(key, ())) for key, names in said(b, "dependentRequired", {}).items())


def _by_name(keyword: str) -> Room:
    def leaves_room(run: Comparison, a: View, b: View, compare: Compare) -> bool:
        was, now = said(a, keyword, {}), said(b, keyword, {})
        if keyword == "patternProperties" and (_is_partial(a) or _is_partial(b)) and was.keys() != now.keys():
            return False
        return now.keys() <= was.keys() and all(
            is_within(run, _below(run.a, a, keyword, name), _below(run.b, b, keyword, name), compare) for name in now
        )

    return leaves_room


_ROOM: Mapping[str, Room] = {
    "not": _not,
    "if": _if,
    "contains": _contains,
    "dependentRequired": _dependent_required,
    **{key: _by_schema(key) for key in ("propertyNames", "contentSchema")},
    **{key: _by_name(key) for key in ("patternProperties", "dependentSchemas")},
}
