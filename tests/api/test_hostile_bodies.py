"""JSON that cannot be read, or not be told again, is refused with a sentence."""

from typing import Any

import pytest

from tests.partners import Partner

ADDRESSES = ("orders", "orders/pairs", "orders/batch", "orders/cancel-batch", "redemptions")


@pytest.fixture
def alice(venue: Any) -> Partner:
    return Partner.of(venue.investor("Alice"))


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 30_000,
        b'{"listing":' + b'{"a":' * 2_000 + b"1" + b"}" * 2_001,
        b'{"\\ud800": 1}',
        b'{"side": "\\udfff"}',
        b'{"orders": [{"listing": "\\ud800"}, {}]}',
        b'{"order_ids": ["\\ud800"]}',
        b'{"quantity": NaN}',
        b'{"timeout_seconds": -Infinity}',
        b'{"timeout_seconds": ' + b"9" * 5_000 + b"}",
        b"\xff\xfe",
        b"",
        b'"text"',
    ],
)
def test_it_is_a_400_with_our_shape_of_error(alice: Partner, address: str, body: bytes) -> None:
    status, answer = alice.send("POST", f"/api/v1/{address}/", body)

    assert status == 400
    assert set(answer) == {"code", "message", "details"}
    assert len(answer["message"]) < 200
