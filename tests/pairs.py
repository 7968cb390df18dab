"""Parametrises a test by a few of all combinations: by so many that every pair of values is among them."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest

from tests.grid import covering


def pairwise(**factors: Sequence[Any]) -> pytest.MarkDecorator:
    """Give each argument its values: the rows that have every pair of them, and the others where it is thorough."""
    rows = list(product(*(range(len(values)) for values in factors.values())))
    chosen = set(covering(rows, 2))
    others = pytest.mark.thorough("every pair of these values is tested in any case")
    return pytest.mark.parametrize(
        list(factors),
        [
            pytest.param(
                *(values[at] for values, at in zip(factors.values(), row, strict=True)),
                marks=() if row in chosen else others,
                id="-".join(_told(name, values, at) for (name, values), at in zip(factors.items(), row, strict=True)),
            )
            for row in rows
        ],
    )


def _told(name: str, values: Sequence[Any], at: int) -> str:
    value = values[at]
    if isinstance(value, bool):
        return name if value else f"not {name}"
    return f"{name} {at}" if isinstance(value, dict | tuple) and type(value).__str__ is object.__str__ else str(value)
