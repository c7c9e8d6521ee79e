"""A clock and outside prices that a test moves by hand, and an engine that it starts anew."""

from datetime import UTC, datetime, timedelta
from typing import Any

from reference.models import ReferencePrice
from reference.sessions import NEW_YORK

NOON = datetime(2026, 11, 24, 12, tzinfo=NEW_YORK).astimezone(UTC)


class Hand:
    """The kernel's clock in a test's hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **by: float) -> None:
        self.now += timedelta(**by)


def make_price(instrument: Any, dollars: int, at: datetime, **more: Any) -> ReferencePrice:
    return ReferencePrice.objects.create(
        instrument=instrument, price_per_share_micros=dollars * 1_000_000,
        confidence_micros=10_000, published_at=at, received_at=at, session="regular",
        trade_date=at.date(), **more,
    )  # fmt: skip


def publish(price: ReferencePrice, at: datetime, **more: Any) -> None:
    ReferencePrice.objects.filter(pk=price.pk).update(published_at=at, **more)


def restart(engine: Any) -> None:
    engine.settle()
    engine.drop()
    assert engine.own()
