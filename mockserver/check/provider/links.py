"""Links between operations, as a document declares them: values of one answer that are parameters of the next call."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from mockserver.answer.callbacks import evaluated
from mockserver.check.part import HeldOperation
from mockserver.check.provider.checks import Interaction
from mockserver.check.provider.writing import text_of
from mockserver.contract.openapi import Contract, Operation
from mockserver.contract.tree import pointed
from mockserver.errors import ContractError
from mockserver.messages import Json, Response

Ask = Callable[[Contract, Operation], Interaction | None]
"""Asks an operation as usual; None where that cannot be done."""


def linked(operations: Sequence[HeldOperation], target: Operation, name: str, ask: Ask) -> Iterator[str]:
    """Yield what answers say by their links of a parameter of the path of an operation."""
    for contract, operation in operations:
        wanted = [link[name] for link in _links(operation, target) if name in link]
        seen = ask(contract, operation) if wanted else None
        if seen is None or not 200 <= seen.answer.status < 400:
            continue
        for expression in wanted:
            found = _value(expression, seen)
            if isinstance(found, str | int | float) and text_of(found):
                yield text_of(found)


def _links(operation: Operation, target: Operation) -> Iterator[Mapping[str, Json]]:
    """Yield the parameters that the links of an operation give another, by name."""
    try:
        replies = operation.replies.values()
    except ContractError:
        return
    for link in (each for reply in replies for each in reply.links.values()):
        parameters = link.get("parameters") if isinstance(link, dict) else None
        if isinstance(parameters, dict) and _leads_to(link, target):
            yield {key.removeprefix("path."): each for key, each in parameters.items()}


def _leads_to(link: Mapping[str, Json], target: Operation) -> bool:
    reference = link.get("operationRef")
    if isinstance(reference, str):
        return bool(reference.startswith("#") and pointed(reference) == target.pointer)
    return bool(link.get("operationId") == target.node.get("operationId", target.id))


def _value(expression: Json, seen: Interaction) -> Json:
    """Return the value of a runtime expression, or a constant; None for one that names nothing."""
    if not isinstance(expression, str) or not expression.startswith("$"):
        return expression
    answer = seen.answer
    return evaluated(expression, seen.request, seen.case.path, Response(answer.status, answer.headers.raw, answer.body))
