"""Amounts are plain digits or refused; rounding goes where its name says."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel import money
from kernel.money import MalformedAmount, format_units, parse_units, truncate_units

decimals = st.integers(0, 18)


@pytest.mark.parametrize(
    ("text", "places", "units"),
    [
        ("0", 6, 0),
        ("1", 6, 1_000_000),
        ("1.25", 6, 1_250_000),
        ("0.000001", 6, 1),
        ("12", 0, 12),
        ("9223372036854.775807", 6, money.UNITS_MAX),
    ],
)
def test_plain_digits_are_read_exactly(text: str, places: int, units: int) -> None:
    assert parse_units(text, places) == units


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "1 ", " 1", "+1", "-1", "1.", ".5", "01", "00", "1e3", "1E3", "1,000", "1_000",
        "0x10", "NaN", "Infinity", "١", "１", "1.2.3", "1\n", "1\x00", "½", "1.0000000",
        "1.2345678",
        "9223372036854.775808", "9" * 400, None, 1, 1.0, True, b"1", Decimal(1), ["1"],
    ],
)  # fmt: skip
def test_any_other_spelling_is_refused(text: object) -> None:
    with pytest.raises(MalformedAmount):
        parse_units(text, 6)


@given(units=st.integers(0, money.UNITS_MAX), places=decimals)
def test_what_is_written_is_read_back(units: int, places: int) -> None:
    text = format_units(units, places)
    assert parse_units(text, places) == units
    assert Decimal(text) == money.to_decimal(units, places)


@given(text=st.text(max_size=12), places=decimals)
def test_no_text_is_read_as_anything_but_its_decimal_value(text: str, places: int) -> None:
    try:
        units = parse_units(text, places)
    except MalformedAmount:
        return
    assert money.to_decimal(units, places) == Decimal(text)


@given(numerator=st.integers(-(10**30), 10**30), denominator=st.integers(1, 10**18))
def test_rounding_down_and_up_enclose_the_exact_value(numerator: int, denominator: int) -> None:
    down, up = (
        money.floor_div(numerator, denominator),
        money.ceil_div(numerator, denominator),
    )
    assert down * denominator <= numerator <= up * denominator
    assert up - down == (0 if numerator % denominator == 0 else 1)


@given(units=st.integers(-money.UNITS_MAX, money.UNITS_MAX), places=st.integers(0, 6))
def test_display_cuts_towards_zero(units: int, places: int) -> None:
    shown = Decimal(truncate_units(units, 6, places))
    exact = money.to_decimal(units, 6)
    assert abs(shown) <= abs(exact)
    assert abs(exact - shown) < Decimal(1).scaleb(-places)
    assert not truncate_units(units, 6, places).startswith("-0.0") or shown != 0


def test_display_keeps_the_places_asked_for() -> None:
    assert format_units(1_500_000, 6, places_min=2) == "1.50"
    assert format_units(1_234_567, 6, places_min=2) == "1.234567"
    assert format_units(-1, 6) == "-0.000001"
    assert truncate_units(1_999_999, 6, 2) == "1.99"
    assert truncate_units(-9_999, 6, 2) == "0.00"
