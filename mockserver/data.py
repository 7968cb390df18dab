"""Finds the contracts and fixtures: in the wheel, or beside the package in a checkout."""

from pathlib import Path

CONTROL = "mockserver-control"
"""The folder of the control routes' document, in `schemas/`."""


def is_packed() -> bool:
    """Return whether the package came from a wheel, whose files were checked when it was built."""
    return (Path(__file__).parent / "_data").is_dir()


def packed(path: Path) -> Path:
    """Return the JSON form of a YAML document if the wheel has one, since it loads faster; else the document."""
    beside = path.with_suffix(".json")
    return beside if beside.exists() else path


def data_dir() -> Path:
    """Return the folder that holds `schemas/` and `fixtures/`."""
    package = Path(__file__).parent
    return package / "_data" if is_packed() else package.parent
