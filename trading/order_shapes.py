"""How an investor's own orders and trades look in JSON, and what the schema says of them.

What may be sent is defined once, in trading/order_bodies.py; the schema is made from it.
"""

from typing import Any

import msgspec
from rest_framework import serializers

from accounts.rest import PageQuery
from kernel.money import format_units
from trading.commands import OrderView, TermsView
from trading.order_bodies import PERCENT_DECIMALS, Body
from trading.queries import ListingView, OwnTrade

Shape = serializers.Serializer[dict[str, Any]]


class OrderQuery(PageQuery):
    open = serializers.BooleanField(default=False, help_text="open orders alone")
    listing = serializers.CharField(max_length=32, required=False)


class CancelAllQuery(Shape):
    listing = serializers.CharField(max_length=32, required=False, help_text="in this one alone")


class TermsSerializer(Shape):
    """What only some orders carry."""

    expires_at = serializers.DateTimeField(allow_null=True)
    display = serializers.CharField(allow_null=True, help_text="iceberg: shown at a time")
    reduce_only = serializers.BooleanField()
    self_trade_prevention = serializers.CharField()
    trigger_by = serializers.CharField(allow_null=True, help_text="`last` or `index`")
    trigger_price = serializers.CharField(
        allow_null=True, help_text="of a trailing stop: where it started"
    )
    triggered_at = serializers.DateTimeField(allow_null=True)
    trail = serializers.CharField(allow_null=True)
    trail_percent = serializers.CharField(allow_null=True)
    limit_offset = serializers.CharField(allow_null=True)
    link_id = serializers.UUIDField(
        allow_null=True, help_text="common to two orders of which one cancels the other"
    )
    parent_id = serializers.UUIDField(allow_null=True, help_text="the order that this one closes")
    close_take_profit = serializers.CharField(allow_null=True)
    close_stop_loss = serializers.CharField(allow_null=True)
    replaces = serializers.UUIDField(allow_null=True)


class OrderSerializer(Shape):
    id = serializers.UUIDField()
    client_order_id = serializers.CharField(allow_null=True)
    user_ref = serializers.IntegerField(allow_null=True)
    listing = serializers.CharField()
    side = serializers.CharField()
    order_type = serializers.CharField()
    time_in_force = serializers.CharField()
    post_only = serializers.BooleanField()
    price = serializers.CharField(allow_null=True)
    quantity = serializers.CharField(allow_null=True)
    cash = serializers.CharField(allow_null=True)
    filled_quantity = serializers.CharField()
    filled_cash = serializers.CharField()
    average_price = serializers.CharField(allow_null=True)
    fee = serializers.CharField()
    status = serializers.CharField(
        help_text="open, untriggered, filled, canceled, expired or refused"
    )
    reason = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    accepted_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    terms = TermsSerializer(allow_null=True)


class OwnTradeSerializer(Shape):
    id = serializers.UUIDField()
    listing = serializers.CharField()
    order_id = serializers.UUIDField()
    side = serializers.CharField()
    role = serializers.CharField()
    price = serializers.CharField()
    quantity = serializers.CharField()
    cash = serializers.CharField()
    fee = serializers.CharField()
    trade_no = serializers.IntegerField()
    traded_at = serializers.DateTimeField()


class PairSerializer(Shape):
    first = OrderSerializer()
    second = OrderSerializer()


class ResultSerializer(Shape):
    """Of one order of a batch: what became of it, or why not."""

    order = OrderSerializer(required=False)
    code = serializers.CharField(required=False)
    message = serializers.CharField(required=False)
    details = serializers.DictField(required=False)


class BatchSerializer(Shape):
    results = ResultSerializer(many=True)


class CountSerializer(Shape):
    canceled = serializers.IntegerField(help_text="how many were open until then")


class DeadManSerializer(Shape):
    cancel_at = serializers.DateTimeField(allow_null=True, help_text="null: it is off")


class OrderPage(Shape):
    results = OrderSerializer(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class OwnTradePage(Shape):
    results = OwnTradeSerializer(many=True)
    next_cursor = serializers.CharField(allow_null=True)


def order_json(order: OrderView, listing: ListingView) -> dict[str, Any]:
    return {
        "id": order.id,
        "client_order_id": order.client_order_id,
        "user_ref": order.user_ref,
        "listing": order.listing,
        "side": order.side,
        "order_type": order.type,
        "time_in_force": order.time_in_force,
        "post_only": order.post_only,
        "price": _cash(listing, order.price_units),
        "quantity": _quantity(listing, order.quantity_units),
        "cash": _cash(listing, order.cash_units),
        "filled_quantity": _quantity(listing, order.filled_units),
        "filled_cash": _cash(listing, order.filled_cash_units),
        "average_price": _cash(listing, order.average_price_units),
        "fee": _cash(listing, order.fee_units),
        "status": order.status,
        "reason": order.reason,
        "source": order.source,
        "accepted_at": order.accepted_at,
        "updated_at": order.updated_at,
        "terms": None if order.terms is None else _terms_json(order.terms, listing),
    }


def _terms_json(terms: TermsView, listing: ListingView) -> dict[str, Any]:
    percent = terms.trail_e6
    return {
        "expires_at": terms.expires_at,
        "display": _quantity(listing, terms.display_units),
        "reduce_only": terms.reduce_only,
        "self_trade_prevention": terms.self_trade_prevention,
        "trigger_by": terms.trigger_by,
        "trigger_price": _cash(listing, terms.trigger_price_units),
        "triggered_at": terms.triggered_at,
        "trail": _cash(listing, terms.trail_units),
        "trail_percent": None if percent is None else format_units(percent, PERCENT_DECIMALS),
        "limit_offset": _cash(listing, terms.limit_offset_units),
        "link_id": terms.link_id,
        "parent_id": terms.parent_id,
        "close_take_profit": _cash(listing, terms.close_take_profit_units),
        "close_stop_loss": _cash(listing, terms.close_stop_loss_units),
        "replaces": terms.replaces,
    }


def own_trade_json(trade: OwnTrade, listing: ListingView) -> dict[str, Any]:
    return {
        "id": trade.id,
        "listing": trade.listing,
        "order_id": trade.order_id,
        "side": trade.side,
        "role": trade.role,
        "price": _cash(listing, trade.price_units),
        "quantity": _quantity(listing, trade.quantity_units),
        "cash": _cash(listing, trade.cash_units),
        "fee": _cash(listing, trade.fee_units),
        "trade_no": trade.trade_no,
        "traded_at": trade.traded_at,
    }


def body_schema(kind: type[Body]) -> dict[str, Any]:
    """A body as OpenAPI 3.0 writes it, to be given to `extend_schema(request=...)`."""
    _, parts = msgspec.json.schema_components([kind], ref_template="{name}")
    found: dict[str, Any] = _in_open_api(parts[kind.__name__], parts)
    return {"application/json": found}


def _in_open_api(schema: Any, parts: dict[str, Any]) -> Any:
    """JSON Schema's references written out; null as `nullable`, which 3.0 knows."""
    if isinstance(schema, list):
        return [_in_open_api(each, parts) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _in_open_api(parts[schema["$ref"]], parts)
    made = {key: _in_open_api(value, parts) for key, value in schema.items() if key != "examples"}
    choices = made.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        made["anyOf"] = [each for each in choices if each != {"type": "null"}]
        made["nullable"] = True
    if len(made.get("anyOf", ())) == 1:
        [only] = made.pop("anyOf")
        made = {**only, **made}
    if isinstance(made.get("pattern"), str):
        made["pattern"] = made["pattern"].replace("\\A", "^").replace("\\Z", "$")
    return made


def _cash(listing: ListingView, units: int | None) -> str | None:
    """Quote units, at least cents."""
    return None if units is None else format_units(units, listing.quote_decimals, places_min=2)


def _quantity(listing: ListingView, units: int | None) -> str | None:
    return None if units is None else format_units(units, listing.base_decimals)
