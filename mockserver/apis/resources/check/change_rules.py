"""The rules of state of what is changed, replaced, deleted and acted on, written once for all resources."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from mockserver.apis.resources.check.driver import ResourceDriver, json_media
from mockserver.apis.resources.check.likeness import is_like, is_scalar
from mockserver.apis.resources.check.pages import Listed, ListReader
from mockserver.apis.resources.check.rules import is_lasting, is_right, state_check
from mockserver.apis.resources.items import Item, at, placed
from mockserver.apis.resources.names import STATES, participles, plain, words
from mockserver.apis.resources.resource import ItemOperation
from mockserver.check.part import LackingError
from mockserver.check.provider.cases import JSON_PATCH
from mockserver.check.provider.checks import Interaction, wrong
from mockserver.contract.openapi import Media
from mockserver.contract.resolved import said
from mockserver.contract.resolved import values as allowed_values
from mockserver.contract.sides import seen_from
from mockserver.contract.tree import join
from mockserver.messages import Finding, Json

GONE = frozenset("deleted removed archived inactive disabled trashed destroyed terminated canceled cancelled".split())
"""The words for the state of what a server keeps although it was deleted."""

MOST_CHANGES = 2
"""How many fields of an item are changed, one after the other."""

LATER = 202
"""The status of what is done later."""


class OneChange(NamedTuple):
    """A change: the body, its media type, and the fields of the item that it sends."""

    body: Json
    fields: Item
    media: Media | None = None


@state_check("changed-is-read", "update")
def changed_is_read(driver: ResourceDriver) -> Iterator[Finding]:
    """What is changed is read with its new values, and all else as it was."""
    part = driver.part("update")
    given, before = _subject(driver)
    for change in _changes(driver, part, before):
        seen = driver.taken(part, given, body=change.body, media=change.media)
        after = driver.read(given)
        yield from _unchanged(driver, part, seen, before, after, change.fields)
        yield from _changed_too(driver, given, before, after, change.fields)
        if driver.resource.singleton:
            _put_back(driver, part, given, before, change)
        before = after or before


def _subject(driver: ResourceDriver) -> tuple[tuple[str, ...], Item]:
    """Return the path and the fields of what is to be changed: an item that is created, or the only one."""
    part = driver.part("get")
    given = driver.above(part.operation) if driver.resource.singleton else driver.create().given
    before = driver.read(given)
    if before is None:
        raise LackingError("what is to be changed cannot be read")
    return given, before


def _changes(driver: ResourceDriver, part: ItemOperation, before: Item) -> list[OneChange]:
    """Return changes of one field each, else one of as many as must be sent together."""
    media = json_media(part.operation)
    drawn = driver.drawn(part) if media is not None else None
    found = _fields(driver, at(drawn, part.body or ()), before)
    if not found and driver.has("create"):
        creating = driver.part("create")
        found = _fields(driver, at(driver.drawn(creating), creating.body or ()), before)
    changes = []
    for name, value in found.items():
        steps = [{"op": "add", "path": join("", name), "value": value}]
        body = placed({}, part.body or (), {name: value}) if media is not None else steps
        chosen = media or _json_patch(part)
        if chosen.schema is None or seen_from(chosen.schema, "strict request").is_valid(body):
            changes.append(OneChange(body, {name: value}, chosen))
    if changes:
        return changes[:MOST_CHANGES]
    if not found or drawn is None:
        raise LackingError("no change of it is known")
    return [OneChange(driver.with_identity(drawn, part, before), found, media)]


def _json_patch(part: ItemOperation) -> Media:
    body = part.operation.body
    for each in () if body is None else body.media:
        if each.type.startswith(JSON_PATCH):
            return each
    raise LackingError("it is changed by no JSON")


def _fields(driver: ResourceDriver, sent: Json, before: Item) -> Item:
    """Return the fields of a body that change an item, as far as they are shown; those first that are no object."""
    inner = sent if isinstance(sent, dict) else {}
    found = [
        name
        for name, value in inner.items()
        if driver.is_kept(name)
        and value is not None
        and plain(name) not in STATES
        and is_right(driver, name, value)
        and not is_like(value, before.get(name))
    ]
    return {name: inner[name] for name in sorted(found, key=lambda name: not is_scalar(inner[name]))}


def _unchanged(
    driver: ResourceDriver, part: ItemOperation, seen: Interaction, before: Item, after: Item | None, fields: Item
) -> Iterator[Finding]:
    """Report fields that were sent and are read as they were, or otherwise than the change was answered."""
    if seen.answer.status == LATER:
        raise LackingError("it is changed later")
    if after is None:
        yield wrong("what was changed cannot be read", "/response/status", "the item")
        return
    answered = driver.item(seen, part) or {}
    for name, value in fields.items():
        got, where = after.get(name), join("/response/body", name)
        if is_like(value, got):
            continue
        if is_like(before.get(name), got):
            yield wrong(f"{name} was changed, and is read as it was", where, value, got)
        elif name in answered and not is_like(answered[name], got):
            yield wrong(f"{name} is read with another value than the change was answered", where, answered[name], got)


def _changed_too(
    driver: ResourceDriver, given: tuple[str, ...], before: Item, after: Item | None, fields: Item
) -> Iterator[Finding]:
    """Report fields that clients set, were not sent, and are read with another value, the same each time."""
    asked = {name for role in ("create", "update") for name in _asked(driver, role)}
    names = [name for name in before if name in asked and name not in fields and driver.is_kept(name)]
    names = [name for name in names if is_lasting(driver, name, before[name], False)]
    differing = [name for name in names if after is not None and not is_like(before[name], after.get(name))]
    again = driver.read(given) if differing else None
    for name in differing if after is not None and again is not None else ():
        got = None if after is None else after.get(name)
        if is_like(got, None if again is None else again.get(name)):
            where = join("/response/body", name)
            yield wrong(f"{name} was not sent, and is read with another value", where, before[name], got)


def _asked(driver: ResourceDriver, role: str) -> set[str]:
    return {name for part in driver.resource.parts.values() if part.role == role for name in driver.asked_fields(part)}


def _put_back(
    driver: ResourceDriver, part: ItemOperation, given: tuple[str, ...], before: Item, change: OneChange
) -> None:
    """Send the values that the only item had before."""
    if isinstance(change.body, dict):
        inner = at(change.body, part.body or ())
        old = {name: before[name] for name in (inner if isinstance(inner, dict) else {}) if name in before}
        driver.call(part, given, placed(change.body, part.body or (), old), media=change.media)


@state_check("replaced-is-read", "replace")
def replaced_is_read(driver: ResourceDriver) -> Iterator[Finding]:
    """What is replaced is read with what was sent, and without what was not."""
    part, media = driver.part("replace"), json_media(driver.part("replace").operation)
    given, before = _subject(driver)
    drawn = driver.drawn(part)
    if drawn is None or media is None:
        raise LackingError("no replacement of it is known")
    body = driver.with_identity(drawn, part, before)
    fields = _fields(driver, at(body, part.body or ()), before)
    seen = driver.taken(part, given, body=body, media=media)
    after = driver.read(given)
    yield from _unchanged(driver, part, seen, before, after, fields)
    if after is not None:
        yield from _left(driver, part, given, body, fields, after)
    if driver.resource.singleton:
        _put_back(driver, part, given, before, OneChange(body, fields, media))


def _left(
    driver: ResourceDriver, part: ItemOperation, given: tuple[str, ...], body: Json, fields: Item, before: Item
) -> Iterator[Finding]:
    """Report a field that a second replacement leaves out, and that is read with the value of the first."""
    inner, media = at(body, part.body or ()), json_media(part.operation)
    asked = driver.asked_fields(part)
    for name in fields:
        least = placed(body, part.body or (), {other: value for other, value in inner.items() if other != name})
        is_whole = media is None or media.schema is None or seen_from(media.schema, "strict request").is_valid(least)
        default = said(asked[name], "default") if name in asked else None
        if not is_whole or not is_like(fields[name], before.get(name)) or is_like(default, fields[name]):
            continue
        if driver.call(part, given, least, media=media).is_success:
            after = driver.read(given)
            if after is not None and name in after and is_like(before[name], after[name]):
                message = f"{name} was left out of a replacement, and is read as it was"
                yield wrong(message, join("/response/body", name), None, after[name])
        return


# -- what is deleted


@state_check("deleted-is-gone", "delete")
def deleted_is_gone(driver: ResourceDriver) -> Iterator[Finding]:
    """What is deleted is gone, from lists, too, and nothing else is."""
    part, reader = driver.part("delete"), ListReader(driver) if driver.has("list") else None
    if reader is None and not driver.has("get"):
        raise LackingError("nothing reads it")
    one, other = driver.create(), driver.create()
    before = None if reader is None else reader.whole()
    seen = driver.taken(part, one.given)
    if seen.answer.status == LATER:
        raise LackingError("it is deleted later")
    if driver.has("get"):
        item = driver.read(one.given)
        if item is not None and not _is_marked(item):
            yield wrong("what was deleted can still be read", "/response/status", 404, driver.operation("get").success)
        if driver.read(other.given) is None:
            yield wrong("deleting an item deleted another", "/response/status", "the other item")
    if reader is not None and before is not None:
        yield from _listed_still(driver, before, reader.whole(), one.identity, other.identity)


def _listed_still(driver: ResourceDriver, before: Listed, after: Listed, gone: Json, left: Json) -> Iterator[Finding]:
    name, where = driver.resource.identity, join("/response/body", *(driver.part("list").answer or ()))
    still = [each for each in after.items if name is not None and str(each.get(name)) == str(gone)]
    if still and not all(map(_is_marked, still)):
        yield wrong("what was deleted is still in the list", where, 0, len(still))
    if before.times(name, left) and not after.times(name, left):
        yield wrong("deleting an item took another from the list", where, 1, 0)


def _is_marked(item: Item) -> bool:
    """Return whether an item says of itself that it was deleted."""
    for name, value in item.items():
        own = plain(name)
        if own in STATES and isinstance(value, str) and plain(value) in GONE:
            return True
        if value not in (None, False, "") and any(own.removeprefix("is").startswith(word) for word in GONE):
            return True
    return False


# -- actions


@state_check("action-is-kept", "action")
def action_is_kept(driver: ResourceDriver) -> Iterator[Finding]:
    """What an action changes is read as it was answered."""
    actions = [each for each in driver.resource.parts.values() if each.role == "action"]
    if not actions:
        raise LackingError("it has no action")
    reasons: list[str] = []
    for each in actions:
        try:
            found = list(_of_action(driver, each))
        except LackingError as error:
            reasons.append(str(error))
        else:
            yield from (replace(one, operation=each.operation.id, contract=each.operation.place) for one in found)
    if len(reasons) == len(actions):
        raise LackingError(reasons[0])


def _of_action(driver: ResourceDriver, part: ItemOperation) -> Iterator[Finding]:
    given, before = _subject(driver)
    seen = next((found for body in driver.bodies(part) if (found := driver.call(part, given, body)).is_success), None)
    if seen is None or seen.answer.status == LATER:
        raise LackingError("no action was done at once")
    answered, after = driver.item(seen, part) or {}, driver.read(given) or {}
    names = [name for name, value in answered.items() if _is_moved(driver, name, value, before)]
    wanted = {name: answered[name] for name in names} or _aim(driver, part, before)
    if not wanted:
        raise LackingError("the actions change nothing that can be seen")
    for name, value in wanted.items():
        if is_like(before.get(name), after.get(name)):
            message = f"{part.verb} made {name} another, and it is read as it was"
            yield wrong(message, join("/response/body", name), value, after.get(name))


def _is_moved(driver: ResourceDriver, name: str, value: Json, before: Item) -> bool:
    """Return whether an action's answer shows a field with another value than it had."""
    is_state = plain(name) in STATES or isinstance(value, bool)
    return name in before and not is_like(before[name], value) and (is_state or is_lasting(driver, name, value, False))


def _aim(driver: ResourceDriver, part: ItemOperation, before: Item) -> Item:
    """Return the state that an action's word names, where the item is in another."""
    own = words(part.verb)
    led = [plain(each) for each in participles(own[0])] if own else []
    for name, view in driver.fields.items():
        known = (allowed_values(view) or {}).values() if plain(name) in STATES else ()
        for value in known:
            if isinstance(value, str) and plain(value) in led and not is_like(before.get(name), value):
                return {name: value}
    return {}
