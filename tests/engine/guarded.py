"""A desk whose market has an outside price, a calendar and a clock that tests move."""

from collections.abc import Callable
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from reference.loading import read_trading_days
from reference.sessions import NEW_YORK
from tests.desk import Desk
from trading.engine import phases
from trading.engine.book import BookOrder
from trading.engine.effects import Effects
from trading.engine.protection import Outside
from trading.schedule import sessions_of

USD = 1_000_000
SESSIONS = sessions_of([SimpleNamespace(**row) for row in read_trading_days()])


def at(text: str) -> float:
    """An instant by New York's clock."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()


def refused(place: Callable[[], Any], refusal: type[Exception]) -> dict[str, str]:
    with pytest.raises(refusal) as caught:
        place()
    return dict(caught.value.details)  # type: ignore[attr-defined]


class GuardedDesk(Desk):
    """Each verb is a batch of its own, at the desk's time; the share costs 100 until told."""

    def __init__(self, now: str = "2026-11-24 12:00", *, price: int = 100, **rules: Any) -> None:
        super().__init__(**rules)
        self.pool.outlook.sessions = SESSIONS
        self.now = at(now)
        self.price: float | None = price
        self.close: float = price
        self.is_fresh = True
        self.halt = ""
        self.batch_no = 0
        self.batch()

    def batch(self) -> Effects:
        """A batch without commands: what time and the outside world have changed."""
        self.batch_no += 1
        self.effects = Effects(self.batch_no, self.now)
        self.pool.end_due(self.effects)
        phases.advance(self.pool, self.effects)
        if self.price is not None:
            self._publish(self.price)
        phases.settle(self.pool, self.effects)
        return self.effects

    def _publish(self, price: float) -> None:
        known = self.market.guard.outside
        published_at = self.now if self.is_fresh or known is None else known.published_at
        stretch = SESSIONS.at(self.now)
        assert stretch is not None
        outside = Outside(
            round(price * USD),
            min(published_at, stretch.starts_at) if not stretch.has_prices else published_at,
            round(self.close * USD),
            stretch.last_close_at,
            bool(self.halt),
            self.halt,
        )
        phases.set_outside(self.pool, self.market, outside, self.effects)

    def wait(self, seconds: float) -> Effects:
        self.now += seconds
        return self.batch()

    def until(self, text: str) -> Effects:
        self.now = at(text)
        return self.batch()

    def place(self, investor: int, side: str, **fields: Any) -> BookOrder:
        self.batch()
        order = super().place(investor, side, **fields)
        phases.settle(self.pool, self.effects)
        return order

    @property
    def phase(self) -> str:
        return self.market.guard.phase

    @property
    def band(self) -> tuple[float, float]:
        return self.market.guard.low / USD, self.market.guard.high / USD

    def prices(self) -> list[float]:
        """Of the trades of the running batch."""
        return [record.execution.price / USD for record in self.effects.trades]
