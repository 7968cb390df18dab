"""The pack's record: what plays the resources of any contract."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from mockserver.answer.generate import problems
from mockserver.api import Api, Call, Play, PlayContext, StateRules
from mockserver.apis.resources.declared import read_declared
from mockserver.apis.resources.infer import infer
from mockserver.apis.resources.play import Plays
from mockserver.apis.resources.resource import Inferred
from mockserver.contract.openapi import Contract, Operation
from mockserver.messages import Json
from mockserver.settings import option
from mockserver.sse import PLAIN, StreamStyle
from mockserver.store.base import Part, Record

NAME = "resources"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSettings:
    """The options of inferred resources."""

    resources: Path | None = option(None, "A file that says what the resources of the contract are.")


def style(_: Any) -> StreamStyle:
    """Return the style of streams: only those that are asked for are streamed."""
    return replace(PLAIN, wanted=False)


def inferred(contracts: Sequence[Contract], settings: ResourceSettings) -> Sequence[Inferred]:
    """Return the resources of some contracts, each as it is declared, else inferred."""
    declared = [read_declared(each, settings.resources) for each in contracts]
    if not any(declared):
        return _inferred(tuple(contracts))
    return _apart([infer(*each) for each in zip(contracts, declared, strict=True)])


def _apart(found: Sequence[Inferred]) -> Sequence[Inferred]:
    """Return what was inferred with names that differ: one that several contracts have follows the contract's."""
    counts = Counter(each.name for one in found for each in one.resources)
    return [
        one._replace(
            resources=tuple(
                replace(each, name=f"{each.contract.name}.{each.name}") if counts[each.name] > 1 else each
                for each in one.resources
            )
        )
        for one in found
    ]


@lru_cache(maxsize=32)
def _inferred(contracts: tuple[Contract, ...]) -> Sequence[Inferred]:
    """Infer once what many mocks in a process share."""
    return _apart([infer(each) for each in contracts])


def problem(contracts: Sequence[Contract], record: Record, parts: Sequence[Part]) -> str:
    """Return why a record could not be answered as an item of its resource, or "" if it can."""
    if not isinstance(record.data, dict) or parts:
        return "it is no object, or has parts"
    for found_in in _inferred(tuple(contracts)):
        for each in found_in.resources:
            if (
                each.name == record.collection
                and each.schema is not None
                and (found := problems(each.schema, record.data))
            ):
                return f"at {found[0].where or 'the root'}: {found[0].message}"
    return ""


def record(plays: Mapping[Operation, Play], call: Call) -> Json:
    """Return the item that the path of a call names; None if none is kept."""
    return plays.record(call) if isinstance(plays, Plays) else None


def play(context: PlayContext) -> Mapping[Operation, Play]:
    """Return what plays the operations of the contracts in force; they are looked at when one is first called."""
    for each in context.contracts:
        read_declared(each, context.settings.resources)  # what is wrong there stops the start
    return Plays(lambda: inferred(context.contracts, context.settings), context)


API = Api(
    name=NAME,
    title="Resources that are inferred from any contract",
    settings=ResourceSettings,
    play=play,
    style=style,
    state=StateRules(collection="", noun="record", problem=problem),
    record=record,
    check="mockserver.apis.resources.check.part:PART",
    explain="mockserver.apis.resources.explain:explained",
)
