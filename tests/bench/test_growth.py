"""Exponents are those of the powers that made the numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl.bench.growth import fit_all, fit_exponent

NUMBERS = st.floats(-3.0, 3.0)


@given(exponent=NUMBERS, log_factor=NUMBERS)
def test_a_power_has_its_exponent(exponent: float, log_factor: float) -> None:
    points = [(float(x), 10.0**log_factor * x**exponent) for x in (1, 2, 3, 8, 40)]
    assert fit_exponent(points) == pytest.approx(exponent, abs=1e-9)


def test_by_hand() -> None:
    """Logarithms to base 2: (0, 0), (1, 0), (2, 3); the slope is sum (x - 1) y / sum (x - 1)^2 = 3 / 2."""
    assert fit_exponent([(1.0, 1.0), (2.0, 1.0), (4.0, 8.0)]) == pytest.approx(1.5)


def test_one_point_has_no_exponent() -> None:
    assert fit_exponent([(8.0, 1.0)]) is None


def test_each_series_has_its_own() -> None:
    def row(name: str, value: int, seconds: float, megabytes: float | None) -> dict[str, object]:
        return {"of": name, "grows": "num_tasks", "value": value, "seconds": {"median": seconds}, "MB": megabytes}

    rows = [row("joint", 1, 1.0, 5.0), row("joint", 4, 1.0, 10.0), row("loop", 1, 1.0, None), row("loop", 4, 4.0, 8.0)]
    joint, loop = fit_all(rows)
    assert (joint["of"], joint["from"], joint["to"], loop["of"]) == ("joint", 1, 4, "loop")
    assert (joint["exponent of time"], joint["exponent of memory"]) == pytest.approx((0.0, 0.5))
    assert loop["exponent of time"] == pytest.approx(1.0)
    assert loop["exponent of memory"] is None, "a process of it died"
