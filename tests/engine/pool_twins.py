"""The fast pool and its obvious twin, given the same commands and compared after each."""

import copy
from collections.abc import Callable
from dataclasses import astuple
from typing import Any
from uuid import UUID

from kernel.refusals import Refusal
from tests.desk import ALICE, BOB, CAROL, CASH_ID, TOKEN_ID, Desk
from tests.engine.naive_judging import Life, Refused
from tests.engine.naive_pool import NaivePool
from trading.commands import (
    AmendOrder,
    CancelAll,
    CancelAllAfter,
    CancelOrder,
    PlaceOrder,
    PlacePair,
    ReplaceOrder,
)
from trading.engine.book import BookOrder
from trading.engine.effects import Effects
from trading.engine.sessions import Session, Sessions, Stretch

NOW, DAY = 1_000.0, 100.0
CASH, TOKENS = 2_500_000_000, 2_500_000_000
INVESTORS = (ALICE, BOB, CAROL)
LINKS = {"previous", "next", "level"}
FIELDS = [name for name in dir(BookOrder) if not name.startswith("_") and name not in LINKS]


class PoolTwins:
    """One listing, three investors. A batch lasts until `commit` or `go_back`."""

    def __init__(self) -> None:
        desk = Desk(collar_e6=100_000_000, band_e6=0)
        self.fast, self.market = desk.pool, desk.market
        for (_, asset), funds in self.fast.funds.items():
            funds.posted = CASH if asset == CASH_ID else TOKENS  # little: some orders are too much
        self.fast.outlook.sessions = Sessions([_day(n * DAY) for n in range(200)])
        rules = self.market.rules
        self.naive = NaivePool(
            {
                (investor, asset == CASH_ID): funds.posted
                for (investor, asset), funds in self.fast.funds.items()
            },
            tick=rules.tick,
            lot=rules.lot,
            min_cash=rules.min_cash,
            maker_e6=rules.maker_fee_e6,
            taker_e6=rules.taker_fee_e6,
            protection_e6=rules.protection_e6,
            now=NOW,
            day=DAY,
        )
        self.total = {asset: self._total(asset) for asset in (CASH_ID, TOKEN_ID)}
        self.effects = Effects(1, NOW)
        self.placed: dict[UUID, BookOrder] = {}  # those that came by a command and were taken
        self.children: list[BookOrder] = []  # those the pool made itself
        self._saved = self._save()

    # Commands, to both.

    def place(self, command: PlaceOrder) -> None:
        before = self.state()
        valid = self._code(lambda: self.fast.validate(command, self.effects))
        assert self.state() == before, "judging changes nothing"
        assert (
            self._both(
                lambda: self.fast.place(command, self.effects),
                lambda: self.naive.place(command),
            )
            == valid
        )

    def pair(self, command: PlacePair) -> None:
        self._both(
            lambda: self.fast.place_pair(command, self.effects),
            lambda: self.naive.place_pair(command),
        )

    def replace(self, old: BookOrder, new: PlaceOrder) -> None:
        command = ReplaceOrder(investor_id=old.investor_id, order_id=old.id, order=new)
        self._both(
            lambda: self.fast.replace(command, self.effects),
            lambda: self.naive.replace(command),
        )

    def amend(self, order: BookOrder, **fields: Any) -> None:
        command = AmendOrder(investor_id=order.investor_id, order_id=order.id, **fields)
        self._both(
            lambda: self.fast.amend(command, self.effects), lambda: self.naive.amend(command)
        )

    def cancel(self, order: BookOrder) -> None:
        command = CancelOrder(investor_id=order.investor_id, order_id=order.id)
        self.fast.cancel(command, self.effects)
        self.naive.cancel(order.id)

    def cancel_all(self, investor: int) -> None:
        count = self.fast.cancel_all(CancelAll(investor_id=investor), self.effects)
        assert count == self.naive.cancel_all(investor)

    def wind_up(self, investor: int, seconds: int) -> None:
        command = CancelAllAfter(investor_id=investor, timeout_seconds=seconds)
        due = self.fast.cancel_all_after(command, self.effects)
        self.naive.dead_men.pop(investor, None)
        if due is not None:
            self.naive.dead_men[investor] = self.naive.now + seconds
        assert due == self.naive.dead_men.get(investor)

    def set_reference(self, price: int) -> None:
        self.effects.undo.append((setattr, (self.market, "reference", self.market.reference)))
        self.market.reference = price
        self.fast.look(self.market, "index", (price,), self.effects)
        self.fast.run_fired(self.effects)
        self.naive.set_reference(price)

    def advance(self, seconds: float) -> None:
        """A new batch, later."""
        self.commit()
        self.effects = Effects(self.effects.batch_no + 1, self.effects.now + seconds)
        self.fast.end_due(self.effects)
        self.fast.run_fired(self.effects)
        self.naive.advance(self.effects.now)

    def _both(self, fast: Callable[[], object], naive: Callable[[], object]) -> str:
        """Refused by both with one code, or by none."""
        code, obvious = self._code(fast), ""
        try:
            naive()
        except Refused as refused:
            obvious = str(refused)
        assert code == obvious
        return code

    @staticmethod
    def _code(act: Callable[[], object]) -> str:
        try:
            act()
        except Refusal as refusal:
            return refusal.code
        return ""

    # Comparing.

    def live(self) -> list[BookOrder]:
        """Live orders that have the same id on both sides."""
        return [order for order in self.fast.orders.values() if order.id in self.naive.orders]

    def compare(self) -> None:
        self._note_new()
        self.fast.check_invariants()
        assert not self.fast.fired
        for side in (self.market.book.bids, self.market.book.asks):
            found = [(lv.price, [order.id for order in lv], lv.quantity) for lv in side]
            assert found == self.naive.book.levels(side.is_bids)
        waiting = self.market.waiting.orders() if self.market.waiting else []
        waiting.sort(key=lambda order: order.priority)
        assert [_life(order) for order in waiting] == [_naive(o) for o in self.naive.waiting()]
        for id, order in self.placed.items():
            assert _life(order) == _naive(self.naive.orders[id])
        assert [_life(order) for order in self.children] == [_naive(o) for o in self.naive.children]
        assert self.market.last == self.naive.last
        assert self.fast.timers.dead_men == self.naive.dead_men
        self._compare_money()

    def _compare_money(self) -> None:
        for (investor, asset), funds in self.fast.funds.items():
            key = (investor, asset == CASH_ID)
            assert (funds.posted, funds.held) == (self.naive.posted[key], self.naive.held(*key))
        assert self._total(TOKEN_ID) == self.total[TOKEN_ID], "no token comes or goes"
        assert self._total(CASH_ID) + self.naive.fees == self.total[CASH_ID], "no cash either"

    def _note_new(self) -> None:
        known = {order.id for order in self.children}
        for id, order in self.effects.new.items():
            if id in self.naive.orders:
                self.placed[id] = order
            elif order.terms is not None and order.terms.parent_id and id not in known:
                self.children.append(order)

    def _total(self, asset: int) -> int:
        return sum(funds.posted for (_, of), funds in self.fast.funds.items() if of == asset)

    # Going back.

    def state(self) -> Any:
        """Everything the fast pool holds, as plain values."""
        pool, market = self.fast, self.market
        return {
            "books": [
                [(lv.price, lv.quantity, lv.icebergs, [order.id for order in lv]) for lv in side]
                for side in (market.book.bids, market.book.asks)
            ],
            "orders": {id: _fields(order) for id, order in pool.orders.items()},
            "owners": {who: set(own) for who, own in pool.orders_of.items()},
            "waiting": {order.id for order in market.waiting.orders()} if market.waiting else set(),
            "met": self._met(),
            "legs": {link: {leg.id for leg in legs} for link, legs in pool.legs.items()},
            "fired": [order.id for order in pool.fired],
            "dead men": dict(pool.timers.dead_men),
            "funds": {key: (funds.posted, funds.held) for key, funds in pool.funds.items()},
            "market": (market.event_seq, market.trade_no, market.last, market.reference),
            "timers": self._timers(),
        }

    def _met(self) -> list[Any]:
        """Whom a price would fire, for prices all over."""
        waiting = self.market.waiting
        if waiting is None:
            return []
        prices = range(80_000_000, 121_000_000, 1_000_000)
        return [
            found
            for source in ("last", "index")
            for price in prices
            if (found := [order.id for order in waiting.fired_by(source, price)])
        ]

    def _timers(self) -> set[tuple[float, int]]:
        """What the timers will end, whatever else they have in them."""
        return {
            (moment, order_id)
            for moment, order_id, _ in self.fast.timers._heap
            if order_id and UUID(int=order_id) in self.fast.orders
        }

    def _save(self) -> tuple[Any, ...]:
        return (
            self.state(),
            copy.deepcopy(self.naive),
            dict(self.placed),
            list(self.children),
        )

    def commit(self) -> None:
        self.effects = Effects(self.effects.batch_no + 1, self.effects.now)
        self._saved = self._save()

    def go_back(self) -> None:
        """Undo the batch: nothing may differ from before it."""
        state, naive, placed, children = self._saved
        self.effects.roll_back()
        assert self.state() == state
        self.naive = copy.deepcopy(naive)
        self.effects = Effects(self.effects.batch_no, self.naive.now)
        self.placed, self.children = dict(placed), list(children)


def _day(start: float) -> Stretch:
    end = start + DAY
    return Stretch(start, end, Session.REGULAR.value, "1970-01-01", start, end, end, start)


def _fields(order: BookOrder) -> dict[str, Any]:
    fields = {name: getattr(order, name) for name in FIELDS}
    return {**fields, "terms": order.terms and astuple(order.terms)}


def _life(order: BookOrder) -> tuple[Any, ...]:
    terms = order.terms
    return (
        order.investor_id,
        order.is_buy,
        order.type,
        order.price,
        order.quantity,
        order.leaves if order.status in ("open", "untriggered") else None,
        order.filled,
        order.filled_cash,
        order.fee,
        order.fee_millionths,
        order.status,
        order.reason,
        terms.display_units if terms else None,
        terms.trigger_price if terms else None,
        terms.link_id is not None if terms else False,
        terms.parent_id if terms else None,
        terms.expires_at if terms else None,
    )


def _naive(order: Life) -> tuple[Any, ...]:
    return (
        order.investor,
        order.is_buy,
        order.type,
        order.price,
        order.quantity,
        order.leaves if order.lives else None,
        order.filled,
        order.filled_cash,
        order.fee,
        order.fee_millionths,
        order.status,
        order.reason,
        order.display,
        order.trigger,
        order.link is not None,
        order.parent,
        order.expires_at,
    )
