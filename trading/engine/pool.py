"""A pool in memory: books, balances and eligibility, and what commands do to them.

Pure: no clock, no database. Every change is noted in the batch's `Effects`, so
it can be written down once or undone whole. A command that is refused has
changed nothing, because everything is decided on a plan before it is applied.
See docs/matching.md for the rules. From the ground up: `state` (what there is),
`living` (holds, ends, linked orders), `placing`, `triggering` (prices and time),
`changing` (commands), and here the facts that come from outside.
"""

from kernel.refusals import Refusal
from trading.engine import admission, phases
from trading.engine.book import BookOrder
from trading.engine.changing import Changing
from trading.engine.effects import Effects, Transfer
from trading.engine.living import age
from trading.engine.market import Eligibility, Market, Rules
from trading.engine.refusals import InsufficientFunds
from trading.engine.state import OPEN, UNTRIGGERED, TransferRequest
from trading.engine.stops import KILL_SWITCH


class Pool(Changing):
    """The state that one engine owns, and all that can happen to it."""

    def set_eligibility(self, investor_id: int, eligibility: Eligibility, effects: Effects) -> None:
        """Take over a new snapshot and pull what it no longer allows."""
        before = self.eligibility.get(investor_id)
        effects.undo.append((self._restore_eligibility, (investor_id, before)))
        self.eligibility[investor_id] = eligibility
        for order in sorted(self.orders_of.get(investor_id, {}).values(), key=age):
            self._pull_if_forbidden(order, effects)

    def _restore_eligibility(self, investor_id: int, before: Eligibility | None) -> None:
        if before is None:
            del self.eligibility[investor_id]
        else:
            self.eligibility[investor_id] = before

    def set_rules(self, rules: Rules, effects: Effects) -> None:
        """Take over a listing's new rules and pull what they no longer allow."""
        market = self.markets_by_id.get(rules.id)
        if market is None:
            market = self.add_market(rules)
            effects.undo.append((self._forget_market, (rules,)))
        effects.undo.append((_restore_rules, (market, market.rules)))
        market.rules = rules
        effects.restated.add(rules.symbol)
        effects.add_event(market, "rules", rules.state)
        phases.review(self, market, effects)
        for order in self.live_orders(market):
            self._pull_if_forbidden(order, effects)
        self.look_again(market, effects)
        if self.fired:
            self.run_fired(effects)

    def live_orders(self, market: Market) -> list[BookOrder]:
        """All live orders of a listing: in its book, and those that wait for a price."""
        sides = (market.book.bids, market.book.asks)
        found = [order for side in sides for level in side for order in level]
        if market.waiting:
            found += market.waiting.orders()
        return found + [order for order in self.fired if order.listing_id == market.rules.id]

    def _forget_market(self, rules: Rules) -> None:
        del self.markets[rules.symbol], self.markets_by_id[rules.id]

    def _pull_if_forbidden(self, order: BookOrder, effects: Effects) -> None:
        if order.id not in self.orders:
            return  # gone with the order it was linked to
        rules = self.markets_by_id[order.listing_id].rules
        sender = self.eligibility.get(order.investor_id)
        try:
            admission.check_sender(sender, rules, is_buy=order.is_buy)
            admission.check_stays(order, rules)
        except Refusal as refusal:
            self.pull(order, refusal.code, effects)
        else:
            if self.stops.cover(order, sender):
                self.pull(order, KILL_SWITCH, effects)

    def transfer(self, asked: TransferRequest, effects: Effects) -> None:
        """Let units in from custody, or out to it as far as they are available."""
        refused = ""
        if not asked.is_in and self.available(asked.investor_id, asked.asset_id) < asked.units:
            refused = InsufficientFunds.code
        funds = self.funds_of(asked.investor_id, asked.asset_id, effects)
        if not refused:
            funds.posted += asked.units if asked.is_in else -asked.units
        effects.transfers.append(Transfer(asked.id, funds, asked.units, asked.is_in, refused))

    def check_invariants(self, *, is_read: bool = False) -> None:
        """Raise AssertionError when holds and orders disagree; for tests and rebuilds.

        :param is_read: as stored just now: what has come since the last batch, such as the end
            of an auction, has not been taken, so books may be crossed where nothing says why.
        """
        held: dict[tuple[int, int], int] = {}
        for market in self.markets_by_id.values():
            may_cross = is_read or not market.guard.allows.takes
            market.book.check_invariants(may_cross=may_cross)
        for order in self.orders.values():
            rules = self.markets_by_id[order.listing_id].rules
            key = (order.investor_id, rules.quote_id if order.is_buy else rules.base_id)
            held[key] = held.get(key, 0) + order.held
            assert order.status == (UNTRIGGERED if order.level is None else OPEN)
        for legs in self.legs.values():
            assert sum(leg.held > 0 for leg in legs) <= 1, "a pair holds once"
        for key, funds in self.funds.items():
            assert funds.held == held.get(key, 0), "a hold belongs to a live order"
            assert 0 <= funds.held <= funds.posted


def _restore_rules(market: Market, rules: Rules) -> None:
    market.rules = rules
