"""Commands on orders: placing them alone or in pairs, amending, replacing, canceling."""

from dataclasses import replace
from uuid import UUID

from trading.commands import (
    AmendOrder,
    CancelAll,
    CancelAllAfter,
    CancelOrder,
    PlaceOrder,
    PlacePair,
    ReplaceOrder,
)
from trading.engine import admission, judging, refusals
from trading.engine.book import BookOrder
from trading.engine.effects import Effects
from trading.engine.living import pair_need
from trading.engine.market import Market
from trading.engine.refusals import MalformedOrder, OrderUnknown
from trading.engine.state import UNTRIGGERED
from trading.engine.terms import TRIGGERED_TYPES, Terms
from trading.engine.triggering import Triggering

REPLACED = "replaced"
ONLY_BY_ITSELF = "Only an order by itself can be judged without being placed."
DEAD_MAN_SECONDS_MAX = 86_400


class Changing(Triggering):
    """What an investor may ask for."""

    def place(self, command: PlaceOrder, effects: Effects) -> BookOrder:
        """Judge, match and rest an order.

        :raises Refusal: with the code of what was wrong; nothing has changed.
        """
        order, market, planned = self.judge(command, effects)
        first_trade = len(effects.trades)
        self.accept(order, market, planned, effects)
        if order.terms is not None:
            self.fire_if_met(order, market, effects)
        self.after_command(market, first_trade, effects)
        return order

    def validate(self, command: PlaceOrder, effects: Effects) -> BookOrder:
        """The order as it would come in, holding what it would need. Changes nothing.

        :raises Refusal: what it would be refused for.
        """
        order, _, planned = self.judge(command, effects)
        order.held = judging.needed_funds(order, planned)
        return order

    def place_pair(self, command: PlacePair, effects: Effects) -> tuple[BookOrder, BookOrder]:
        """Two orders of which one cancels the other, both or none.

        :raises Refusal: what is wrong with the pair, or with one of them.
        """
        _check_pair(command.first, command.second)
        judged = [self.judge(each, effects) for each in (command.first, command.second)]
        orders = [order for order, _, _ in judged]
        market = judged[0][1]
        quantity = min(order.quantity or 0 for order in orders)
        for order in orders:
            order.quantity = quantity  # both reduce-only: cut down alike
            order.terms = replace(order.terms or Terms(), link_id=command.id)
        self.check_available(orders[0], market, pair_need(orders))
        first_trade = len(effects.trades)
        # Who waits comes first, so that both are there when the other one trades.
        for order, _, planned in sorted(judged, key=lambda each: each[0].status != UNTRIGGERED):
            self.accept(order, market, planned, effects)
        for order in orders:
            self.fire_if_met(order, market, effects)
        self.after_command(market, first_trade, effects)
        return orders[0], orders[1]

    def replace(self, command: ReplaceOrder, effects: Effects) -> tuple[BookOrder, BookOrder]:
        """Cancel an order and place another in its stead; what the old one held is free for it.

        :raises OrderUnknown: the old order does not live.
        :raises Refusal: what is wrong with the new one; the old one stays.
        """
        old = self.find_own(command.investor_id, command.order_id, None)
        new = command.order
        market = self.markets_by_id[old.listing_id]
        _check_replacement(old, new, market, command.investor_id)
        order, market, planned = self.judge(new, effects, freed=old.held)
        order.terms = replace(order.terms or Terms(), replaces=old.id)
        first_trade = len(effects.trades)
        self.pull(old, REPLACED, effects)
        self.accept(order, market, planned, effects)
        self.fire_if_met(order, market, effects)
        self.after_command(market, first_trade, effects)
        return order, old

    # Amending.

    def amend(self, command: AmendOrder, effects: Effects) -> BookOrder:
        """Change a live order under its own id.

        With nothing but a smaller quantity or display it keeps its place; else it comes in anew.

        :raises OrderUnknown: the order does not live.
        :raises Refusal: the listing takes no changes now, or what is wrong with the order as it
            would be; nothing has changed.
        """
        order = self.find_own(command.investor_id, command.order_id, command.client_order_id)
        market = self.markets_by_id[order.listing_id]
        admission.check_amend(market)
        draft = judging.draft_of(order)
        draft.taker_fee_e6 = self.rates_of(order)[1]
        judging.amend_draft(draft, command, market)
        if order.status == UNTRIGGERED:
            self._amend_waiting(order, draft, market, effects)
        elif judging.only_shrinks(order, draft, command):
            self._amend_in_place(order, draft, market, effects)
        else:
            self._amend_anew(order, draft, market, effects)
        return order

    def _amend_in_place(
        self, order: BookOrder, draft: BookOrder, market: Market, effects: Effects
    ) -> None:
        judging.size(draft, market)
        judging.save(order, effects.undo)
        side = market.book.side_of(order)
        side.reshape(order, draft.leaves, draft.terms, effects.undo)
        order.quantity = draft.quantity
        assert order.price is not None
        effects.add_level(market, order.is_buy, order.price)
        effects.amend(order)
        self.rehold(order, market, effects)
        self.tell_amended(order, market, effects, keeps_place=True)

    def _amend_waiting(
        self, order: BookOrder, draft: BookOrder, market: Market, effects: Effects
    ) -> None:
        """Other trigger, limit or quantity of an order that waits for a price."""
        if draft.terms is not None and draft.terms.triggered_at is not None:
            raise OrderUnknown("The order has been triggered and is about to come in.")
        admission.check_amended(draft, market)
        judging.size(draft, market)
        self.check_funds(draft, market, judging.NO_FILLS, self.group_hold(order))
        self.take_away(order, market, effects)
        judging.save(order, effects.undo)
        judging.take_over(order, draft)
        waiting = market.conditions()
        waiting.add(order)
        effects.undo.append((waiting.remove, (order,)))
        effects.amend(order)
        self.rehold(order, market, effects)
        self.tell_amended(order, market, effects, keeps_place=True)
        self.fire_if_met(order, market, effects)
        self.after_command(market, len(effects.trades), effects)

    def _amend_anew(
        self, order: BookOrder, draft: BookOrder, market: Market, effects: Effects
    ) -> None:
        """As if it came in now: at the back of its price, or matched at once."""
        admission.check_amended(draft, market)
        judging.size(draft, market)
        freed = self.group_hold(order)
        planned = judging.plan_fills(draft, market, self.budget(draft, market, freed))
        self.check_funds(draft, market, planned, freed)
        first_trade = len(effects.trades)
        self.take_away(order, market, effects)
        judging.save(order, effects.undo)
        self.unindex(order, effects)
        self.set_hold(order, market, 0, effects)
        judging.take_over(order, draft)
        effects.amend(order)
        order.priority = self.tell_amended(order, market, effects, keeps_place=False)
        self.execute(order, market, planned, effects)
        self.after_command(market, first_trade, effects)

    # Canceling.

    def cancel(self, command: CancelOrder, effects: Effects) -> BookOrder:
        """Take an own live order out.

        :raises OrderUnknown: no such live order of this investor. A closed one is
            known to the batch, if it was lately, else to the database.
        """
        order = self.find_own(command.investor_id, command.order_id, command.client_order_id)
        self.pull(order, "requested", effects)
        return order

    def cancel_all(self, command: CancelAll, effects: Effects) -> int:
        """Take all of an investor's live orders out; return how many there were.

        :raises refusals.ListingUnknown: it names a listing that is not here.
        """
        market = None if command.listing is None else self.markets.get(command.listing)
        if command.listing is not None and market is None:
            raise refusals.ListingUnknown
        own = [
            order
            for order in self.orders_of.get(command.investor_id, {}).values()
            if market is None or order.listing_id == market.rules.id
        ]
        self.pull_own(own, "requested", effects)
        return len(own)

    def cancel_all_after(self, command: CancelAllAfter, effects: Effects) -> float | None:
        """Wind an investor's dead-man switch up; return when it fires, None: it is off.

        :raises MalformedOrder: the time is not between now and a day from now.
        """
        if not 0 <= command.timeout_seconds <= DEAD_MAN_SECONDS_MAX:
            raise MalformedOrder("The time-out is 0 (off) to 86,400 seconds.")
        seconds = command.timeout_seconds
        due = effects.now + seconds if seconds else None
        self.set_dead_man(command.investor_id, due, effects)
        return due

    def find_own(
        self, investor_id: int, order_id: UUID | None, client_order_id: str | None
    ) -> BookOrder:
        """:raises OrderUnknown: this investor has no such live order."""
        own = self.orders_of.get(investor_id, {})
        if order_id is not None:
            order = own.get(order_id)
        elif client_order_id is not None:
            same = (o for o in own.values() if o.client_order_id == client_order_id)
            order = next(same, None)
        else:
            order = None  # named by nothing: not any one without a client_order_id
        if order is None:
            raise OrderUnknown
        return order


def _check_pair(first: PlaceOrder, second: PlaceOrder) -> None:
    if (first.investor_id, first.listing, first.side) != (
        second.investor_id,
        second.listing,
        second.side,
    ):
        raise MalformedOrder("A pair is one investor's, in one listing and on one side.")
    if first.id == second.id or first.quantity_units is None:
        raise MalformedOrder("A pair is two orders by quantity.")
    if first.client_order_id is not None and first.client_order_id == second.client_order_id:
        raise MalformedOrder("Each order of a pair has its own client_order_id.")
    if first.validate_only or second.validate_only:
        raise MalformedOrder(ONLY_BY_ITSELF)
    if first.quantity_units != second.quantity_units:
        raise MalformedOrder("Both orders of a pair are for the same quantity.")
    if first.reduce_only != second.reduce_only:
        raise MalformedOrder("Either both orders of a pair are reduce-only, or none.")
    if not {first.type, second.type} & TRIGGERED_TYPES or "market" in (first.type, second.type):
        raise MalformedOrder("A pair is a limit and a trigger, or two triggers.")
    if first.time_in_force in ("ioc", "fok") or second.time_in_force in ("ioc", "fok"):
        raise MalformedOrder("Both orders of a pair last.")
    for each in (first, second):
        if each.close_take_profit_units is not None or each.close_stop_loss_units is not None:
            raise MalformedOrder("An order of a pair opens nothing that another closes.")


def _check_replacement(old: BookOrder, new: PlaceOrder, market: Market, investor_id: int) -> None:
    side = "buy" if old.is_buy else "sell"
    if (new.investor_id, new.listing, new.side) != (investor_id, market.rules.symbol, side):
        raise MalformedOrder("A replacement is for the same listing and side.")
    if old.terms is not None and old.terms.link_id is not None:
        raise MalformedOrder("An order of a pair is canceled, not replaced.")
    if new.validate_only:
        raise MalformedOrder(ONLY_BY_ITSELF)
