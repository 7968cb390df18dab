"""Samples, their medians and spreads, and ratios of samples that were taken in the same round."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

WIDE = 0.05
"""From this spread on, a figure is said to be unreliable."""


@dataclass(frozen=True, slots=True)
class Series:
    """What one measurement gave, round by round."""

    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle sample."""
        return median(self.samples)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and the third quartile."""
        if len(self.samples) < 2:
            return self.samples[0], self.samples[0]
        low, _, high = quantiles(self.samples, n=4, method="inclusive")
        return low, high

    @property
    def spread(self) -> float:
        """The distance of the quartiles as a part of the median."""
        low, high = self.quartiles
        return (high - low) / self.median if self.median else 0.0

    @property
    def wide(self) -> bool:
        """Whether the samples lie too far apart to be relied on."""
        return self.spread > WIDE


@dataclass(frozen=True, slots=True)
class Aim:
    """What a ratio should be: at least, or at most, a bound."""

    kind: str
    bound: float

    def __str__(self) -> str:
        return f"{self.kind} {self.bound:g}"

    def reached(self, value: float) -> bool:
        """Say whether a ratio is as it should be."""
        return value >= self.bound if self.kind == "at least" else value <= self.bound


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report: a ratio of two figures of the same round, or, with a unit, a figure by itself."""

    measure: str
    against: str
    series: Series
    aim: Aim | None = None
    unit: str = ""
    digits: int = 2

    @property
    def verdict(self) -> str:
        """Whether the bar is met; not said where it lies between the quartiles, or amid a wide series."""
        if self.aim is None:
            return "-"
        samples = self.series.samples
        low, high = (min(samples), max(samples)) if self.series.wide else self.series.quartiles
        if low < self.aim.bound < high:
            return "too close to say"
        return "met" if self.aim.reached(self.series.median) else "not met"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement of every server of a section: server -> samples."""

    measure: str
    unit: str
    digits: int
    by_server: Mapping[str, Series]


@dataclass(frozen=True, slots=True)
class Table:
    """What is told in words, line by line; the first cell of a line names what it is about."""

    name: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Section:
    """What belongs together in the report: its rows and figures, what is to be known of them, how they came about."""

    name: str
    rows: Sequence[Row]
    figures: Sequence[Figure]
    how: Sequence[str]
    commands: Sequence[str] = ()
    notes: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Mapping[str, str] = field(default_factory=dict)
    """SVG by the place, relative to the project, at which it is kept."""
    failed: bool = False
    """Whether it could not be measured, of which a note tells."""


def divided(ours: Series, theirs: Series) -> Series:
    """Divide round by round, so that what slowed a whole round down cancels out."""
    return Series(tuple(each / other for each, other in zip(ours.samples, theirs.samples, strict=True)))


def series(samples: Sequence[float]) -> Series:
    """Make a series."""
    return Series(tuple(samples))
