"""What only some orders have: their form, and the terms that follow from it.

A plain order (limit or market, for now or until canceled) has no terms and is
through here after one look. docs/orders.md has the rules.
"""

from trading.commands import PlaceOrder
from trading.engine import admission
from trading.engine.admission import lowest_price
from trading.engine.book import BookOrder
from trading.engine.conditions import is_met, is_trailing, trigger_behind
from trading.engine.effects import Effects
from trading.engine.fees import MILLION, cash_text, token_text
from trading.engine.market import Market, Rules
from trading.engine.refusals import (
    MalformedOrder,
    NothingToReduce,
    PriceNotOnTick,
    QuantityNotOnLot,
    ReferenceMissing,
    TooManyTrailingStops,
)
from trading.engine.state import UNTRIGGERED, PoolState
from trading.engine.terms import TRIGGERED_TYPES, SelfTradePrevention, Terms

# Their triggers are looked at one by one whenever the price moves.
TRAILING_PER_INVESTOR_MAX = 20
TRAILING_PER_LISTING_MAX = 2_000
SLICES_MAX = 20
LASTING = ("gtc", "gtd", "day")
WITH_PRICE = ("limit", "stop_loss_limit", "take_profit_limit")
NEWEST = SelfTradePrevention.CANCEL_NEWEST.value


def is_plain(command: PlaceOrder) -> bool:
    """Whether the order has none of what this module is about."""
    return (
        command.type in ("limit", "market")
        and command.time_in_force not in ("gtd", "day")
        and command.display_units is None
        and not command.reduce_only
        and command.self_trade_prevention == NEWEST
        and command.expires_at is None
        and command.trigger_by is None
        and command.trigger_price_units is None
        and command.trail_units is None
        and command.trail_e6 is None
        and command.limit_offset_units is None
        and command.close_take_profit_units is None
        and command.close_stop_loss_units is None
    )


def terms_for(command: PlaceOrder) -> Terms | None:
    """The terms an order starts with; None for a plain one."""
    if is_plain(command):
        return None
    is_triggered = command.type in TRIGGERED_TYPES
    return Terms(
        expires_at=command.expires_at,
        display_units=command.display_units,
        reduce_only=command.reduce_only,
        self_trade_prevention=command.self_trade_prevention,
        trigger_by=(command.trigger_by or "last") if is_triggered else None,
        trigger_price=command.trigger_price_units,
        trail_units=command.trail_units,
        trail_e6=command.trail_e6,
        limit_offset=command.limit_offset_units,
        close_take_profit=command.close_take_profit_units,
        close_stop_loss=command.close_stop_loss_units,
    )


def make_storable(terms: Terms) -> None:
    """Leave out of a refused order's terms what no order can have; see models.OrderTerms."""
    if terms.display_units is not None and terms.display_units <= 0:
        terms.display_units = None
    if terms.trigger_price is not None and terms.trigger_price <= 0:
        terms.trigger_price = None
    trail_e6 = terms.trail_e6
    if trail_e6 is not None and (terms.trail_units is not None or not 0 < trail_e6 < MILLION):
        terms.trail_e6 = None


def check_form(command: PlaceOrder, rules: Rules, now: float) -> None:
    """Refuse terms that contradict each other, the type, or the listing's steps."""
    _check_trigger(command, rules)
    _check_lifetime(command, now)
    _check_display(command, rules)
    if command.reduce_only and command.side == "buy":
        raise MalformedOrder("Reduce-only is for orders that sell.")
    if command.type in TRIGGERED_TYPES:
        _check_conditional(command)
    for price in (command.close_take_profit_units, command.close_stop_loss_units):
        _check_tick(price, rules)


def _check_conditional(command: PlaceOrder) -> None:
    if command.quantity_units is None:
        raise MalformedOrder("An order that waits for a price names a quantity.")
    if command.time_in_force not in LASTING or command.post_only:
        raise MalformedOrder("An order that waits for a price lasts, and may take.")
    if command.close_take_profit_units is not None or command.close_stop_loss_units is not None:
        raise MalformedOrder("Only a limit or a market order can open what another closes.")


def _check_trigger(command: PlaceOrder, rules: Rules) -> None:
    trails = (command.trail_units is not None) + (command.trail_e6 is not None)
    is_trailing_type = command.type.startswith("trailing")
    needs_trigger = command.type in TRIGGERED_TYPES and not is_trailing_type
    if (command.trigger_price_units is not None) != needs_trigger:
        raise MalformedOrder("A stop loss and a take profit name a trigger price, others none.")
    if trails != is_trailing_type:
        raise MalformedOrder("A trailing stop names one distance, other orders none.")
    if (command.limit_offset_units is not None) != (command.type == "trailing_stop_limit"):
        raise MalformedOrder("A trailing stop with a limit names the limit's offset.")
    if command.trigger_by is not None and command.type not in TRIGGERED_TYPES:
        raise MalformedOrder("Only an order with a trigger watches a price.")
    _check_tick(command.trigger_price_units, rules)
    _check_tick(command.trail_units, rules)
    if command.trail_e6 is not None and not 0 < command.trail_e6 < MILLION:
        raise MalformedOrder("A trailing distance is more than 0 and less than 100 %.")
    if command.limit_offset_units:
        # Whenever the price moves it becomes a limit, which has to fit into its column.
        _check_tick(abs(command.limit_offset_units), rules)


def _check_tick(price: int | None, rules: Rules) -> None:
    if price is not None and not 0 < price <= admission.PRICE_MAX:
        raise MalformedOrder("A price is more than 0 and not beyond all bounds.")
    if price is not None and price % rules.tick:
        raise PriceNotOnTick(tick=cash_text(rules.tick))


def _check_lifetime(command: PlaceOrder, now: float) -> None:
    if (command.expires_at is not None) != (command.time_in_force == "gtd"):
        raise MalformedOrder("Good-till-date names the moment, other orders none.")
    if command.expires_at is not None and not now < command.expires_at < 32_503_680_000:
        raise MalformedOrder("Good-till-date names a moment to come.")
    if command.type == "market" and command.time_in_force in ("gtd", "day"):
        raise MalformedOrder("A market order never rests, so it needs no end.")


def _check_display(command: PlaceOrder, rules: Rules) -> None:
    display, quantity = command.display_units, command.quantity_units
    if display is None:
        return
    if command.type != "limit" or command.time_in_force not in LASTING or quantity is None:
        raise MalformedOrder("Only a limit order by quantity that rests can show a part of it.")
    check_slices(display, quantity)
    if display % rules.lot:
        raise QuantityNotOnLot(lot=token_text(rules.lot))


def check_slices(display: int, quantity: int) -> None:
    """Refuse an iceberg of too many slices: each may be a trade of its own."""
    if not 0 < display <= quantity <= SLICES_MAX * display:
        raise MalformedOrder(f"An iceberg shows a part of its quantity, at least 1/{SLICES_MAX}.")


def complete(
    order: BookOrder, market: Market, pool: PoolState, effects: Effects, *, freed: int
) -> None:
    """Fill in what follows from the moment: the day's end, a trailing trigger, what is left.

    :param freed: units that are held for an order which goes when this one comes.
    :raises Refusal: TooManyTrailingStops, NothingToReduce, ReferenceMissing, MalformedOrder.
    """
    terms = order.terms
    assert terms is not None
    if order.time_in_force == "day":
        terms.expires_at = pool.outlook.sessions.day_end(effects.now)
        if terms.expires_at is None:
            raise MalformedOrder("The trading calendar does not reach the end of this day.")
    if terms.reduce_only:
        _cut_down(order, market, pool, freed)
    if order.type in TRIGGERED_TYPES:
        _make_conditional(order, terms, market, pool)


def _cut_down(order: BookOrder, market: Market, pool: PoolState, freed: int) -> None:
    """A reduce-only order sells no more than there is."""
    if order.quantity is None:
        return  # by cash: its fills are bounded by what is there
    available = pool.available(order.investor_id, market.rules.base_id) + freed
    available -= available % market.rules.lot
    order.quantity = min(order.quantity, available)
    if order.quantity <= 0:
        raise NothingToReduce
    terms = order.terms
    if terms is not None and terms.display_units is not None:
        terms.display_units = min(terms.display_units, order.quantity)


def _make_conditional(order: BookOrder, terms: Terms, market: Market, pool: PoolState) -> None:
    order.status = UNTRIGGERED
    if is_trailing(order):
        _start_trailing(order, terms, market, pool)
    set_cap(order, market.rules)


def _start_trailing(order: BookOrder, terms: Terms, market: Market, pool: PoolState) -> None:
    if len(market.conditions().trailing) >= TRAILING_PER_LISTING_MAX:
        raise TooManyTrailingStops(maximum=str(TRAILING_PER_LISTING_MAX))
    own = pool.orders_of.get(order.investor_id, {}).values()
    if sum(map(is_trailing, own)) >= TRAILING_PER_INVESTOR_MAX:
        raise TooManyTrailingStops(maximum=str(TRAILING_PER_INVESTOR_MAX))
    price = watched_price(market, terms.trigger_by or "last")
    if price is None:
        raise ReferenceMissing
    terms.trigger_price = trigger_behind(order, price, market.rules.tick)


def watched_price(market: Market, source: str) -> int | None:
    """The price that triggers of this source see now; the reference before any trade."""
    if source == "index" or market.last is None:
        return market.reference
    return market.last


def set_cap(order: BookOrder, rules: Rules) -> None:
    """The most that a buy without a limit may pay once triggered: its hold covers no more."""
    terms = order.terms
    assert terms is not None
    trigger = terms.trigger_price
    if order.price is not None or not order.is_buy or trigger is None:
        return
    if terms.limit_offset is not None:
        order.protection_price = max(trigger + terms.limit_offset, lowest_price(rules))
    else:
        cap = trigger * (MILLION + rules.protection_e6) // MILLION
        order.protection_price = max(cap - cap % rules.tick, rules.tick)


def fires_at_once(order: BookOrder, market: Market) -> bool:
    """Whether a new conditional order's trigger is met already, by the price it watches."""
    assert order.terms is not None
    source = order.terms.trigger_by or "last"
    price = market.last if source == "last" else market.reference
    return price is not None and is_met(order, price)
