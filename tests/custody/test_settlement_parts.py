"""Dividing a fill: whatever was filled, the parts add up and favour nobody."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.operations.settlement_parts import divide

UNITS = st.integers(min_value=0, max_value=2**62)
WEIGHTS = st.dictionaries(st.uuids(), st.integers(min_value=1, max_value=2**40), min_size=1)


@given(units=UNITS, weights=WEIGHTS)
def test_the_parts_add_up_and_none_is_negative(units: int, weights: dict[UUID, int]) -> None:
    parts = divide(units, weights)

    assert parts.keys() == weights.keys()
    assert sum(parts.values()) == units
    assert min(parts.values()) >= 0


@given(weights=WEIGHTS, data=st.data())
def test_nobody_gets_more_than_was_asked_for(weights: dict[UUID, int], data: st.DataObject) -> None:
    units = data.draw(st.integers(min_value=0, max_value=sum(weights.values())))

    parts = divide(units, weights)

    assert all(parts[key] <= weight for key, weight in weights.items())


@given(units=UNITS, weights=WEIGHTS)
def test_a_part_is_within_a_unit_of_its_share(units: int, weights: dict[UUID, int]) -> None:
    whole = sum(weights.values())

    for key, part in divide(units, weights).items():
        assert abs(part * whole - units * weights[key]) < whole


@given(units=UNITS, weights=WEIGHTS, data=st.data())
def test_the_order_of_the_orders_changes_nothing(
    units: int, weights: dict[UUID, int], data: st.DataObject
) -> None:
    shuffled = dict(data.draw(st.permutations(list(weights.items()))))

    assert divide(units, shuffled) == divide(units, weights)


def test_ties_go_by_the_id() -> None:
    first, second, third = (UUID(int=number) for number in (1, 2, 3))

    assert divide(2, {third: 5, second: 5, first: 5}) == {first: 1, second: 1, third: 0}


def test_of_nothing_nothing_can_be_given() -> None:
    assert divide(0, {UUID(int=1): 0}) == {UUID(int=1): 0}
    with pytest.raises(AssertionError):
        divide(1, {UUID(int=1): 0})
