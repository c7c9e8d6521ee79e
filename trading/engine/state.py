"""What an engine knows of its pool: markets, senders, balances, orders, and where each is.

Plain look-ups and their undoing; what commands do is in the modules above this one.
"""

from collections import deque
from typing import NamedTuple
from uuid import UUID

from trading.engine.book import BookOrder
from trading.engine.effects import Effects
from trading.engine.market import Eligibility, Funds, Market, Rules
from trading.engine.protection import Guard, Watch
from trading.engine.rates import Rates
from trading.engine.stops import Stops
from trading.engine.terms import Terms
from trading.engine.timers import Timers
from trading.states import ALLOWS, ListingState, OrderStatus

OPEN_ORDERS_PER_INVESTOR_MAX = 2_000

OPEN, UNTRIGGERED = OrderStatus.OPEN.value, OrderStatus.UNTRIGGERED.value
FILLED, CANCELED = OrderStatus.FILLED.value, OrderStatus.CANCELED.value
EXPIRED, REFUSED = OrderStatus.EXPIRED.value, OrderStatus.REFUSED.value


class TransferRequest(NamedTuple):
    """A custody.PoolTransfer that waits for the engine."""

    id: UUID
    investor_id: int
    asset_id: int
    units: int
    is_in: bool


class PoolState:
    """The facts, balances and live orders of a pool."""

    def __init__(self) -> None:
        self.markets: dict[str, Market] = {}
        self.markets_by_id: dict[int, Market] = {}
        self.eligibility: dict[int, Eligibility] = {}
        self.funds: dict[tuple[int, int], Funds] = {}
        self.orders: dict[UUID, BookOrder] = {}
        self.orders_of: dict[int, dict[UUID, BookOrder]] = {}
        # Live orders of which one cancels the other, by their link.
        self.legs: dict[UUID, list[BookOrder]] = {}
        # Live orders that close what another one has filled, by that one's id.
        self.closes: dict[UUID, list[BookOrder]] = {}
        # Orders whose trigger has been met and whose turn has not come yet.
        self.fired: deque[BookOrder] = deque()
        self.timers = Timers()
        self.rates, self.stops = Rates(), Stops()
        self.outlook = Watch()

    def add_market(self, rules: Rules) -> Market:
        state = "" if rules.state == ListingState.ONLINE else rules.state
        market = Market(rules, guard=Guard(allows=ALLOWS[rules.state], limited_by=state))
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

    def rates_of(self, order: BookOrder) -> tuple[int, int]:
        """What an order's investor pays now as maker and as taker, in millionths."""
        sender = self.eligibility.get(order.investor_id)
        partner_id = None if sender is None else sender.partner_id
        return self.rates.of(
            order.investor_id, partner_id, self.markets_by_id[order.listing_id].rules
        )

    def restore(self, order: BookOrder) -> None:
        """Put a stored live order back where it was; those of a listing in their priority."""
        market = self.markets_by_id[order.listing_id]
        terms = order.terms
        if order.status == OPEN:
            market.book.side_of(order).add(order, [])
        elif terms is not None and terms.triggered_at is not None:
            self.fired.append(order)
        else:
            market.conditions().add(order)
        self._index(order)
        if terms is not None and terms.expires_at is not None:
            self.timers.add(terms.expires_at, order.id)

    def _index(self, order: BookOrder) -> None:
        self.orders[order.id] = order
        self.orders_of.setdefault(order.investor_id, {})[order.id] = order
        if order.terms is not None:
            for related, key in self._relations(order.terms):
                related.setdefault(key, []).append(order)

    def _unindex(self, order: BookOrder) -> None:
        del self.orders[order.id]
        own = self.orders_of[order.investor_id]
        del own[order.id]
        if not own:
            del self.orders_of[order.investor_id]
        if order.terms is not None:
            for related, key in self._relations(order.terms):
                related[key].remove(order)
                if not related[key]:
                    del related[key]

    def _relations(self, terms: Terms) -> list[tuple[dict[UUID, list[BookOrder]], UUID]]:
        """Where an order stands beside others."""
        found = ((self.legs, terms.link_id), (self.closes, terms.parent_id))
        return [(related, key) for related, key in found if key is not None]

    def index(self, order: BookOrder, effects: Effects) -> None:
        """Know an order that lives from now on."""
        self._index(order)
        effects.undo.append((self._unindex, (order,)))

    def unindex(self, order: BookOrder, effects: Effects) -> None:
        """Forget an order that lives no longer."""
        self._unindex(order)
        effects.undo.append((self._index, (order,)))
