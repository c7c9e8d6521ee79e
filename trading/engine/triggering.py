"""What happens by itself: triggers that are met, orders that expire, closes that grow.

Everything here is caused by a trade, a reference price or the time of a batch, and is
done within it. How much a batch lets fire is bounded; the rest is the next one's.
"""

from uuid import UUID

from kernel.refusals import Refusal
from trading.engine import admission, judging, specials
from trading.engine.book import BookOrder
from trading.engine.conditions import terms_of
from trading.engine.effects import Effects
from trading.engine.living import pair_need
from trading.engine.market import Market
from trading.engine.placing import Placing
from trading.engine.state import CANCELED, EXPIRED, OPEN, UNTRIGGERED
from trading.engine.terms import Terms

FIRED_PER_BATCH_MAX = 500
DUE_PER_BATCH_MAX = 1_000  # the end of a day is many batches, one after the other
EXPIRED_GTD, EXPIRED_DAY, DEAD_MAN = "expired_gtd", "expired_day", "dead_man"


class Triggering(Placing):
    """Conditional orders, timers and conditional closes."""

    def after_command(self, market: Market, first_trade: int, effects: Effects) -> None:
        """Let the trades since `first_trade` have their consequences.

        The prices of one command's trades run in one direction, so the first and the
        last are the extremes.
        """
        if effects.to_close:
            self._open_closes(effects)
        if market.waiting and len(effects.trades) > first_trade:
            first = effects.trades[first_trade].execution.price
            last = effects.trades[-1].execution.price
            self.look(market, "last", (first, last) if first != last else (last,), effects)
        if self.fired:
            self.run_fired(effects)

    def look(self, market: Market, source: str, prices: tuple[int, ...], effects: Effects) -> None:
        """Let the orders that watch this price follow it, and note those that it fires."""
        waiting = market.waiting
        if not waiting or not admission.may_trigger(market):
            return
        for price in prices:
            for order in waiting.follow(source, price, market.rules.tick, effects.undo):
                effects.amend(order)
            for order in waiting.fired_by(source, price):
                self.fire(order, market, effects)

    def look_again(self, market: Market, effects: Effects) -> None:
        """After a time in which nothing could fire: look at the prices of now."""
        if market.waiting:
            if market.last is not None:
                self.look(market, "last", (market.last,), effects)
            if market.reference is not None:
                self.look(market, "index", (market.reference,), effects)

    def fire(self, order: BookOrder, market: Market, effects: Effects) -> None:
        """From waiting for a price to waiting for its turn."""
        self.take_away(order, market, effects)
        terms = terms_of(order)
        effects.undo.append((setattr, (terms, "triggered_at", None)))
        terms.triggered_at = effects.now
        effects.amend(order)
        self.fired.append(order)
        effects.undo.append((self._unfire, ()))

    def _unfire(self) -> None:
        self.fired.pop()  # the newest: not one to be looked for among thousands

    def fire_if_met(self, order: BookOrder, market: Market, effects: Effects) -> None:
        """A trigger that is met from the start fires at once; of a pair the first."""
        if (
            order.status == UNTRIGGERED
            and terms_of(order).triggered_at is None
            and admission.may_trigger(market)
            and specials.fires_at_once(order, market)
        ):
            self.fire(order, market, effects)

    def run_fired(self, effects: Effects) -> None:
        """Let fired orders come in, the oldest first; what they trade may fire more.

        Where nothing matches for now, in a pause or an auction, they wait for its end.
        """
        while effects.fired < FIRED_PER_BATCH_MAX:
            place = self._next_fired()
            if place is None:
                return
            effects.fired += 1
            order = self.fired[place]
            del self.fired[place]
            effects.undo.append((self.fired.insert, (place, order)))
            market = self.markets_by_id[order.listing_id]
            first_trade = len(effects.trades)
            self._come_in(order, market, effects)
            if effects.to_close:
                self._open_closes(effects)
            if market.waiting and len(effects.trades) > first_trade:
                prices = (
                    effects.trades[first_trade].execution.price,
                    effects.trades[-1].execution.price,
                )
                self.look(market, "last", prices, effects)

    def _next_fired(self) -> int | None:
        """The place of the oldest fired order whose listing lets it come in."""
        for place, order in enumerate(self.fired):
            if admission.may_trigger(self.markets_by_id[order.listing_id]):
                return place
        return None

    def _come_in(self, order: BookOrder, market: Market, effects: Effects) -> None:
        """A fired order becomes an incoming one; its other leg is gone first."""
        judging.save(order, effects.undo)
        self.unindex(order, effects)
        self.end_other(order, effects)
        self.set_hold(order, market, 0, effects)
        order.status = OPEN
        # The rate of this moment, but never a dearer one than it held for.
        order.taker_fee_e6 = min(order.taker_fee_e6, self.rates_of(order)[1])
        self._set_limit(order, market)
        order.priority = effects.add_event(
            market, "triggered", order.id, order.is_buy, order.price, order.leaves
        )
        effects.amend(order)
        effects.touch_order(order)
        try:
            admission.check_triggered(order, market)
            planned = judging.plan_fills(order, market, self.budget(order, market))
            self.check_funds(order, market, planned, 0)
        except Refusal as refusal:
            self.close(order, market, CANCELED, refusal.code, effects)
            order.leaves = 0
            return
        self.execute(order, market, planned, effects)

    def _set_limit(self, order: BookOrder, market: Market) -> None:
        """A limit behind a trailing trigger; a market order's protection, within its hold."""
        terms = terms_of(order)
        if terms.limit_offset is not None:
            assert terms.trigger_price is not None
            least = admission.lowest_price(market.rules)
            order.price = max(terms.trigger_price + terms.limit_offset, least)
            order.protection_price = None
        elif order.price is None:
            limit = admission.protection_price(market, is_buy=order.is_buy)
            cap = order.protection_price if order.is_buy else None
            order.protection_price = limit if cap is None or limit is None else min(limit, cap)

    # Time.

    def end_due(self, effects: Effects) -> None:
        """What has ended by this batch's time: before anything else of the batch meets it."""
        self.timers.tidy(self.orders, effects.undo)
        for _ in range(DUE_PER_BATCH_MAX):
            entry = self.timers.pop_due(effects.now, effects.undo)
            if entry is None:
                break
            moment, order_id, investor_id = entry
            if order_id:
                self._expire(UUID(int=order_id), moment, effects)
            elif self.timers.dead_men.get(investor_id) == moment:
                self.set_dead_man(investor_id, None, effects)
                own = self.orders_of.get(investor_id, {}).values()
                self.pull_own(own, DEAD_MAN, effects)

    def _expire(self, order_id: UUID, moment: float, effects: Effects) -> None:
        order = self.orders.get(order_id)
        if order is None or order.terms is None or order.terms.expires_at != moment:
            return
        reason = EXPIRED_DAY if order.time_in_force == "day" else EXPIRED_GTD
        self.pull(order, reason, effects, status=EXPIRED)

    def set_dead_man(self, investor_id: int, due: float | None, effects: Effects) -> None:
        self.timers.set_dead_man(investor_id, due, effects.undo)
        effects.dead_men[investor_id] = due

    def next_due(self) -> float | None:
        """When a batch is due though no command comes; 0: at once."""
        return self.timers.next_due() if self._next_fired() is None else 0.0

    # Conditional close.

    def _open_closes(self, effects: Effects) -> None:
        """Orders that close what this command has filled; those that still wait grow."""
        filled, effects.to_close = effects.to_close, []
        units: dict[UUID, int] = {}
        entries: dict[UUID, BookOrder] = {}
        for order, quantity in filled:
            entries[order.id] = order
            units[order.id] = units.get(order.id, 0) + quantity
        for order in entries.values():
            market = self.markets_by_id[order.listing_id]
            if not self._grow_closes(order, units[order.id], market, effects):
                self._new_closes(order, units[order.id], market, effects)

    def _grow_closes(self, entry: BookOrder, units: int, market: Market, effects: Effects) -> bool:
        """Add to the closes that wait since an earlier fill; False: there are none."""
        closes = self.closes.get(entry.id, ())
        fired = [order for order in closes if terms_of(order).triggered_at is not None]
        # Whose turn is next ends the other one: what is filled from now on needs its own.
        ending = {terms_of(order).link_id for order in fired} - {None}
        waiting = [
            order
            for order in closes
            if order not in fired and terms_of(order).link_id not in ending
        ]
        if not waiting or not self._can_hold_more(waiting, units, market):
            return False
        for order in waiting:
            assert order.quantity is not None
            effects.undo.append((setattr, (order, "leaves", order.leaves)))
            order.leaves += units
            self.set_quantity(order, order.quantity + units, effects)
            self.tell_amended(order, market, effects, keeps_place=True)
        self.rehold(waiting[0], market, effects)
        return True

    def _can_hold_more(self, orders: list[BookOrder], units: int, market: Market) -> bool:
        held = sum(order.held for order in orders)
        rules, first = market.rules, orders[0]
        if len(orders) > 1:
            needed = pair_need(orders, units)
        else:
            needed = judging.need_with(first, first.leaves + units)
        asset_id = rules.quote_id if first.is_buy else rules.base_id
        return self.available(first.investor_id, asset_id) + held >= needed

    def _new_closes(self, entry: BookOrder, units: int, market: Market, effects: Effects) -> None:
        terms = terms_of(entry)
        link = None
        if terms.close_take_profit is not None and terms.close_stop_loss is not None:
            link = effects.new_id()
        prices = {"take_profit": terms.close_take_profit, "stop_loss": terms.close_stop_loss}
        made = []
        for kind, price in prices.items():
            if price is not None:
                order = judging.child_of(entry, effects.new_id(), effects)
                order.maker_fee_e6, order.taker_fee_e6 = self.rates_of(entry)
                order.type, order.quantity, order.status = kind, units, UNTRIGGERED
                order.terms = Terms(
                    trigger_by="last", trigger_price=price, link_id=link, parent_id=entry.id
                )
                specials.set_cap(order, market.rules)
                made.append(order)
        try:
            self._check_closes(made, units, market)
        except Refusal as refusal:
            for order in made:
                self.keep_refused(order, market, refusal.code, effects)
            return
        for order in made:
            self.accept(order, market, judging.NO_FILLS, effects)
        for order in made:
            self.fire_if_met(order, market, effects)

    def _check_closes(self, made: list[BookOrder], units: int, market: Market) -> None:
        """Who may sell may not always buy back.

        :raises Refusal: why these orders may not come in.
        """
        rules, first = market.rules, made[0]
        sender = self.eligibility.get(first.investor_id)
        admission.check_sender(sender, rules, is_buy=first.is_buy)
        admission.check_stays(first, rules)
        for order in made:
            order.snapshot_id = None if sender is None else sender.snapshot_id
        needed = pair_need(made) if len(made) > 1 else judging.need_with(first, units)
        self.check_available(first, market, needed)
