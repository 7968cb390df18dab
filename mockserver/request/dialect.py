"""How an operation refuses: in FastAPI's words and after its lax reading, or by JSON Schema in the document's form."""

from mockserver.contract.openapi import Operation
from mockserver.errors import ContractError
from mockserver.request.decode import StrictValidator
from mockserver.request.reading.shapes import shape_of
from mockserver.request.validate import RequestValidator
from mockserver.settings import RefusalForm

FORM = "HTTPValidationError"
"""What FastAPI calls the schema of its 422."""


def is_fastapi(operation: Operation) -> bool:
    """Return whether the 422 of an operation is FastAPI's: a list `detail` whose items have `loc` and `msg`."""
    try:
        reply = operation.replies.get("422")
    except ContractError:
        return False
    media = None if reply is None else reply.preferred
    if media is None or media.schema is None:
        return False
    return {"loc", "msg"} <= shape_of(media.schema).field("detail").item(0).fields.keys()


def speaks_fastapi(operation: Operation, form: RefusalForm) -> bool:
    """Return whether an operation reads and refuses as FastAPI does."""
    return form == "fastapi" or (form == "auto" and is_fastapi(operation))


def validator_of(operation: Operation, form: RefusalForm, *, strict: bool) -> RequestValidator | StrictValidator:
    """Return what decodes and validates the requests of an operation."""
    if speaks_fastapi(operation, form):
        return RequestValidator(operation, strict=strict)
    return StrictValidator(operation)
