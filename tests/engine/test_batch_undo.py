"""A batch that is undone leaves nothing behind, and notes all that it changes in memory.

Whole batches of random commands, with halts, auctions and prices that move in between.
"""

from dataclasses import asdict, replace
from random import Random
from typing import Any

import pytest

from tests.desk import ALICE, BOB, CAROL, TOKEN_ID
from tests.engine.guarded import USD, GuardedDesk
from tests.trading.random_orders import RandomOrders
from trading import batches
from trading.batches import Batch
from trading.commands import Envelope
from trading.engine import phases
from trading.engine.book import BookOrder
from trading.engine.effects import Effects
from trading.engine.pool import Pool
from trading.engine.throttle import Throttle
from trading.recent import Recent

LINKS = {"previous", "next", "level"}
FIELDS = [name for name in dir(BookOrder) if not name.startswith("_") and name not in LINKS]
AMENDED = ("price", "protection_price", "quantity", "post_only", "priority", "terms")
STATES = ("online", "online", "halted", "auction", "post_only", "limit_only")


def order_picture(order: BookOrder) -> dict[str, Any]:
    fields = {name: getattr(order, name) for name in FIELDS}
    return fields | {"terms": asdict(order.terms) if order.terms else None}


def picture(pool: Pool) -> dict[str, Any]:
    """All of a pool with one listing, as plain values."""
    (market,) = pool.markets_by_id.values()
    waiting, timers = market.conditions(), pool.timers
    counters = (market.event_seq, market.book_seq, market.trade_no)
    return {
        "orders": {id: order_picture(order) for id, order in pool.orders.items()},
        "owners": {who: set(own) for who, own in pool.orders_of.items()},
        "legs": {link: {leg.id for leg in legs} for link, legs in pool.legs.items()},
        "closes": {entry: {each.id for each in made} for entry, made in pool.closes.items()},
        "fired": [order.id for order in pool.fired],
        "waiting": {order.id for order in waiting.orders()},
        "fires at": {
            (source, price): [order.id for order in waiting.fired_by(source, price * USD)]
            for source in ("last", "index")
            for price in range(85, 116)
        },
        "timers": {entry for entry in timers._heap if timers._stands(entry, pool.orders)},
        "dead men": dict(timers.dead_men),
        "funds": {key: (funds.posted, funds.held) for key, funds in pool.funds.items()},
        "market": (market.rules, market.guard, market.reference, market.last, counters),
        "book": [
            (level.price, level.quantity, level.count, level.icebergs, [each.id for each in level])
            for side in (market.book.bids, market.book.asks)
            for level in side
        ],
    }


class Run:
    """Batches on one desk, each of them undone once before it counts."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.desk = GuardedDesk(maker_fee_e6=1_000, taker_fee_e6=2_500)
        self.pool, self.market = self.desk.pool, self.desk.market
        investors = [ALICE, BOB, CAROL]
        self.orders = RandomOrders(self.market.rules.symbol, investors, seed)
        self.recent, self.throttle = Recent(), Throttle(per_second=1_000)
        self.tokens = self._tokens()

    def step(self) -> None:
        desk, dice = self.desk, self.dice
        desk.now += dice.choice([1, 1, 2, 5, 16, 61])
        desk.batch_no += 1
        envelopes = [
            Envelope(command, desk.now + 10, "nobody")
            for command in self.orders.take(dice.randint(0, 10))
        ]
        state = dice.choice(STATES) if dice.random() < 0.1 else self.market.rules.state
        price = dice.randint(97, 103) * USD
        before = picture(self.pool)

        self._run(envelopes, state, price).roll_back()
        assert picture(self.pool) == before

        effects = self._run(envelopes, state, price)
        self.pool.check_invariants()
        self._check_noted(before["orders"], effects)
        assert self._tokens() == self.tokens

    def _run(self, envelopes: list[Envelope], state: str, price: int) -> Effects:
        effects, market = Effects(self.desk.batch_no, self.desk.now), self.market
        self.pool.end_due(effects)
        if state != market.rules.state:
            self.pool.set_rules(replace(market.rules, state=state), effects)
        assert market.guard.outside is not None
        outside = market.guard.outside._replace(price=price, published_at=self.desk.now)
        phases.set_outside(self.pool, market, outside, effects)
        batches.run(self.pool, Batch(effects, envelopes, {}), self.recent, self.throttle)
        effects.close_books()
        return effects

    def _check_noted(self, before: dict[Any, dict[str, Any]], effects: Effects) -> None:
        """What is not noted is not written."""
        for id, order in self.pool.orders.items():
            now, then = order_picture(order), before.get(id)
            if then is not None and now != then:
                assert id in effects.changed
                changes = [name for name in AMENDED if now[name] != then[name]]
                assert not changes or id in effects.amended, changes
        for id in before.keys() - self.pool.orders.keys():
            assert effects.changed[id].held == 0
        for order in effects.new.values():
            assert order.held == 0 or order.id in self.pool.orders

    def _tokens(self) -> int:
        return sum(f.posted for (_, asset), f in self.pool.funds.items() if asset == TOKEN_ID)


@pytest.mark.parametrize("seed", range(8))
def test_a_batch_is_undone_whole_and_notes_all_it_changes(seed: int) -> None:
    run = Run(seed)
    for _ in range(120):
        run.step()
    assert run.market.trade_no > 20
