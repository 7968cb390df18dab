"""The releases of the official clients that the tests drive, and the era that each belongs to."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Language: TypeAlias = Literal["python", "typescript"]


@dataclass(frozen=True, slots=True)
class Release:
    """One release of one official client; `era` is the contract that it was generated from."""

    language: Language
    version: str
    era: str

    @property
    def package(self) -> str:
        """The name under which the registry of its language knows it."""
        return "llama-cloud" if self.language == "python" else "@llamaindex/llama-cloud"

    def __str__(self) -> str:
        return f"{self.language}-{self.version}"


@dataclass(frozen=True, slots=True)
class Door:
    """Where a release keeps the chat operations: its attribute path from the client."""

    release: Release
    resource: str = "beta.chat"

    @property
    def deprecated(self) -> bool:
        """Whether the release says of this door that it has moved."""
        return self.release == PYTHON_2_19 and self.resource == "beta.chat"

    def __str__(self) -> str:
        return f"{self.release}-{self.resource}"


PYTHON_2_6 = Release("python", "2.6.0", "2.6")
PYTHON_2_7 = Release("python", "2.7.0", "2.6")
PYTHON_2_16 = Release("python", "2.16.0", "2.8")
PYTHON_2_19 = Release("python", "2.19.0", "2.17")
TYPESCRIPT_2_8 = Release("typescript", "2.8.0", "2.8")
TYPESCRIPT_2_16 = Release("typescript", "2.16.0", "2.8")

TITLING = (PYTHON_2_6, PYTHON_2_7)
"""The only releases that have set_title."""

LATER = (PYTHON_2_16, PYTHON_2_19)
"""One release of each era without the title."""

PYTHONS = (*TITLING, *LATER)
TYPESCRIPTS = (TYPESCRIPT_2_8, TYPESCRIPT_2_16)
DOORS = (*(Door(release) for release in PYTHONS), Door(PYTHON_2_19, "chat"))
