"""Placing an order: judge it on a plan of its fills, then carry the plan out."""

from kernel.refusals import Refusal
from trading.commands import PlaceOrder
from trading.engine import admission, core, judging, refusals, specials
from trading.engine.book import BookOrder
from trading.engine.effects import Effects, TradeRecord
from trading.engine.fees import buy_hold, cash_text, token_text
from trading.engine.judging import is_spent
from trading.engine.living import LINKED, Living, pair_need
from trading.engine.market import Eligibility, Market
from trading.engine.matching import Plan
from trading.engine.refusals import InsufficientFunds, TooManyOpenOrders
from trading.engine.state import (
    CANCELED,
    EXPIRED,
    FILLED,
    OPEN,
    OPEN_ORDERS_PER_INVESTOR_MAX,
    REFUSED,
    UNTRIGGERED,
)


class Placing(Living):
    """New orders, and orders that become incoming ones again: triggered, amended."""

    def judge(
        self, command: PlaceOrder, effects: Effects, *, freed: int = 0
    ) -> tuple[BookOrder, Market, Plan]:
        """The order that a command asks for and what it would fill. Changes nothing.

        :param freed: units that are held for an order which goes when this one comes.
        :raises Refusal: with the code of what was wrong.
        """
        market = self.markets.get(command.listing)
        if market is None:
            raise refusals.ListingUnknown
        eligibility = self._admit(command, market)
        rates = self.rates.of(command.investor_id, eligibility.partner_id, market.rules)
        order = judging.make_order(command, market, eligibility, rates, effects)
        if order.terms is not None:
            specials.check_form(command, market.rules, effects.now)
            specials.complete(order, market, self, effects, freed=freed)
        judging.size(order, market)
        if order.status == UNTRIGGERED:
            planned = judging.NO_FILLS
        else:
            planned = judging.plan_fills(order, market, self.budget(order, market, freed))
        self.check_funds(order, market, planned, freed)
        return order, market, planned

    def _admit(self, command: PlaceOrder, market: Market) -> Eligibility:
        is_buy = command.side == "buy"
        admission.check_form(command, market.rules)
        eligibility = self.eligibility.get(command.investor_id)
        admission.check_sender(eligibility, market.rules, is_buy=is_buy)
        admission.check_state(command, market)
        if command.price_units is not None:
            admission.check_collar(command.price_units, market)
        if len(self.orders_of.get(command.investor_id, ())) >= OPEN_ORDERS_PER_INVESTOR_MAX:
            raise TooManyOpenOrders(maximum=str(OPEN_ORDERS_PER_INVESTOR_MAX))
        assert eligibility is not None
        self.stops.check(command.investor_id, eligibility.partner_id, market.rules.id)
        return eligibility

    def check_funds(self, order: BookOrder, market: Market, planned: Plan, freed: int) -> None:
        """:raises InsufficientFunds: less is available than the order may cost at worst."""
        needed = judging.needed_funds(order, planned)
        link_id = None if order.terms is None else order.terms.link_id
        if link_id is not None:
            # By its id: what is judged may be a draft of one that lives.
            others = [leg for leg in self.legs.get(link_id, ()) if leg.id != order.id]
            needed = max(needed, pair_need([order, *others])) if others else needed
        self.check_available(order, market, needed, freed)

    def check_available(
        self, order: BookOrder, market: Market, needed: int, freed: int = 0
    ) -> None:
        """:raises InsufficientFunds: less than `needed` is available."""
        available = self.budget(order, market, freed)
        if available < needed:
            text = cash_text if order.is_buy else token_text
            raise InsufficientFunds(available=text(available), needed=text(needed))

    def budget(self, order: BookOrder, market: Market, freed: int = 0) -> int:
        """What there is for an order: cash of a buy, tokens of a sell."""
        rules = market.rules
        asset_id = rules.quote_id if order.is_buy else rules.base_id
        return self.available(order.investor_id, asset_id) + freed

    def accept(self, order: BookOrder, market: Market, planned: Plan, effects: Effects) -> None:
        """Let a judged order in: carry out its plan, or let it wait for its trigger."""
        effects.new[order.id] = order
        if order.terms is not None and order.terms.expires_at is not None:
            self.timers.add(order.terms.expires_at, order.id)
        if order.status == UNTRIGGERED:
            self._wait(order, market, effects)
        else:
            effects.add_accepted(market, order)
            self.execute(order, market, planned, effects)

    def _wait(self, order: BookOrder, market: Market, effects: Effects) -> None:
        """Let an order wait for its trigger, holding what it may need."""
        assert order.terms is not None
        assert order.quantity is not None
        order.leaves = order.quantity
        order.priority = effects.add_event(
            market,
            UNTRIGGERED,
            order.id,
            order.is_buy,
            order.type,
            order.terms.trigger_price,
            order.price,
            order.quantity,
        )
        waiting = market.conditions()
        waiting.add(order)
        effects.undo.append((waiting.remove, (order,)))
        self.index(order, effects)
        self.rehold(order, market, effects)

    def execute(self, order: BookOrder, market: Market, planned: Plan, effects: Effects) -> None:
        """Apply a plan, then rest or close what is left.

        The order is in no book and holds nothing when this begins.
        """
        left = None if order.quantity is None else order.quantity - order.filled
        complete = left is not None and planned.filled == left
        if order.time_in_force == "fok" and not complete and not is_spent(order, market, planned):
            self.close(order, market, EXPIRED, "fok_not_filled", effects)
            return
        if planned.own:
            self._give_way(order, planned, market, effects)
        for record in core.execute(market, order, planned, effects):
            self._settle(market, record, effects)
        is_whole = order.quantity is not None and not order.leaves and order.filled > 0
        if complete or is_whole:
            order.status = FILLED
        elif planned.stopped:
            self.close(order, market, CANCELED, "self_trade", effects)
        elif order.price is None or order.time_in_force in ("ioc", "fok"):
            self._finish(order, market, planned, effects)
        elif market.guard.width and admission.is_beyond_band(order.is_buy, order.price, market):
            self.close(order, market, EXPIRED, "price_band", effects)
        else:
            self._rest(order, market, effects)
        if order.terms is not None:
            self._after_execution(order, planned.filled, market, effects)

    def _after_execution(
        self, order: BookOrder, units: int, market: Market, effects: Effects
    ) -> None:
        if units:
            self.after_fill(order, units, market, effects)
        if order.status != OPEN:
            self.end_other(order, effects)

    def _give_way(self, order: BookOrder, planned: Plan, market: Market, effects: Effects) -> None:
        """Self-trade prevention: own orders that are met go, or shrink by what they meet."""
        for own, units in planned.own:
            if own.level is None:
                continue  # gone with the order it was linked to
            if units == own.leaves:
                self.pull(own, "self_trade", effects)
            else:
                self.shrink(own, units, market, effects)
        if order.quantity is not None:
            order.quantity -= planned.decremented
            effects.amend(order)
            if planned.decremented:
                order.leaves = order.quantity - order.filled
                self.tell_amended(order, market, effects, keeps_place=True)

    def _finish(self, order: BookOrder, market: Market, planned: Plan, effects: Effects) -> None:
        """Close an order that never rests; its budget's rest was never held."""
        if is_spent(order, market, planned):
            order.status = FILLED
        elif order.price is not None:
            self.close(order, market, EXPIRED, "ioc_rest", effects)
        else:
            reason = "protection_price" if planned.filled else "no_liquidity"
            self.close(order, market, EXPIRED, reason, effects)

    def _rest(self, order: BookOrder, market: Market, effects: Effects) -> None:
        core.rest(market, order, effects)
        self.index(order, effects)
        if order.terms is not None:
            self.rehold(order, market, effects)
            return
        assert order.price is not None
        rules = market.rules
        if order.is_buy:
            held = buy_hold(order.price, order.leaves, order.fee_millionths, order.maker_fee_e6)
            funds = self.funds_of(order.investor_id, rules.quote_id, effects)
        else:
            held = order.leaves
            funds = self.funds_of(order.investor_id, rules.base_id, effects)
        order.held = held
        funds.held += held

    def _settle(self, market: Market, record: TradeRecord, effects: Effects) -> None:
        """One trade of an incoming order: balances move, and the resting order's hold."""
        execution = record.execution
        maker, quantity = execution.maker, execution.quantity
        self.exchange(market, record, effects)
        market.last = execution.price
        self.settle_hold(maker, market, effects)
        if execution.requeued:
            effects.amend(maker)
        if maker.terms is not None:
            self.after_fill(maker, quantity, market, effects)

    def exchange(self, market: Market, record: TradeRecord, effects: Effects) -> None:
        """Move both parties' balances for one trade."""
        execution, rules = record.execution, market.rules
        buyer, seller = record.buyer.investor_id, record.seller.investor_id
        cash, quantity = execution.cash, execution.quantity
        self.funds_of(buyer, rules.quote_id, effects).posted -= cash + record.buyer_fee
        self.funds_of(buyer, rules.base_id, effects).posted += quantity
        self.funds_of(seller, rules.base_id, effects).posted -= quantity
        self.funds_of(seller, rules.quote_id, effects).posted += cash - record.seller_fee

    def settle_hold(self, order: BookOrder, market: Market, effects: Effects) -> None:
        """After a fill of a resting order: hold for what is left, or close it."""
        if order.leaves:
            self.rehold(order, market, effects)
            return
        if order.status == FILLED:
            return  # an iceberg that one sweep took slice by slice
        self.set_status(order, FILLED, "", effects)
        self.unindex(order, effects)
        self.set_hold(order, market, 0, effects)

    def after_fill(self, order: BookOrder, units: int, market: Market, effects: Effects) -> None:
        """What a fill of an order with terms entails: its other leg shrinks, its closes grow."""
        other = self.other_leg(order)
        if other is not None:
            if order.status == FILLED:
                self.pull(other, LINKED, effects)
            else:
                self.shrink(other, units, market, effects)
        terms = order.terms
        assert terms is not None
        if terms.close_take_profit is not None or terms.close_stop_loss is not None:
            effects.to_close.append((order, units))

    def refuse(self, command: PlaceOrder, refusal: Refusal, effects: Effects) -> BookOrder | None:
        """Keep a refused order with its reason; None when it names no listing of ours."""
        market = self.markets.get(command.listing)
        if market is None:
            return None
        order = judging.new_order(command, market, effects)
        if order.terms is not None:
            specials.make_storable(order.terms)
        eligibility = self.eligibility.get(command.investor_id)
        if eligibility is not None:
            order.owner_group = eligibility.owner_group
            order.snapshot_id = eligibility.snapshot_id
        self.keep_refused(order, market, refusal.code, effects)
        return order

    def keep_refused(self, order: BookOrder, market: Market, code: str, effects: Effects) -> None:
        order.status, order.reason = REFUSED, code
        order.priority = effects.add_event(market, REFUSED, order.id, code)
        effects.new[order.id] = order
