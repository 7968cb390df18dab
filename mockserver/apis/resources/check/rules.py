"""The rules of state of what is created and listed, written once for all resources."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import wraps
from typing import TypeAlias
from uuid import UUID

from mockserver.apis.resources.check.driver import Made, ResourceDriver, is_secret
from mockserver.apis.resources.check.likeness import is_like, is_scalar
from mockserver.apis.resources.check.pages import MOST_IN_SMALL, Listed, ListReader
from mockserver.apis.resources.items import Item
from mockserver.apis.resources.names import CHANGED, CREATED, STATES, is_time, plain
from mockserver.apis.resources.resource import ItemOperation
from mockserver.check.part import LackingError, StateCheck
from mockserver.check.provider.cases import parameter_holds
from mockserver.check.provider.checks import wrong
from mockserver.contract.resolved import said, type_of
from mockserver.contract.schema import Schema
from mockserver.contract.tree import join
from mockserver.messages import Finding, Json

LookAtResource: TypeAlias = Callable[[ResourceDriver], Iterator[Finding]]

STATE: dict[str, StateCheck] = {}
"""The rules of state, by name."""


def state_check(name: str, role: str) -> Callable[[LookAtResource], LookAtResource]:
    """Make a function a rule of state; the first line of its docstring is its sentence.

    What it creates is deleted at its end.
    """

    def add(look: LookAtResource) -> LookAtResource:
        @wraps(look)
        def cleaned(driver: ResourceDriver) -> Iterator[Finding]:
            try:
                yield from look(driver)
            finally:
                driver.clean_up()

        STATE[name] = StateCheck(name, (look.__doc__ or "").strip().splitlines()[0], role, cleaned)
        return look

    return add


# -- what is created


@state_check("created-is-read", "create")
def created_is_read(driver: ResourceDriver) -> Iterator[Finding]:
    """What is created can be read, with the fields that were sent and those that were answered."""
    driver.part("get")
    made = [driver.create(), driver.create()]
    read = [driver.read(each.given) for each in made]
    for each, item in zip(made, read, strict=True):
        if item is None:
            yield wrong("what was created cannot be read", "/response/status", "the item", _id(each))
            return
        yield from _another(driver, each, item)
        yield from _differing(driver, each, item)
    yield from _unkept(driver, made, [each for each in read if each is not None])


def _id(made: Made) -> str:
    return "/".join(made.given)


def _another(driver: ResourceDriver, made: Made, item: Item) -> Iterator[Finding]:
    """Report an item that is read under the id of another."""
    name = driver.resource.identity
    if name is not None and name in item and not is_like(made.identity, item[name]):
        yield wrong("another item is read than was asked for", join("/response/body", name), made.identity, item[name])


def _differing(driver: ResourceDriver, made: Made, item: Item) -> Iterator[Finding]:
    """Report fields that what creates an item answered, and that are read with another value, the same each time."""
    answered = made.answered or {}
    names = [name for name in answered if name in item and is_lasting(driver, name, answered[name], name in made.sent)]
    differing = [name for name in names if not is_like(answered[name], item[name])]
    again = driver.read(made.given) if differing else None
    for name in differing if again is not None else ():
        if again is not None and is_like(item[name], again.get(name)) and _is_one_kind(answered[name], item[name]):
            message = f"{name} is read with another value than was answered when the item was created"
            yield wrong(message, join("/response/body", name), answered[name], item[name])


def is_lasting(driver: ResourceDriver, name: str, value: Json, is_sent: bool) -> bool:
    """Return whether a field stays as it is until a client changes it, as far as that can be known."""
    if value is None or plain(name) in STATES or is_secret(name) or is_time(name, CHANGED):
        return False
    if is_sent:
        return True
    view = driver.fields.get(name)
    is_moment = view is not None and said(view, "format") in ("date-time", "date", "time")
    return is_scalar(value) and not is_moment and not is_time(name, CREATED)


def _is_one_kind(one: Json, other: Json) -> bool:
    """Return whether two values have a type: others are other views of a thing, such as its id."""
    kinds = {type_of(one), type_of(other)}
    return len(kinds) == 1 or kinds <= {"integer", "number"}


def _unkept(driver: ResourceDriver, made: list[Made], read: list[Item]) -> Iterator[Finding]:
    """Report fields that were sent and are not there, or are the same whatever is sent."""
    for name in made[0].sent:
        sent = [each.sent.get(name) for each in made]
        if not driver.is_kept(name) or plain(name) in STATES or not all(is_right(driver, name, each) for each in sent):
            continue
        got = [each.get(name) for each in read]
        lost = next((i for i, each in enumerate(got) if each is None and sent[i] not in (None, [], {}, "")), None)
        where = join("/response/body", name)
        if lost is not None:
            yield wrong(f"{name} was sent, and is not kept", where, sent[lost], got[lost])
        elif is_like(got[0], got[1]) and not is_like(sent[0], sent[1]) and not is_like(sent[0], got[0]):
            yield wrong(f"{name} is the same whatever is sent", where, sent[0], got[0])


def is_right(driver: ResourceDriver, name: str, value: Json) -> bool:
    """Return whether the item's own schema allows a value of a field."""
    schema, view = driver.resource.schema, driver.fields.get(name)
    return schema is not None and view is not None and Schema(schema.document, view.pointer, name).is_valid(value)


@state_check("created-is-listed", "list")
def created_is_listed(driver: ResourceDriver) -> Iterator[Finding]:
    """What is created is listed once, through all pages."""
    reader = ListReader(driver)
    made = [driver.create() for _ in range(3)]
    listed, where = reader.whole(), join("/response/body", *(reader.part.answer or ()))
    for each in made:
        count = listed.times(driver.resource.identity, each.identity)
        if count != 1:
            message = f"what was created is {'not' if count == 0 else 'more than once'} in the list"
            yield wrong(message, where, 1, count)
            return
    small = reader.in_small_pages() if len(listed.items) <= MOST_IN_SMALL else None
    if small is not None:
        yield from _on_one_page_each(driver, listed, small, where)


def _on_one_page_each(driver: ResourceDriver, listed: Listed, small: Listed, where: str) -> Iterator[Finding]:
    """Report what is listed, but on no page of two items, or on two."""
    name = driver.resource.identity or ""
    for each in listed.items:
        count = small.times(name, each.get(name))
        if count != 1 and listed.times(name, each.get(name)) == 1:
            yield wrong(f"an item is {'on no page' if count == 0 else 'shown twice'} in pages of two", where, 1, count)
            return


@state_check("ids-are-new", "create")
def ids_are_new(driver: ResourceDriver) -> Iterator[Finding]:
    """Everything that is created has an id of its own, after others were deleted, too."""
    made = [driver.create() for _ in range(3)]
    if driver.resource.identity in made[0].sent:
        raise LackingError("clients give the ids")
    if driver.has("delete") and driver.call(driver.part("delete"), made[0].given).is_success:
        del made[0]
    made += [driver.create() for _ in range(2)]
    ids = [_id(each) for each in made]
    if len(set(ids)) < len(ids):
        again = max(ids, key=ids.count)
        where = join("/response/body", driver.resource.identity or "")
        yield wrong("an id was given twice", where, "an id that no other item has", again)


@state_check("listed-is-read", "list")
def listed_is_read(driver: ResourceDriver) -> Iterator[Finding]:
    """What is listed can be read under its id, and is what it says."""
    getting, reader, name = driver.part("get"), ListReader(driver), driver.resource.identity or ""
    if len(driver.resource.identities) > 1:
        raise LackingError("several fields name an item")
    with suppress(LackingError):
        driver.create()
    found = [each for each in reader.whole().items if name in each][:3]
    if not found:
        raise LackingError("nothing is listed")
    above = driver.above(driver.part("list").operation)
    for each in found:
        given = (*above, str(each[name]))
        seen = driver.call(getting, given)
        item = driver.item(seen, getting) if seen.is_success else None
        if seen.answer.status in (404, 410):
            yield wrong(
                "what is listed is not found", "/response/status", getting.operation.success, seen.answer.status
            )
        elif item is not None and name in item and not is_like(each[name], item[name]):
            yield wrong("another item is read than was listed", join("/response/body", name), each[name], item[name])


@state_check("unknown-is-not-found", "get")
def unknown_is_not_found(driver: ResourceDriver) -> Iterator[Finding]:
    """An id that was never given is not found, where the contract has an answer for that."""
    part = driver.part("get")
    if 404 not in part.operation.exact:
        raise LackingError("its reading declares no 404")
    if driver.resource.singleton:
        raise LackingError("there is one of it")
    given = driver.create().given if driver.has("create") else _first_listed(driver)
    for text in _unissued(driver, part, given[-1]):
        status = driver.call(part, (*given[:-1], text)).answer.status
        if status < 400:
            yield wrong(f"an id that was never given is answered {status}", "/response/status", 404, status)
        return
    raise LackingError("no other id can be made")


def _first_listed(driver: ResourceDriver) -> tuple[str, ...]:
    name, items = driver.resource.identity, ListReader(driver).whole().items
    if not items or len(driver.resource.identities) > 1 or items[0].get(name or "") is None:
        raise LackingError("nothing says how its ids look")
    return (*driver.above(driver.part("list").operation), str(items[0][name or ""]))


def _unissued(driver: ResourceDriver, part: ItemOperation, like: str) -> Iterator[str]:
    """Yield ids of the form of another that nobody has been given, as far as chance says."""
    chance, parameter = (
        driver.chance,
        next(
            each
            for each in part.operation.parameters
            if (each.location, each.name) == ("path", driver.resource.keys[-1])
        ),
    )
    found = [str(UUID(int=chance.getrandbits(128), version=4))] if _is_uuid(like) else []
    found.append("".join(_other(each, chance.randrange(10), chance.randrange(26)) for each in like))
    if like.isdecimal():
        found = [str(int(like) + 10**power) for power in (8, 6, 4)]
    yield from (each for each in found if each != like and parameter_holds(parameter, each))


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _other(letter: str, digit: int, place: int) -> str:
    """Return a letter or a digit in place of another."""
    if letter.isdecimal():
        return str(digit)
    first = "a" if letter.islower() else "A"
    return chr(ord(first) + place) if letter.isalpha() else letter
