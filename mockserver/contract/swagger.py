"""Swagger 2.0 documents in the form of OpenAPI 3.1."""

from collections.abc import Mapping

from mockserver.errors import ContractError
from mockserver.messages import Json


def converted(data: Mapping[str, Json]) -> tuple[dict[str, Json], dict[str, str]]:
    """Return a document in the newer form, and where its parts stood: pointer -> place in the old one."""
    raise ContractError("Swagger 2.0 is not read", where="#/swagger", why=str(data.get("swagger")))
