"""A pool in memory: books, balances and eligibility, and what commands do to them.

Pure: no clock, no database. Every change is noted in the batch's `Effects`, so
it can be written down once or undone whole. A command that is refused has
changed nothing, because everything is decided on a plan before it is applied.
See docs/matching.md for the rules.
"""

from typing import NamedTuple
from uuid import UUID

from kernel.refusals import NotFound, Refusal
from trading.commands import CancelOrder, PlaceOrder
from trading.engine import admission, judging
from trading.engine.book import BookOrder
from trading.engine.effects import Effects, Transfer
from trading.engine.fees import buy_hold, cash_text, token_text
from trading.engine.judging import is_spent
from trading.engine.market import Eligibility, Funds, Market, Rules
from trading.engine.matching import Execution, Plan, apply
from trading.engine.rates import Rates
from trading.engine.stops import KILL_SWITCH, Stops
from trading.states import OrderStatus

OPEN_ORDERS_PER_INVESTOR_MAX = 2_000

OPEN, FILLED = OrderStatus.OPEN.value, OrderStatus.FILLED.value
CANCELED, EXPIRED = OrderStatus.CANCELED.value, OrderStatus.EXPIRED.value
REFUSED = OrderStatus.REFUSED.value


class InsufficientFunds(Refusal):
    """You have less available than this order needs."""

    code = "insufficient_funds"


class TooManyOpenOrders(Refusal):
    """You have as many open orders as one investor may have."""

    code = "too_many_open_orders"


class OrderNotOpen(Refusal):
    """The order is closed already."""

    code = "order_not_open"


class OrderUnknown(NotFound):
    """There is no such open order."""

    code = "order_not_found"


class TransferRequest(NamedTuple):
    """A custody.PoolTransfer that waits for the engine."""

    id: UUID
    investor_id: int
    asset_id: int
    units: int
    is_in: bool


class Pool:
    """The state that one engine owns, and the commands on it."""

    def __init__(self) -> None:
        self.markets: dict[str, Market] = {}
        self.markets_by_id: dict[int, Market] = {}
        self.eligibility: dict[int, Eligibility] = {}
        self.funds: dict[tuple[int, int], Funds] = {}
        self.orders: dict[UUID, BookOrder] = {}
        self.orders_of: dict[int, dict[UUID, BookOrder]] = {}
        self.rates, self.stops = Rates(), Stops()

    # Facts, as loaded or as an inbox item brings them.

    def add_market(self, rules: Rules) -> Market:
        market = Market(rules)
        self.markets[rules.symbol] = self.markets_by_id[rules.id] = market
        return market

    def funds_of(self, investor_id: int, asset_id: int, effects: Effects) -> Funds:
        """A balance to be changed; opened when there is none yet."""
        funds = self.funds.get((investor_id, asset_id))
        if funds is None:
            funds = self.funds[investor_id, asset_id] = Funds(investor_id, asset_id)
            effects.new_funds.append(funds)
            effects.undo.append((self._forget_funds, (funds,)))
        effects.touch_funds(funds)
        return funds

    def _forget_funds(self, funds: Funds) -> None:
        del self.funds[funds.investor_id, funds.asset_id]

    def available(self, investor_id: int, asset_id: int) -> int:
        funds = self.funds.get((investor_id, asset_id))
        return funds.posted - funds.held if funds else 0

    def restore(self, order: BookOrder) -> None:
        """Put a stored open order back into its book, in the order of priority."""
        book = self.markets_by_id[order.listing_id].book
        book.side_of(order).add(order, [])
        self._index(order)

    def _index(self, order: BookOrder) -> None:
        self.orders[order.id] = order
        self.orders_of.setdefault(order.investor_id, {})[order.id] = order

    def _unindex(self, order: BookOrder) -> None:
        del self.orders[order.id]
        own = self.orders_of[order.investor_id]
        del own[order.id]
        if not own:
            del self.orders_of[order.investor_id]

    # Commands.

    def place(self, command: PlaceOrder, effects: Effects) -> BookOrder:
        """Judge, match and rest an order.

        :raises Refusal: with the code of what was wrong; nothing has changed.
        """
        market = self.markets.get(command.listing)
        if market is None:
            raise admission.ListingUnknown
        eligibility = self._admit(command, market)
        rates = self.rates.of(command.investor_id, eligibility.partner_id, market.rules)
        order = judging.make_order(command, market, eligibility, rates, effects)
        judging.size(order, market)
        planned = judging.plan_fills(order, market)
        asset_id, needed = judging.needed_funds(order, market, planned)
        available = self.available(order.investor_id, asset_id)
        if available < needed:
            text = cash_text if order.is_buy else token_text
            raise InsufficientFunds(available=text(available), needed=text(needed))
        self._accept(order, market, planned, effects)
        return order

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

    def _accept(self, order: BookOrder, market: Market, planned: Plan, effects: Effects) -> None:
        """Apply the plan, then rest or close what is left."""
        order.priority = effects.add_event(
            market,
            "accepted",
            order.id,
            order.is_buy,
            order.price,
            order.quantity,
            order.cash,
        )
        effects.new[order.id] = order
        complete = order.quantity is not None and planned.filled == order.quantity
        if order.time_in_force == "fok" and not complete and not is_spent(order, market, planned):
            self._close(order, market, EXPIRED, "fok_not_filled", effects)
            return
        side = market.book.opposite(order.is_buy)
        for execution in apply(side, order, planned.fills, order.taker_fee_e6, effects.undo):
            self._settle(market, execution, order.is_buy, effects)
        if order.quantity is not None:
            order.leaves = order.quantity - order.filled
        if complete:
            order.status = FILLED
        elif planned.meets_itself:
            self._close(order, market, CANCELED, "self_trade", effects)
        elif order.price is None or order.time_in_force != "gtc":
            self._finish(order, market, planned, effects)
        else:
            self._rest(order, market, effects)

    def _finish(self, order: BookOrder, market: Market, planned: Plan, effects: Effects) -> None:
        """Close an order that never rests; its budget's rest was never held."""
        if is_spent(order, market, planned):
            order.status = FILLED
        elif order.price is not None:
            self._close(order, market, EXPIRED, "ioc_rest", effects)
        else:
            reason = "protection_price" if planned.filled else "no_liquidity"
            self._close(order, market, EXPIRED, reason, effects)

    def _rest(self, order: BookOrder, market: Market, effects: Effects) -> None:
        rules = market.rules
        assert order.price is not None
        if order.is_buy:
            order.held = buy_hold(
                order.price, order.leaves, order.fee_millionths, order.maker_fee_e6
            )
            funds = self.funds_of(order.investor_id, rules.quote_id, effects)
        else:
            order.held = order.leaves
            funds = self.funds_of(order.investor_id, rules.base_id, effects)
        funds.held += order.held
        market.book.side_of(order).add(order, effects.undo)
        self._index(order)
        effects.undo.append((self._unindex, (order,)))
        effects.levels[rules.id].add((order.is_buy, order.price))

    def _settle(
        self, market: Market, execution: Execution, taker_is_buy: bool, effects: Effects
    ) -> None:
        """Move both parties' balances for one trade."""
        record = effects.add_trade(market, execution, taker_is_buy)
        rules, maker = market.rules, execution.maker
        buyer, seller = record.buyer.investor_id, record.seller.investor_id
        cash, quantity = execution.cash, execution.quantity
        self.funds_of(buyer, rules.quote_id, effects).posted -= cash + record.buyer_fee
        self.funds_of(buyer, rules.base_id, effects).posted += quantity
        self.funds_of(seller, rules.base_id, effects).posted -= quantity
        self.funds_of(seller, rules.quote_id, effects).posted += cash - record.seller_fee
        self._shrink_hold(maker, market, effects)
        if not maker.leaves:
            self._set_status(maker, FILLED, "", effects)
            self._unindex(maker)
            effects.undo.append((self._index, (maker,)))
        effects.levels[rules.id].add((maker.is_buy, execution.price))
        effects.add_event(
            market,
            "trade",
            record.trade_no,
            maker.id,
            execution.taker.id,
            execution.price,
            quantity,
            cash,
        )

    def _shrink_hold(self, order: BookOrder, market: Market, effects: Effects) -> None:
        """Hold for a resting order what its leaves may still need; nothing when closed."""
        assert order.price is not None
        if order.is_buy:
            asset_id = market.rules.quote_id
            held = order.leaves and buy_hold(
                order.price, order.leaves, order.fee_millionths, order.maker_fee_e6
            )
        else:
            asset_id, held = market.rules.base_id, order.leaves
        self._set_hold(order, asset_id, held, effects)

    def _set_hold(self, order: BookOrder, asset_id: int, held: int, effects: Effects) -> None:
        effects.touch_order(order)
        funds = self.funds_of(order.investor_id, asset_id, effects)
        funds.held += held - order.held
        effects.undo.append((_restore_hold, (order, order.held)))
        order.held = held

    def _set_status(self, order: BookOrder, status: str, reason: str, effects: Effects) -> None:
        effects.undo.append((_restore_status, (order, order.status, order.reason)))
        order.status, order.reason = status, reason

    def _close(
        self, order: BookOrder, market: Market, status: str, reason: str, effects: Effects
    ) -> None:
        """Close an order that is not in the book (any more)."""
        self._set_status(order, status, reason, effects)
        effects.add_event(market, status, order.id, reason)

    def refuse(self, command: PlaceOrder, refusal: Refusal, effects: Effects) -> BookOrder | None:
        """Keep a refused order with its reason; None when it names no listing of ours."""
        market = self.markets.get(command.listing)
        if market is None:
            return None
        order = judging.new_order(command, market, effects)
        eligibility = self.eligibility.get(command.investor_id)
        if eligibility is not None:
            order.owner_group = eligibility.owner_group
            order.snapshot_id = eligibility.snapshot_id
        order.status, order.reason = REFUSED, refusal.code
        order.priority = effects.add_event(market, REFUSED, order.id, refusal.code)
        effects.new[order.id] = order
        return order

    def cancel(self, command: CancelOrder, effects: Effects) -> BookOrder:
        """Take an own open order out of its book.

        :raises OrderUnknown: no such open order of this investor. A closed one is
            known to the database alone, so order entry looks there.
        """
        order = self._find_own(command)
        self.pull(order, "requested", effects)
        return order

    def _find_own(self, command: CancelOrder) -> BookOrder:
        own = self.orders_of.get(command.investor_id, {})
        if command.order_id is not None:
            order = own.get(command.order_id)
        else:
            same = (o for o in own.values() if o.client_order_id == command.client_order_id)
            order = next(same, None)
        if order is None:
            raise OrderUnknown
        return order

    def pull(self, order: BookOrder, reason: str, effects: Effects) -> None:
        """Cancel a resting order, whoever wants it gone."""
        market = self.markets_by_id[order.listing_id]
        self._close(order, market, CANCELED, reason, effects)
        assert order.price is not None
        effects.levels[order.listing_id].add((order.is_buy, order.price))
        market.book.side_of(order).remove(order, effects.undo)
        asset_id = market.rules.quote_id if order.is_buy else market.rules.base_id
        self._set_hold(order, asset_id, 0, effects)
        self._unindex(order)
        effects.undo.append((self._index, (order,)))

    # Changed facts.

    def set_eligibility(self, investor_id: int, eligibility: Eligibility, effects: Effects) -> None:
        """Take over a new snapshot and pull what it no longer allows."""
        before = self.eligibility.get(investor_id)
        effects.undo.append((self._restore_eligibility, (investor_id, before)))
        self.eligibility[investor_id] = eligibility
        for order in list(self.orders_of.get(investor_id, {}).values()):
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
        for side in (market.book.bids, market.book.asks):
            for order in [order for level in side for order in level]:
                self._pull_if_forbidden(order, effects)

    def _forget_market(self, rules: Rules) -> None:
        del self.markets[rules.symbol], self.markets_by_id[rules.id]

    def _pull_if_forbidden(self, order: BookOrder, effects: Effects) -> None:
        rules = self.markets_by_id[order.listing_id].rules
        sender = self.eligibility.get(order.investor_id)
        try:
            admission.check_sender(sender, rules, is_buy=order.is_buy)
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

    def check_invariants(self) -> None:
        """Raise AssertionError when holds and orders disagree; for tests and rebuilds."""
        held: dict[tuple[int, int], int] = {}
        for market in self.markets_by_id.values():
            market.book.check_invariants()
        for order in self.orders.values():
            rules = self.markets_by_id[order.listing_id].rules
            key = (order.investor_id, rules.quote_id if order.is_buy else rules.base_id)
            held[key] = held.get(key, 0) + order.held
            assert order.status == OPEN
            assert order.level is not None
        for key, funds in self.funds.items():
            assert funds.held == held.get(key, 0), "a hold belongs to an open order"
            assert 0 <= funds.held <= funds.posted


def _restore_hold(order: BookOrder, held: int) -> None:
    order.held = held


def _restore_status(order: BookOrder, status: str, reason: str) -> None:
    order.status, order.reason = status, reason


def _restore_rules(market: Market, rules: Rules) -> None:
    market.rules = rules
