"""Says what was inferred from contracts, why, and what was not."""

from collections.abc import Sequence

from mockserver.apis.resources.pack import ResourceSettings, inferred
from mockserver.apis.resources.resource import Inferred, ItemOperation, Resource
from mockserver.contract.openapi import Contract
from mockserver.messages import Json

HOW = "To correct it, write x-mock-resource into the document, or a file for --resources: see docs/state.md."


def as_json(found: Sequence[Inferred]) -> Json:
    """Return what was inferred as JSON: the resources, and the operations that are answered statelessly."""
    return {
        "resources": [_resource(each) for one in found for each in one.resources],
        "stateless": [
            {"operation": operation.id, "method": operation.method, "path": operation.path, "why": why}
            for one in found
            for operation, why in one.left.items()
        ],
    }


def _resource(resource: Resource) -> Json:
    return {
        "name": resource.name,
        "contract": resource.contract.name,
        "collection": resource.collection,
        "item": resource.item,
        "singleton": resource.singleton,
        "identity": resource.identity if resource.item is not None else None,
        "list": None if resource.list is None else "".join(f"/{name}" for name in resource.list),
        "operations": [
            {
                "operation": part.operation.id,
                "method": part.operation.method,
                "path": part.operation.path,
                "role": part.role,
            }
            for part in resource.parts.values()
        ],
        "why": list(resource.why),
    }


def as_text(found: Sequence[Inferred]) -> str:
    """Write what was inferred for a terminal."""
    resources = [each for one in found for each in one.resources]
    left = [(operation, why) for one in found for operation, why in one.left.items()]
    played = sum(len(each.parts) for each in resources)
    lines = [f"{counted(len(resources), 'resource')}: {played} of {counted(played + len(left), 'operation')} remember"]
    for each in resources:
        lines += ["", *_lines(each)]
    if left:
        lines += ["", "answered statelessly"]
        width = max(len(f"{operation.method} {operation.path}") for operation, _ in left)
        lines += [f"  {f'{operation.method} {operation.path}'.ljust(min(width, 60))}  {why}" for operation, why in left]
    return "\n".join([*lines, "", HOW])


def _lines(resource: Resource) -> list[str]:
    parts = list(resource.parts.values())
    width = max((len(_call(each)) for each in parts), default=0)
    why = "; ".join(each for each in resource.why if each)
    return [
        f"{resource.name}: {why}",
        *(f"  {_call(each).ljust(min(width, 60))}  {each.role}{_where(each)}" for each in parts),
    ]


def _call(part: ItemOperation) -> str:
    return f"{part.operation.method} {part.operation.path}"


def _where(part: ItemOperation) -> str:
    """Say where the item or the list stands in an answer."""
    if part.answer:
        return f", at /{'/'.join(part.answer)} of the answer"
    return "" if part.answer == () or part.role in ("delete", "clear") else ", answered as the contract shows"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def explained(contracts: Sequence[Contract], settings: ResourceSettings) -> tuple[str, Json]:
    """Return what is inferred from some contracts, as a text and as JSON."""
    found = inferred(contracts, settings)
    return as_text(found), as_json(found)
