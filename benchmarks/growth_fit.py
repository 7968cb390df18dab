"""How a figure grows with a size: which order it has, by least squares, and how far the points lie from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log, log10, sqrt

ORDERS: Mapping[str, Callable[[float], float]] = {
    "O(1)": lambda _: 0.0,
    "O(log n)": log,
    "O(n)": lambda n: n,
    "O(n log n)": lambda n: n * log(n),
    "O(n²)": lambda n: n * n,
}
"""The orders that are tried, the simplest first: what a figure is made of beside a constant."""

STEADY = 0.03
"""With a residual up to this, or to the noise, nothing more than a constant is seen in a figure."""

BETTER = 0.5
"""An order is believed rather than a simpler one if it leaves at most this part of that one's residual."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What was found of a figure."""

    order: str
    """A key of ORDERS; "-" where there are too few sizes to tell."""
    exponent: float
    """The slope of the figure against the size, both as logarithms, by least squares."""
    residual: float
    """The root mean square of the relative distances from a constant and the order."""
    growth: float
    """The figure at the largest size divided by that at the smallest."""


def fitted(points: Mapping[float, float], noise: float = 0.0) -> Fit:
    """Fit figures at sizes, size -> figure, all above 0: two sizes at least, and four to tell an order.

    `noise` is how far each of the figures may be off, as a part of it.
    """
    sizes = sorted(points)
    figures = [points[size] for size in sizes]
    growth, exponent = figures[-1] / figures[0], _slope(sizes, figures)
    if len(sizes) < 4:
        return Fit("-", exponent, _power_residual(sizes, figures), growth)
    residuals = {name: _residual([order(size) for size in sizes], figures) for name, order in ORDERS.items()}
    name = _believed(residuals, max(STEADY, noise))
    return Fit(name, exponent, residuals[name], growth)


def _believed(residuals: Mapping[str, float], steady: float) -> str:
    """Give the simplest order that leaves no more than that, or that no other one betters by much."""
    best = "O(1)"
    for name, residual in residuals.items():
        if residuals[best] > steady and residual <= BETTER * residuals[best]:
            best = name
    return best


def _slope(sizes: Sequence[float], figures: Sequence[float]) -> float:
    xs, ys = [log10(size) for size in sizes], [log10(figure) for figure in figures]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)


def _power_residual(sizes: Sequence[float], figures: Sequence[float]) -> float:
    """Give how far figures lie from the power of the size that fits best."""
    slope, pairs = _slope(sizes, figures), list(zip(sizes, figures, strict=True))
    level = sum(log10(figure) - slope * log10(size) for size, figure in pairs) / len(pairs)
    return _mean([10 ** (level + slope * log10(size)) / figure - 1 for size, figure in pairs])


def _residual(terms: Sequence[float], figures: Sequence[float]) -> float:
    """Give how far figures lie from a + b * term, with neither below 0 and the relative distances least."""
    one, term = [1 / figure for figure in figures], [each / figure for each, figure in zip(terms, figures, strict=True)]
    a, b = _least(one, term)
    return _mean([a * x + b * y - 1 for x, y in zip(one, term, strict=True)])


def _least(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float]:
    """Give the a and b, neither below 0, for which a * x + b * y is nearest to 1."""
    xx, yy, xy = (sum(p * q for p, q in zip(*pair, strict=True)) for pair in ((xs, xs), (ys, ys), (xs, ys)))
    x, y = sum(xs), sum(ys)
    whole = xx * yy - xy * xy
    if whole > 1e-12 * xx * yy:
        a, b = (x * yy - y * xy) / whole, (y * xx - x * xy) / whole
        if a >= 0 and b >= 0:
            return a, b
    alone = [(x / xx, 0.0), *([(0.0, y / yy)] if yy else [])]
    return min(alone, key=lambda pair: sum((pair[0] * p + pair[1] * q - 1) ** 2 for p, q in zip(xs, ys, strict=True)))


def _mean(distances: Sequence[float]) -> float:
    return sqrt(sum(each * each for each in distances) / len(distances))
