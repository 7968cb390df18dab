"""Where the contracts and fixtures are: in the wheel, or beside the package in a checkout."""

from pathlib import Path

CONTROL = "mockserver-control"
"""The folder of the document of the control routes, beside those of the API's contracts."""


def is_packed() -> bool:
    """Say whether the package came from a wheel, which was checked when it was made."""
    return (Path(__file__).parent / "_data").is_dir()


def packed(path: Path) -> Path:
    """Give the JSON that a wheel has beside a YAML document, which loads faster, or else the document."""
    beside = path.with_suffix(".json")
    return beside if beside.exists() else path


def data_dir() -> Path:
    """Give the folder that holds `schemas/` and `fixtures/`."""
    package = Path(__file__).parent
    return package / "_data" if is_packed() else package.parent
