"""Market data by /api/v1: the same facts as the feed's, paged so that nothing is missed."""

from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from kernel import clock
from tests.trading_database import engine_database
from trading import candles
from trading.commands import Envelope
from trading.models import Listing
from trading.sequencer import Sequencer

API = "/api/v1/listings/AAPLxUSDC"


class Desk:
    """An engine driven by hand."""

    def __init__(self, venue: Any) -> None:
        self.venue = venue
        self.alice = venue.investor("Alice", usd=100_000)
        self.bob = venue.investor("Bob", tokens=1_000)
        self.engine = Sequencer(
            pool_id=1, database=engine_database(), valkey_url=settings.REDIS_URL
        )
        assert self.engine.own()

    def place(self, side: str, quantity: float, price: float) -> None:
        investor = self.alice if side == "buy" else self.bob
        order = self.venue.order(investor, side, quantity=quantity, price=price)
        self.engine.process([Envelope(order, clock.now().timestamp() + 30, "nobody")])
        self.engine.settle()

    def trade(self, price: float) -> None:
        self.place("sell", 1, price)
        self.place("buy", 1, price)


@pytest.fixture
def desk(venue: Any, valkey_url: str) -> Any:
    made = Desk(venue)
    yield made
    made.engine.drop()


def get(path: str, **parameters: Any) -> Any:
    answer = Client().get(f"{API}/{path}/", parameters)
    assert answer.status_code == 200, answer.content
    return answer.json()


def pages(path: str, during: Any, **parameters: Any) -> list[list[dict[str, Any]]]:
    """Every page to the last; `during` happens between them."""
    found, cursor = [], {}
    while True:
        page = get(path, **parameters, **cursor)
        found.append(page["results"])
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}
        during()


def test_a_ticker_is_level_1_the_day_and_the_state(desk: Desk) -> None:
    desk.trade(100)
    desk.trade(104)
    desk.place("buy", 2, 99)

    told = get("ticker")

    assert (told["bid"], told["bid_quantity"], told["ask"]) == ("99.00", "2", None)
    assert (told["last"], told["change_24h"], told["vwap_24h"]) == ("104.00", "4.00", "102.00")
    assert (told["volume_24h"], told["cash_24h"], told["trades_24h"]) == ("2", "204.00", 2)
    assert (told["state"], told["phase"], told["auction_price"]) == ("online", "continuous", None)
    assert told["seq"] == 5


def test_an_auction_that_gathers_shows_what_it_would_come_to(desk: Desk) -> None:
    Listing.objects.filter(pk=desk.venue.listing.pk).update(state="auction")
    desk.engine.process([])
    desk.engine.settle()
    desk.place("sell", 3, 100)
    desk.place("buy", 2, 102)

    told = get("ticker")

    assert (told["auction_quantity"], told["auction_imbalance"]) == ("2", "-1")
    assert 100 <= float(told["auction_price"]) <= 102
    assert (told["bid"], told["ask"]) == ("102.00", "100.00"), "the book may be crossed"


def test_level_3_is_the_book_in_the_order_of_matching(desk: Desk) -> None:
    for price in (99, 98, 99):
        desk.place("buy", 1, price)
    desk.place("sell", 1, 101)

    told = get("level3")

    assert [row[1] for row in told["bids"]] == ["99.00", "99.00", "98.00"]
    assert told["bids"][0][3] < told["bids"][1][3]
    assert len({row[0] for row in told["bids"] + told["asks"]}) == 4
    assert [row[1] for row in get("level3", limit=1)["bids"]] == ["99.00"]


def test_updates_and_trades_page_without_gap_or_repeat_while_the_market_moves(
    desk: Desk,
) -> None:
    for price in range(90, 100):
        desk.trade(price)

    updates = pages("updates", lambda: desk.trade(100), limit=3)
    trades = pages("trades", lambda: desk.trade(100), limit=3)

    seqs = [row["seq"] for page in updates for row in page]
    assert seqs == list(range(20, 0, -1))
    numbers = [row["trade_no"] for page in trades for row in page]
    assert numbers == list(range(numbers[0], 0, -1))
    told = [trade["trade_no"] for page in updates for row in page for trade in row["trades"]]
    assert told == list(range(10, 0, -1))
    rebuilt: dict[tuple[str, str], str] = {}
    for row in reversed([row for page in updates for row in page]):
        for side in ("bids", "asks"):
            rebuilt |= {(side, price): quantity for price, quantity, _ in row[side]}
    assert set(rebuilt.values()) == {"0"}, "all that rested was taken"


def test_candles_page_back_by_the_first_ones_start(desk: Desk) -> None:
    desk.trade(100)
    candles.count_all()
    desk.trade(110)

    (month,) = get("candles", interval_seconds=2_592_000, adjusted=True)
    (same,) = get("candles", interval_seconds=2_592_000)

    assert month == same, "the multiplier is one"
    assert (month["open"], month["close"], month["vwap"]) == ("100.00", "110.00", "105.00")
    assert month["start_at"].endswith("-01T00:00:00Z")
    assert get("candles", interval_seconds=2_592_000, before=1_000_000_000) == []


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("updates", {"cursor": "x"}, "malformed_cursor"),
    ("updates", {"cursor": "9" * 19}, "malformed_cursor"),
    ("updates", {"limit": 100_000}, "invalid"),
    ("level3", {"limit": 0}, "invalid"),
    ("candles", {"interval_seconds": 61}, "invalid"),
    ("candles", {"before": -1}, "invalid"),
]


def test_what_nobody_can_mean_is_refused(venue: Any) -> None:
    for path, parameters, code in REFUSED:
        answer = Client().get(f"{API}/{path}/", parameters)

        assert (answer.status_code, answer.json()["code"]) == (400, code), (path, parameters)
