"""Own orders and trades by /api/v1: to place, to change, to cancel, to look at.

What may be sent is trading/order_bodies.py; every command takes the same way as
everywhere, trading/order_entry.py.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.rest import (
    CanRead,
    CanTrade,
    MalformedCursor,
    PageQuery,
    investor_id_of,
    read_query,
)
from kernel import clock
from trading import order_bodies, order_entry, queries
from trading.api import listing_of, page_answer
from trading.commands import CancelOrder, OrderView
from trading.engine_line import COMMAND_TIMEOUT_SECONDS
from trading.order_bodies import PlaceBody, read
from trading.order_shapes import (
    OrderPage,
    OrderQuery,
    OrderSerializer,
    OwnTradePage,
    body_schema,
    order_json,
    own_trade_json,
)


class _OwnView(APIView):
    """Reading and trading are two scopes."""

    def get_permissions(self) -> list[Any]:
        return [CanRead()] if self.request.method in SAFE_METHODS else [CanTrade()]


class OrderListApi(_OwnView):
    permission_classes = [CanRead]

    @extend_schema(
        operation_id="orders_list",
        parameters=[OrderQuery],
        responses=OrderPage,
        summary="Your orders, newest first",
    )
    def get(self, request: Request) -> Response:
        query = read_query(OrderQuery, request)
        symbol = query.get("listing")
        orders = queries.list_orders(
            investor_id=investor_id_of(request),
            open_only=query["open"],
            listing_id=listing_of(request, symbol).id if symbol else None,
            before_id=_identifier(query.get("cursor")),
            limit=query["limit"],
        )
        listings = queries.views_by_symbol({order.listing for order in orders})
        rows = [order_json(order, listings[order.listing]) for order in orders]
        return page_answer(rows, query["limit"], str(orders[-1].id) if orders else None)

    @extend_schema(
        request=body_schema(PlaceBody),
        responses={201: OrderSerializer, 200: OrderSerializer},
        summary="Place an order",
        description=(
            "Send a `client_order_id` and repeat the request with the same body as often as you "
            "like: it is placed once. `outcome_unknown` (504) names the order's id to ask for. "
            "With `validate_only` the answer (200) is the order as it would stand."
        ),
    )
    def post(self, request: Request) -> Response:
        body = read(PlaceBody, request.data)
        listing = listing_of(request, body.listing)
        command = order_bodies.place_command(
            body, listing, investor_id=investor_id_of(request), source="api"
        )
        order = order_entry.place_sync(command, timeout_seconds=_timeout(body.deadline))
        code = status.HTTP_200_OK if body.validate_only else status.HTTP_201_CREATED
        return Response(order_json(order, listing), status=code)


class OrderApi(_OwnView):
    permission_classes = [CanRead]

    @extend_schema(responses=OrderSerializer, summary="One of your orders")
    def get(self, request: Request, order_id: UUID) -> Response:
        order = order_entry.get_order_sync(investor_id=investor_id_of(request), order_id=order_id)
        return _order_answer(order)

    @extend_schema(responses=OrderSerializer, summary="Cancel an open order")
    def delete(self, request: Request, order_id: UUID) -> Response:
        command = CancelOrder(investor_id=investor_id_of(request), order_id=order_id)
        return _order_answer(order_entry.cancel_sync(command))


class ClientOrderApi(_OwnView):
    """The same by the client's own id."""

    permission_classes = [CanRead]

    @extend_schema(
        operation_id="orders_by_client_id_retrieve",
        responses=OrderSerializer,
        summary="One of your orders, by your own id",
    )
    def get(self, request: Request, client_order_id: str) -> Response:
        order = queries.find_order(
            investor_id=investor_id_of(request), client_order_id=client_order_id
        )
        return _order_answer(order)

    @extend_schema(responses=OrderSerializer, summary="Cancel an open order, by your own id")
    def delete(self, request: Request, client_order_id: str) -> Response:
        command = CancelOrder(investor_id=investor_id_of(request), client_order_id=client_order_id)
        return _order_answer(order_entry.cancel_sync(command))


class OwnTradeListApi(APIView):
    permission_classes = [CanRead]

    @extend_schema(
        parameters=[PageQuery], responses=OwnTradePage, summary="Your trades, newest first"
    )
    def get(self, request: Request) -> Response:
        page = read_query(PageQuery, request)
        trades = queries.list_trades(
            investor_id=investor_id_of(request),
            before_id=_identifier(page.get("cursor")),
            limit=page["limit"],
        )
        listings = queries.views_by_symbol({trade.listing for trade in trades})
        rows = [own_trade_json(trade, listings[trade.listing]) for trade in trades]
        return page_answer(rows, page["limit"], str(trades[-1].id) if trades else None)


def _timeout(deadline: datetime | float | None) -> float:
    return order_bodies.timeout_of(deadline, now=clock.now(), longest=COMMAND_TIMEOUT_SECONDS)


def _order_answer(order: OrderView) -> Response:
    listings = queries.views_by_symbol({order.listing})
    return Response(order_json(order, listings[order.listing]))


def _identifier(cursor: str | None) -> UUID | None:
    try:
        return UUID(cursor) if cursor is not None else None
    except ValueError:
        raise MalformedCursor from None
