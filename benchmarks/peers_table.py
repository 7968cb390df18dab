"""Which other tools the mock is measured beside, each with its pinned version: the one place to renew them."""

from collections.abc import Mapping
from dataclasses import dataclass

IN_TESTS = ("respx==0.23.1", "pytest-httpserver==1.2.0", "llama-cloud==2.7.0")
"""What stands beside the mock in tests, and the official client that both are called by."""


@dataclass(frozen=True, slots=True)
class Package:
    """What is installed for a peer: by which client, what, and which program must be there for it to run."""

    by: str
    """npm or pip."""
    what: str
    """Name and version as that client reads them."""
    needs: str = ""
    """A program that is not part of it: node, java."""
    with_mock: bool = False
    """Whether the mock's wheel is installed beside it."""


PACKAGES: Mapping[str, Package] = {
    "prism": Package("npm", "@stoplight/prism-cli@5.16.0", "node"),
    "steady": Package("npm", "@stdy/cli@0.22.2"),
    "mockoon": Package("npm", "@mockoon/cli@9.9.0", "node"),
    "wiremock": Package("npm", "wiremock@3.13.2", "java"),
    "connexion": Package("pip", "connexion[mock,uvicorn]==3.3.0"),
    "granian": Package("pip", "granian==2.8.7", with_mock=True),
}
"""What is installed, by the name of its folder in `.cache/bench/peers`."""
