"""An engine that has read everything from PostgreSQL knows what the one before it knew."""

from dataclasses import asdict
from typing import Any

import pytest

from custody.verification.run import verify_ledger
from kernel import clock
from tests.trading.random_orders import TOKEN, USD, RandomOrders
from tests.trading_database import envelopes
from trading import operations
from trading.commands import CancelAllAfter, Command, PlacePair
from trading.engine.book import BookOrder
from trading.engine.pool import Pool
from trading.models import Trade

# Of the batch that took the order; a row has that of the last one that changed it.
NOT_STORED = {"body_hash", "batch_no"}
LINKS = {"previous", "next", "level"}
FIELDS = [
    name for name in dir(BookOrder) if not name.startswith("_") and name not in LINKS | NOT_STORED
]


def order_state(order: BookOrder) -> dict[str, Any]:
    fields = {name: getattr(order, name) for name in FIELDS}
    if order.terms is None:
        # A plain order that rests pays the maker's rate; only an amendment asks for the other.
        del fields["taker_fee_e6"]
        return fields
    return {**fields, "terms": asdict(order.terms)}


def pool_state(pool: Pool) -> dict[str, Any]:
    """Everything that orders and their lives come to, as plain values."""
    return {
        "orders": {str(id): order_state(order) for id, order in pool.orders.items()},
        "owners": {who: sorted(map(str, own)) for who, own in pool.orders_of.items()},
        "books": {
            market.rules.symbol: [
                [
                    (level.price, level.quantity, [str(order.id) for order in level])
                    for level in side
                ]
                for side in (market.book.bids, market.book.asks)
            ]
            for market in pool.markets.values()
        },
        "waiting": {
            market.rules.symbol: sorted(str(order.id) for order in market.waiting.orders())
            for market in pool.markets.values()
            if market.waiting
        },
        "fires at": {
            (market.rules.symbol, source, price): [str(order.id) for order in fired]
            for market in pool.markets.values()
            if market.waiting
            for source in ("last", "index")
            for price in range(80_000_000, 121_000_000, 500_000)
            if (fired := market.waiting.fired_by(source, price))
        },
        "fired": [str(order.id) for order in pool.fired],
        "legs": {
            str(link): sorted(str(leg.id) for leg in legs) for link, legs in pool.legs.items()
        },
        "timers": sorted(
            (order.terms.expires_at, str(order.id))
            for order in pool.orders.values()
            if order.terms is not None and order.terms.expires_at is not None
        ),
        "dead men": pool.timers.dead_men,
        "funds": {key: (funds.posted, funds.held) for key, funds in pool.funds.items()},
        "counters": {
            market.rules.symbol: (market.event_seq, market.book_seq, market.trade_no, market.last)
            for market in pool.markets.values()
        },
    }


def far_away(venue: Any) -> list[Command]:
    """One of each kind that a restart could forget, out of the reach of the others."""
    dia = venue.investor("Dia", usd=50_000, tokens=300)
    later = clock.now().timestamp() + 3_600
    pair = [
        venue.order(dia, "sell", quantity=2, price=130),
        venue.order(dia, "sell", quantity=2, type="stop_loss", trigger_price_units=70 * USD),
    ]
    berg = {"display_units": TOKEN, "time_in_force": "gtd", "expires_at": later}
    return [
        PlacePair(first=pair[0], second=pair[1]),
        venue.order(dia, "buy", quantity=3, price=70, **berg),
        venue.order(dia, "sell", quantity=1, type="trailing_stop", trail_units=40 * USD),
        CancelAllAfter(investor_id=dia, timeout_seconds=600),
    ]


@pytest.mark.parametrize("seed", [11, 12])
def test_a_restart_finds_every_order_hold_trigger_link_and_timer(
    venue: Any, hand_driven: Any, seed: int
) -> None:
    investors = [venue.investor(name, usd=50_000, tokens=300) for name in ("Ann", "Ben", "Cem")]
    orders = RandomOrders(venue.listing.symbol, investors, seed)
    for _ in range(30):
        hand_driven.process(envelopes(*orders.take(20)))
    hand_driven.process(envelopes(*far_away(venue)))
    hand_driven.settle()
    before = pool_state(hand_driven.owned.pool)
    assert all(before[each] for each in ("waiting", "legs", "timers", "dead men", "fires at"))

    hand_driven.drop()
    assert hand_driven.own()

    assert pool_state(hand_driven.owned.pool) == before
    assert verify_ledger().differences == []


def test_an_engine_starts_though_an_auction_ended_while_there_was_none(
    venue: Any, hand_driven: Any
) -> None:
    """Orders have gathered, at prices that cross; by the listing's state they should not."""
    ann, ben = venue.investor("Ann", usd=1_000), venue.investor("Ben", tokens=10)
    set_state(venue, "auction", "a listing's first day")
    hand_driven.process([])
    bid = venue.order(ann, "buy", quantity=2, price=101)
    hand_driven.process(envelopes(bid, venue.order(ben, "sell", quantity=2, price=99)))
    hand_driven.settle()
    set_state(venue, "online", "")

    hand_driven.drop()
    assert hand_driven.own()
    hand_driven.process([])

    assert not hand_driven.owned.pool.orders
    assert Trade.objects.get().quantity_units == 2 * TOKEN


def set_state(venue: Any, state: str, reason: str) -> None:
    operations.set_listing_state(listing_id=venue.listing.pk, state=state, reason=reason)
