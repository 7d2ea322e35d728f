"""Tables as text, and the sizes of differences."""

from __future__ import annotations

import numpy as np
import pytest

from common.tables import at_most, table


@pytest.mark.parametrize(
    ("x", "written"),
    [
        (0.0, "0"),
        (0, "0"),
        (1e-15, "≤ 1e-15"),
        (1.0000001e-15, "≤ 1e-14"),
        (3.3e-16, "≤ 1e-15"),
        (9.99e-7, "≤ 1e-6"),
        (0.5, "≤ 1e0"),
        (1, "≤ 1e0"),
        (250, "≤ 1e3"),
        (5e-324, "≤ 1e-323"),
        (np.float32(1e-3), "≤ 1e-3"),
        (np.float64(2e-3), "≤ 1e-2"),
        (np.array(1e-3, np.float32), "≤ 1e-3"),
        (np.int64(10), "≤ 1e1"),
    ],
)
def test_at_most_rounds_up_to_a_power_of_ten(x, written):
    assert at_most(x) == written


def test_at_most_keeps_every_power_of_ten_in_both_dtypes():
    for power in range(-30, 30):
        for number in (float(f"1e{power}"), np.float64(f"1e{power}"), np.float32(f"1e{power}")):
            assert at_most(number) == f"≤ 1e{power}"
            assert at_most(number * 1.1) == f"≤ 1e{power + 1}"


@pytest.mark.parametrize("x", [np.nan, np.inf, -np.inf, -1e-9])
def test_at_most_refuses_what_is_not_a_size(x):
    with pytest.raises(ValueError, match="x: expected the size of a difference, finite and not negative, got"):
        at_most(x)


@pytest.mark.parametrize("x", ["1e-3", None, True, [1e-3], np.ones(2), 1j])
def test_at_most_refuses_what_is_not_one_number(x):
    with pytest.raises(TypeError, match="x: expected one number"):
        at_most(x)


def test_a_table_aligns_numbers_right_and_bounds_left():
    text = table([("h", at_most(3e-16), 1.5, True), ("dW_x", at_most(0.0), 10, False)], ["", "worst", "size", "same"])
    assert text == (
        "      worst    size  same\n────  ───────  ────  ────\nh     ≤ 1e-15  1.50  yes\ndW_x  0          10  no"
    )


def test_a_table_names_the_row_of_another_length():
    with pytest.raises(ValueError, match="rows: row 1 has 1 entries, expected 2"):
        table([(1, 2), (3,)], ["a", "b"])
