"""An order as its owner sees it, made from what the engine knows."""

from datetime import UTC, datetime

from trading.commands import OrderView, TermsView
from trading.engine.book import BookOrder
from trading.engine.market import Market
from trading.engine.terms import Terms


def view_of(order: BookOrder, market: Market, batch_no: int, now: datetime) -> OrderView:
    is_new = order.batch_no == batch_no
    return OrderView(
        id=order.id,
        listing=market.rules.symbol,
        investor_id=order.investor_id,
        side="buy" if order.is_buy else "sell",
        type=order.type,
        time_in_force=order.time_in_force,
        post_only=order.post_only,
        price_units=order.price,
        protection_price_units=order.protection_price,
        quantity_units=order.quantity,
        cash_units=order.cash,
        filled_units=order.filled,
        filled_cash_units=order.filled_cash,
        fee_units=order.fee,
        held_units=order.held,
        status=order.status,
        reason=order.reason,
        client_order_id=order.client_order_id,
        user_ref=order.user_ref,
        source=order.source,
        batch_no=batch_no,
        accepted_at=now if is_new else datetime.fromtimestamp(order.accepted_at, UTC),
        updated_at=now,
        priority=order.priority,
        terms=None if order.terms is None else _terms_view(order.terms),
    )


def _terms_view(terms: Terms) -> TermsView:
    return TermsView(
        expires_at=_moment(terms.expires_at),
        display_units=terms.display_units,
        reduce_only=terms.reduce_only,
        self_trade_prevention=terms.self_trade_prevention,
        trigger_by=terms.trigger_by,
        trigger_price_units=terms.trigger_price,
        trail_units=terms.trail_units,
        trail_e6=terms.trail_e6,
        limit_offset_units=terms.limit_offset,
        link_id=terms.link_id,
        parent_id=terms.parent_id,
        close_take_profit_units=terms.close_take_profit,
        close_stop_loss_units=terms.close_stop_loss,
        replaces=terms.replaces,
        triggered_at=_moment(terms.triggered_at),
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
