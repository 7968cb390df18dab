"""A compiled schema: verdicts, and the errors behind them, by one engine in time linear in the value."""

import re
from collections.abc import Callable
from typing import Any, TypeAlias
from urllib.parse import quote

import jsonschema_rs

from mockserver.contract.explain import SchemaError, is_small, likeliest, read_error, union_keyword
from mockserver.contract.pattern import (
    BOUNDED,
    LINEAR,
    PatternKeyword,
    Trial,
    property_patterns,
    trial,
    without_unjudged,
)
from mockserver.contract.tree import ADDRESS, Document
from mockserver.errors import ContractError
from mockserver.messages import Json

Keywords: TypeAlias = Callable[[str], Json]
"""Returns what a document says at a place."""


def _is_base64(text: str) -> bool:
    """Return whether a text is base64, of either alphabet, padded or not, on lines or not."""
    held = "".join(text.split())
    return _BASE64(held) is not None and len(held.rstrip("=")) % 4 != 1


_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}").fullmatch

FORMATS = {"byte": _is_base64}
"""The formats of OpenAPI that the library does not know, and that forbid something."""


def compiled(document: Document, pointer: str, *, formats: bool) -> "Validator":
    """Compile the schema at a place of a document: for the linear engine, if that runs all its patterns."""
    schemas = document.registry
    try:
        return Validator(pointer, schemas, formats=formats, pattern_options=LINEAR)
    except ValueError:
        options = {"pattern_options": BOUNDED, "keywords": {"pattern": PatternKeyword}}
        try:
            return BoundedValidator(document, pointer, schemas, formats=formats, **options)
        except ValueError as error:
            why = str(getattr(error, "message", error)).partition("\n")[0]
            raise ContractError("a schema cannot be used", where="#" + pointer, why=why) from error


class Validator:
    """Judges values by a schema. Every method raises a ValueError for a value that is not JSON."""

    def __init__(self, pointer: str, schemas: Any, *, formats: bool = True, **options: Any) -> None:
        self._pointer, self._schemas, self._formats, self._options = pointer, schemas, formats, options
        self._full = self._compile(pointer)
        self._brief: Any = None
        self.surely_valid: Callable[[Json], bool] = self._full.is_valid
        """Returns whether a value is valid beyond doubt."""
        self.is_valid: Callable[[Json], bool] = self.surely_valid
        """Returns whether a value is valid, as far as it can be judged."""
        self.judge: Callable[[Json], tuple[bool, list[str]]] | None = None
        """Returns that, and the patterns by which it cannot be judged; None if there can be none."""

    def _compile(self, pointer: str, **keywords: Any) -> Any:
        return jsonschema_rs.Draft202012Validator(
            {"$ref": f"{ADDRESS}#{quote(pointer)}"},
            registry=self._schemas,
            validate_formats=self._formats,
            formats=FORMATS,
            mask="",  # the library's own messages, which we do not use, would hold the whole value
            **{**self._options, "keywords": {**self._options.get("keywords", {}), **keywords}},
        )

    def errors(self, value: Json, said: Keywords) -> list[SchemaError]:
        """List what is wrong with a value, for a union in its likeliest branch; of a large value only the first."""
        if is_small(value):
            found = self._full.iter_errors(value)
            return [leaf for each in found for leaf in likeliest(read_error(each, value, said))]
        if self._brief is None:
            unions = {keyword: union_keyword(keyword, self._compile) for keyword in ("anyOf", "oneOf")}
            self._brief = self._compile(self._pointer, **unions)
        try:
            self._brief.validate(value)
        except jsonschema_rs.ValidationError as error:
            return [read_error(error, value, said)]
        return []


class BoundedValidator(Validator):
    """Judges values by a schema with patterns that backtrack. What takes too many steps is not held against a value."""

    def __init__(self, document: Json, pointer: str, schemas: Any, **options: Any) -> None:
        super().__init__(pointer, schemas, **options)
        self._names = property_patterns(document, pointer)
        self.surely_valid = self._is_surely_valid
        self.is_valid = self._is_valid
        self.judge = self._judge

    def _is_surely_valid(self, value: Json) -> bool:
        with trial() as now:
            return self._holds(value, now) and not now.unjudged

    def _is_valid(self, value: Json) -> bool:
        return self._judge(value)[0]

    def errors(self, value: Json, said: Keywords) -> list[SchemaError]:
        """List what is wrong with a value, but for what could not be judged."""
        with trial() as now:
            return super().errors(without_unjudged(value, self._names, now) if self._names else value, said)

    def _judge(self, value: Json) -> tuple[bool, list[str]]:
        """Return whether a value is valid, or would be if the texts that cannot be judged were right, or wrong."""
        with trial() as now:
            right = self._holds(value, now)
            if not right and now.unjudged:
                now.verdict = False
                right = self._holds(value, now)
            return right, list(now.unjudged)

    def _holds(self, value: Json, now: Trial) -> bool:
        return bool(self._full.is_valid(without_unjudged(value, self._names, now) if self._names else value))
