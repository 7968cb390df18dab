"""Where the contracts and fixtures are: in the wheel, or beside the package in a checkout."""

from pathlib import Path

API = "llamacloud-chat"


def data_dir() -> Path:
    """Give the folder that holds `schemas/` and `fixtures/`."""
    package = Path(__file__).parent
    packed = package / "_data"
    return packed if packed.is_dir() else package.parent
