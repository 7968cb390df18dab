"""How a schema differs from another: resolved, and to the end, also where a schema refers to itself."""

from mockserver.check.changes.conditions import compare_conditions
from mockserver.check.changes.rules import At, Comparison, Severity, presence
from mockserver.check.changes.unions import compare_unions
from mockserver.check.changes.values import (
    are_listed,
    compare_limits,
    compare_notes,
    compare_null,
    compare_texts,
    compare_types,
    compare_values,
    have_type,
    spots,
)
from mockserver.contract.resolved import (
    View,
    Views,
    everything,
    keywords,
    properties,
    required,
    types_text,
    values,
)
from mockserver.contract.tree import join


def compare_schemas(run: Comparison, a: View, b: View, at: At) -> None:
    """Record each change from schema A to schema B, for values that go or come as `at` says."""
    was_idle = run.is_idle
    run.is_idle |= is_idle(run, a, at) or is_idle(run, b, at)
    _compare_schemas(run, a, b, at)
    run.is_idle = was_idle


def is_idle(run: Comparison, view: View, at: At) -> bool:
    """Return whether nobody sends a value there: it is read-only in a request, or write-only in an answer."""
    key = "readOnly" if at.direction == "request" else "writeOnly"
    return not run.is_silent("access", at) and any(each.value is True for each in keywords(view, key))


def _compare_schemas(run: Comparison, a: View, b: View, at: At) -> None:
    key = (
        run.is_idle,
        at.direction,
        at.is_text,
        a.pointers,
        b.pointers,
        a.types,
        b.types,
        a.null,
        b.null,
        not a.pieces,
        not b.pieces,
    )
    if key in run.seen or a.is_unknown or b.is_unknown:
        return
    run.seen.add(key)
    compare_notes(run, a, b, at)
    if a.is_shut or b.is_shut:
        if a.is_shut is not b.is_shut:
            rule, text = ("opened", "is allowed now") if a.is_shut else ("closed", "is no longer allowed")
            run.tell(rule, at, (a.pointer, b.pointer), f"what stands here {text}", not a.is_shut, not b.is_shut)
        return
    if _compare_any(run, a, b, at):
        return
    compare_null(run, a, b, at)
    if compare_unions(run, a, b, at, compare_schemas) or not compare_types(run, a, b, at):
        return
    compare_values(run, a, b, at)
    if not are_listed(a, b):
        compare_limits(run, a, b, at)
        compare_texts(run, a, b, at)
    if have_type(a, b, "array"):
        _compare_items(run, a, b, at)
    if have_type(a, b, "object"):
        _compare_fields(run, a, b, at)
        _compare_additional(run, a, b, at)
    compare_conditions(run, a, b, at, compare_schemas)


def _compare_any(run: Comparison, a: View, b: View, at: At) -> bool:
    """Compare what allows everything with what does not; return whether that tells all."""
    if a.is_any is b.is_any:
        return a.is_any
    other = b if a.is_any else a
    if values(other) is not None or (other.types is None and not other.unions):
        return False
    rule, text = ("type-narrowed", "no longer allowed") if a.is_any else ("type-widened", "allowed now")
    was, now = ("any" if each.is_any else "a union" if each.unions else types_text(each.types) for each in (a, b))
    run.tell(rule, at, spots("type", a, b), f"any value is {text}: {was} became {now}", was, now)
    return True


def _compare_items(run: Comparison, a: View, b: View, at: At) -> None:
    """Compare the items of lists: those with a place of their own, and the others."""
    most = max((len(each.value) for view in (a, b) for each in keywords(view, "prefixItems")), default=0)
    for index in range(most):
        compare_schemas(run, _item(run.a, a, index), _item(run.b, b, index), at.into(index))
    compare_schemas(run, run.a.below(a, "items"), run.b.below(b, "items"), at.into("*"))


def _item(views: Views, view: View, index: int) -> View:
    places = [join(each.pointer, index) for each in keywords(view, "prefixItems") if index < len(each.value)]
    return views.of(*places) if places else views.below(view, "items")


def _compare_additional(run: Comparison, a: View, b: View, at: At) -> None:
    """Compare what the fields without a name of their own may be."""
    are_said = keywords(a, "additionalProperties") and keywords(b, "additionalProperties")
    if are_said or not run.is_silent("closed", at):
        one, other = run.a.below(a, "additionalProperties"), run.b.below(b, "additionalProperties")
        compare_schemas(run, one, other, at.into("*"))


def _compare_fields(run: Comparison, a: View, b: View, at: At) -> None:
    """Compare the fields that have names."""
    ours, theirs = properties(a), properties(b)
    for name in {**ours, **theirs}:
        if name not in theirs:
            _tell_withdrawn(run, name, a, b, at)
        elif name not in ours:
            _tell_added(run, name, a, b, at)
        else:
            _compare_presence(run, name, a, b, at)
        one, other = _field(run.a, a, name), _field(run.b, b, name)
        if one is not None and other is not None:
            compare_schemas(run, one, other, at.into(name))


def _compare_presence(run: Comparison, name: str, a: View, b: View, at: At) -> None:
    was, now = must_be(run, run.a, a, name, at), must_be(run, run.b, b, name, at)
    pair = field_spot(a, name), field_spot(b, name)
    if was is not now:
        rule = "field-required" if now else "field-optional"
        run.tell(rule, at.into(name), pair, f"the field {name} {presence(at, must=now)}", was, now)


def _field(views: Views, view: View, name: str) -> View | None:
    """Return what a field may be: by its name, else as any field that has none; None if nothing is said of it."""
    found = properties(view)
    if name in found:
        return views.of(*found[name]) if found[name] else everything(field_spot(view, name))
    additional = views.below(view, "additionalProperties")
    return None if additional.is_any or additional.is_shut else additional


def must_be(run: Comparison, views: Views, view: View, name: str, at: At) -> bool:
    """Return whether a field must be there; if null and absence are not told apart, whether it is always a value."""
    if name not in required(view):
        return False
    field = _field(views, view, name)
    if field is not None and is_idle(run, field, at):
        return False  # it has to be there in the other direction only
    return field is None or not run.is_silent("null", at) or not field.null


def field_spot(view: View, name: str) -> str:
    """Return the place of a field, or of what requires it."""
    places = properties(view).get(name)
    return places[0] if places else required(view)[name]


def _tell_added(run: Comparison, name: str, a: View, b: View, at: At) -> None:
    must = must_be(run, run.b, b, name, at)
    rule = "required-field-added" if must else "field-added"
    text = f"the field {name} is new: it {presence(at, must=must)}"
    worse: Severity | None = None
    field = _field(run.b, b, name)
    if field is not None and is_idle(run, field, at):
        worse = _HARMLESS
    elif at.direction == "response" and is_closed(a):
        text, worse = f"{text}, where no other fields were allowed", _WORST
    run.tell(rule, at.into(name), (None, field_spot(b, name)), text, severity=worse)


def _tell_withdrawn(run: Comparison, name: str, a: View, b: View, at: At) -> None:
    must = must_be(run, run.a, a, name, at)
    rule = "required-field-withdrawn" if must else "field-withdrawn"
    text = f"the field {name} is gone"
    worse: Severity | None = None
    field = _field(run.a, a, name)
    if field is not None and is_idle(run, field, at):
        worse = _HARMLESS
    elif at.direction == "request" and is_closed(b):
        text, worse = f"{text}, and no other fields are allowed", _WORST
    elif at.direction == "request" and run.is_code:
        text, worse = f"{text}: code that names it does not run", _WORST
    run.tell(rule, at.into(name), (field_spot(a, name), None), text, severity=worse)


_WORST: Severity = "breaking"
_HARMLESS: Severity = "harmless"


def is_closed(view: View) -> bool:
    """Return whether fields without a name in the schema are not allowed."""
    keys = "additionalProperties", "unevaluatedProperties"
    return any(each.value is False for key in keys for each in keywords(view, key))
