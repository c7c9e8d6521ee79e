"""Dividing a block's fill among its orders: whole units, the sums exact.

Each order first gets its part rounded down; what is left goes, a unit each, to
those whose part was cut the most (largest remainder). Whoever counts again, in
whatever order, gets the same answer: ties go by the order's id.
"""

from collections.abc import Mapping
from uuid import UUID


def divide(units: int, weights: Mapping[UUID, int]) -> dict[UUID, int]:
    """`units` in parts by weight that add up to it; none is negative.

    No part is larger than its weight when `units` is not larger than all of them.
    """
    assert units >= 0
    assert all(weight >= 0 for weight in weights.values())
    whole = sum(weights.values())
    if whole == 0:
        assert units == 0, "nothing to divide by"
        return dict.fromkeys(weights, 0)
    parts, cut = {}, {}
    for key, weight in weights.items():
        parts[key], cut[key] = divmod(units * weight, whole)
    left = units - sum(parts.values())
    for key in sorted(weights, key=lambda key: (-cut[key], key))[:left]:
        parts[key] += 1
    return parts
