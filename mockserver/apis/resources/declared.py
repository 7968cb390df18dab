"""What a user says of the resources: in a file of settings, or as `x-mock-resource` in the document."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as File
from types import MappingProxyType

from mockserver.apis.resources.resource import Life, Path, Transition
from mockserver.contract.openapi import Contract
from mockserver.contract.source import read_source
from mockserver.contract.tree import lookup, named_place
from mockserver.errors import ContractError, MockserverError, UsageError, suggestion
from mockserver.messages import Json

KEY = "x-mock-resource"
"""The extension that a path may have in a document."""

FIELDS = ("name", "collection", "item", "identity", "list", "life")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What is said of one resource; what is not said is inferred."""

    place: str
    """Where it is said."""
    is_none: bool = False
    """Whether its paths are said to be no resource."""
    name: str | None = None
    collection: str | None = None
    item: str | None = None
    identity: str | None = None
    list: Path | None = None
    life: Life | None = None


_NOTHING: Mapping[str, Declared] = MappingProxyType({})


def read_declared(contract: Contract, file: File | None) -> Mapping[str, Declared]:
    """Read what is said of the resources of a contract, by path; what the file says wins.

    A UsageError says what in the file cannot be meant, a ContractError what in the document.
    """
    found = dict(_in_document(contract))
    if file is not None:
        found |= _in_file(contract, file)
    return found


def _in_document(contract: Contract) -> Mapping[str, Declared]:
    found: dict[str, Declared] = {}
    for operation in contract.operations:
        node = lookup(contract.document, operation.item)
        if KEY in node and operation.path not in found:
            place = named_place(contract.document, contract.name, f"{operation.item}/{KEY}")
            found[operation.path] = _read(node[KEY], place, ContractError)
    return found or _NOTHING


def _in_file(contract: Contract, file: File) -> Mapping[str, Declared]:
    given = read_source(file, "the file of resources", UsageError).data
    resources = given.get("resources") if isinstance(given, dict) else None
    if not isinstance(resources, dict):
        why, fix = "it holds no mapping called resources", "write resources:, and below it a name for each"
        raise UsageError("the file of resources cannot be read", where=str(file), why=why, fix=fix)
    paths = {each.path for each in contract.operations}
    found: dict[str, Declared] = {}
    for name, said in resources.items():
        place = f"{file}: resources.{name}"
        read = _read({"name": name, **said} if isinstance(said, dict) else said, place, UsageError)
        named = [path for path in (read.item, read.collection) if path is not None]
        for path in named:
            if path not in paths:
                fix = suggestion(path, paths, "write a path as the document does")
                raise UsageError(f"no operation has the path {path!r}", where=place, fix=fix)
        found.update(dict.fromkeys(named or [name], read))
    return found


def _read(said: Json, place: str, error: type[MockserverError]) -> Declared:
    """Read what is said of a resource."""
    if said is False:
        return Declared(place=place, is_none=True)
    if not isinstance(said, dict):
        raise error(
            "a resource is described by a mapping", where=place, why=f"it is {said!r}", fix="write false for none"
        )
    for name in said:
        if name not in FIELDS:
            raise error(f"a resource has no {name!r}", where=place, fix=suggestion(name, FIELDS, _FIX))
    for name in FIELDS[:5]:
        if name in said and not isinstance(said[name], str):
            raise error(f"the {name} of a resource is a text", where=place, why=f"it is {said[name]!r}", fix=_FIX)
    place_of_list = said.get("list")
    return Declared(
        place=place,
        name=said.get("name"),
        collection=said.get("collection"),
        item=said.get("item"),
        identity=said.get("identity"),
        list=None if place_of_list is None else tuple(part for part in place_of_list.split("/") if part),
        life=None if said.get("life") is None else _life(said["life"], place, error),
    )


_FIX = f"it has {', '.join(FIELDS)}"


def _life(said: Json, place: str, error: type[MockserverError]) -> Life:
    fix = "write field, initial, and actions: each with from (a list) and to"
    if (
        not isinstance(said, dict)
        or not isinstance(said.get("field"), str)
        or not isinstance(said.get("actions"), dict)
    ):
        raise error("the life of a resource cannot be read", where=place, why=f"it is {said!r}", fix=fix)
    moves = {}
    for verb, move in said["actions"].items():
        if not isinstance(move, dict) or "to" not in move or not isinstance(move.get("from", []), list):
            raise error(f"the action {verb!r} cannot be read", where=place, why=f"it is {move!r}", fix=fix)
        moves[str(verb)] = Transition(move.get("from", []), move["to"])
    return Life(said["field"], said.get("initial"), moves)
