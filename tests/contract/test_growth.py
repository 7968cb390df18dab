"""Curves of the benchmark: orders that are planted are found, and pictures say what the figures say."""

import json
from collections.abc import Callable
from math import log, log10
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import series
from benchmarks.growth import charts, orders
from benchmarks.growth_curves import OPERATIONS, Curve, made_contract
from benchmarks.growth_fit import fitted
from benchmarks.svg import Axis, Chart, Line, across_axis, page, short, up_axis
from mockserver.contract.openapi import read_file

SIZES = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
SVG = "{http://www.w3.org/2000/svg}"

PLANTED: dict[str, Callable[[float], float]] = {
    "O(1)": lambda _: 15.0,
    "O(log n)": lambda n: 10.0 + 2.0 * log(n),
    "O(n)": lambda n: 140.0 + 0.5 * n,
    "O(n log n)": lambda n: 1.0 + 0.01 * n * log(n),
    "O(n²)": lambda n: 3.0 + 0.001 * n * n,
}


def noisy(figure: Callable[[float], float], seed: int, off: float = 0.02) -> dict[float, float]:
    """Give figures that are off by up to a part of them."""
    chance = Random(seed)
    return {float(size): figure(size) * chance.uniform(1 - off, 1 + off) for size in SIZES}


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314  # it was written here


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in parsed(svg).iter(f"{SVG}text")]


# -- orders ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", PLANTED)
@given(seed=st.integers(0, 10_000))
def test_a_planted_order_is_found_amid_noise(order: str, seed: int) -> None:
    fit = fitted(noisy(PLANTED[order], seed))
    assert fit.order == order
    assert fit.residual < 0.03


@given(st.floats(-2, 2), st.floats(0.01, 1e6))
def test_the_slope_of_a_power_is_its_exponent(exponent: float, level: float) -> None:
    fit = fitted({float(size): level * size**exponent for size in SIZES})
    assert fit.exponent == pytest.approx(exponent, abs=1e-6)
    assert log10(fit.growth) == pytest.approx(5 * exponent, abs=1e-6)


@pytest.mark.parametrize("sizes", [(1, 2), (1, 2, 4)])
def test_too_few_sizes_tell_a_slope_and_no_order(sizes: tuple[int, ...]) -> None:
    fit = fitted({float(size): 1_000.0 * size for size in sizes})
    assert (fit.order, round(fit.exponent, 6), fit.growth) == ("-", 1.0, sizes[-1])
    assert fit.residual < 1e-9


def test_what_lies_far_from_every_order_has_a_large_residual() -> None:
    assert fitted(dict(zip(map(float, SIZES), (1, 9, 1, 9, 1, 9), strict=True))).residual > 0.3


def test_no_order_is_seen_in_what_the_noise_explains() -> None:
    figures = dict(zip(map(float, SIZES), (10.0, 10.1, 10.2, 10.9, 11.5, 12.4), strict=True))
    assert [fitted(figures, noise).order for noise in (0.0, 0.02, 0.1)] == ["O(log n)", "O(log n)", "O(1)"]


def test_a_constant_amid_much_noise_is_seldom_taken_for_more() -> None:
    found = [fitted(noisy(PLANTED["O(1)"], seed, off=0.1)).order for seed in range(200)]
    assert found.count("O(1)") > 180


def test_a_falling_figure_is_no_growth() -> None:
    fit = fitted({float(size): 1_000.0 / size for size in SIZES})
    assert (fit.order, round(fit.exponent, 6)) == ("O(1)", -1.0)


# -- the table and the picture ---------------------------------------------------------------------------------------


def curve(figure: Callable[[float], float], *, zero: bool = False, line: str = "in process") -> Curve:
    sizes = (*((0,) if zero else ()), *SIZES)
    points = {size: series([figure(size or 1)]) for size in sizes}
    return Curve("Time of a call", line, "sessions stored", "µs", 1, points, "caches")


def test_a_flat_curve_needs_no_reason_and_one_that_grows_has_one() -> None:
    flat, grown = curve(PLANTED["O(1)"]), curve(PLANTED["O(n)"])
    fits = [fitted({size: each.median for size, each in found.points.items()}) for found in (flat, grown)]
    rows = orders([flat, grown], fits).rows
    assert [(row[3], row[5]) for row in rows] == [("O(1)", ""), ("O(n)", "caches")]
    assert {row[1] for row in rows} == {"10 to 1,000,000 sessions stored"}


def test_curves_of_one_name_share_a_chart_whose_note_tells_their_orders() -> None:
    first, second = curve(PLANTED["O(1)"]), curve(PLANTED["O(n)"], line="at the store")
    fits = [fitted({size: each.median for size, each in found.points.items()}) for found in (first, second)]
    (chart,) = charts([first, second], fits)
    assert [line.name for line in chart.lines] == ["in process", "at the store"]
    assert [line.note.partition(",")[0] for line in chart.lines] == ["O(1)", "O(n)"]


def test_every_word_of_a_picture_is_a_text_and_it_says_what_it_shows() -> None:
    chart = Chart(
        "A <title> & more", "sessions", "µs", [Line("a", [(1, 2), (10, 3)], "flat"), Line("b", [(1, 5), (10, 6)])]
    )
    svg = page([chart], "What <it> shows")
    assert {"A <title> & more", "a: flat", "b", "sessions", "µs"} <= set(texts(svg))
    assert parsed(svg).findtext(f"{SVG}title") == "What <it> shows"


def test_a_picture_has_a_ground_and_inks_of_its_own_in_light_and_dark() -> None:
    svg = page([Chart("t", "x", "y", [Line("a", [(1, 2), (2, 3)])])], "d")
    light, _, dark = svg.partition("@media (prefers-color-scheme: dark)")
    for part in ("text {", ".ground {", ".grid {", ".quiet {", ".a {"):
        assert part in light, part
        assert part in dark, part
    assert '<rect class="ground"' in svg


@given(
    st.lists(
        st.tuples(st.integers(0, 10**7), st.floats(0.001, 1e7, allow_nan=False)),
        min_size=2,
        max_size=8,
        unique_by=lambda point: point[0],
    )
)
def test_every_point_lies_inside_its_chart(points: list[tuple[float, float]]) -> None:
    svg = page([Chart("t", "x", "y", [Line("a", sorted(points))])], "d")
    root = parsed(svg)
    wide, high = float(root.get("width", 0)), float(root.get("height", 0))
    dots = list(root.iter(f"{SVG}circle"))
    assert len(dots) == len(points)
    for dot in dots:
        assert 0 < float(dot.get("cx", -1)) < wide
        assert 0 < float(dot.get("cy", -1)) < high


VALUES = st.lists(st.floats(0.001, 1e9, allow_nan=False), min_size=1, max_size=12)


@pytest.mark.parametrize("make", [across_axis, up_axis])
@given(values=VALUES)
def test_an_axis_keeps_order_and_covers_its_values(make: Callable[[list[float]], Axis], values: list[float]) -> None:
    made = make(values)
    places = [made.place(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(-1e-6 <= each <= 1 + 1e-6 for each in places)
    assert made.place(made.ticks[0]) == pytest.approx(0)
    assert made.place(made.ticks[-1]) == pytest.approx(1)


@given(VALUES)
def test_figures_that_lie_near_each_other_stand_above_zero_so_that_their_ratio_is_seen(values: list[float]) -> None:
    linear = max(values) / min(values) < 20
    assert (up_axis(values).ticks[0] == 0) is linear


def test_the_sizes_are_the_ticks_and_nothing_stands_left_of_all() -> None:
    made = across_axis([0, 10, 100, 10_000])
    assert list(made.ticks) == [0, 10, 100, 10_000]
    assert [made.place(size) for size in made.ticks] == [0, 0.25, 0.5, 1]


def test_workers_that_do_not_share_the_work_have_a_reason() -> None:
    points = [{1: series([1000.0]), 2: series([rate])} for rate in (1100.0, 1950.0)]
    curves = [Curve("Throughput", "SQLite", "workers", "requests/s", 0, each, "a lock") for each in points]
    fits = [fitted({size: found.median for size, found in each.points.items()}) for each in curves]
    assert [row[5] for row in orders(curves, fits).rows] == ["a lock", ""]


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (0.5, "0.5"), (20, "20"), (5_000, "5k"), (1_000_000, "1M")])
def test_ticks_are_short(value: float, text: str) -> None:
    assert short(value) == text


# -- the contract that grows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", OPERATIONS[:3])
def test_a_made_contract_has_as_many_operations_as_it_says(count: int, tmp_path: Path) -> None:
    path = tmp_path / "contract.json"
    path.write_text(json.dumps(made_contract(count)), "utf-8")
    assert len(read_file(path).operations) == count
