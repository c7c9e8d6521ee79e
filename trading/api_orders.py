"""Own orders and trades by /api/v1: to place, to change, to cancel, to look at.

What may be sent is trading/order_bodies.py; every command takes the same way as
everywhere, trading/order_entry.py.
"""

from collections.abc import Sequence
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
from kernel.refusals import Refusal
from trading import order_bodies, order_changes, order_entry, queries
from trading.api import listing_of, page_answer
from trading.commands import (
    CancelAll,
    CancelAllAfter,
    CancelOrder,
    OrderView,
    PlaceOrder,
    ReplaceOrder,
)
from trading.engine_line import COMMAND_TIMEOUT_SECONDS
from trading.order_bodies import (
    AmendBody,
    CancelAllAfterBody,
    CancelBatchBody,
    PairBody,
    PlaceBatchBody,
    PlaceBody,
    read,
)
from trading.order_shapes import (
    BatchSerializer,
    CancelAllQuery,
    CountSerializer,
    DeadManSerializer,
    OrderPage,
    OrderQuery,
    OrderSerializer,
    OwnTradePage,
    PairSerializer,
    body_schema,
    order_json,
    own_trade_json,
)
from trading.queries import ListingView


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

    @extend_schema(
        operation_id="orders_cancel_all",
        parameters=[CancelAllQuery],
        responses=CountSerializer,
        summary="Cancel all your open orders, in one listing or in all",
    )
    def delete(self, request: Request) -> Response:
        symbol = read_query(CancelAllQuery, request).get("listing")
        command = CancelAll(
            investor_id=investor_id_of(request),
            listing=listing_of(request, symbol).symbol if symbol else None,
        )
        return Response({"canceled": order_changes.cancel_all_sync(command)})


class PairApi(_OwnView):
    permission_classes = [CanTrade]

    @extend_schema(
        request=body_schema(PairBody),
        responses={201: PairSerializer},
        summary="Place two orders of which one cancels the other",
        description="Same listing, side and quantity; both are placed or none.",
    )
    def post(self, request: Request) -> Response:
        body = read(PairBody, request.data)
        listing = listing_of(request, body.first.listing)
        command = order_bodies.pair_command(
            body, listing, investor_id=investor_id_of(request), source="api"
        )
        timeout = min(_timeout(body.first.deadline), _timeout(body.second.deadline))
        placed = order_changes.place_pair_sync(command, timeout_seconds=timeout)
        first, second = (order_json(order, listing) for order in placed)
        return Response({"first": first, "second": second}, status=status.HTTP_201_CREATED)


class BatchApi(_OwnView):
    permission_classes = [CanTrade]

    @extend_schema(
        request=body_schema(PlaceBatchBody),
        responses=BatchSerializer,
        summary="Place 2 to 15 orders",
        description="Each is judged by itself: one result each, in the same order.",
    )
    def post(self, request: Request) -> Response:
        body = read(PlaceBatchBody, request.data)
        investor_id = investor_id_of(request)
        read_ones = [_read_place(request, each, investor_id) for each in body.orders]
        commands = [each for each in read_ones if isinstance(each, PlaceOrder)]
        timeout = min(_timeout(each.deadline) for each in body.orders)
        placed = iter(order_changes.send_batch_sync(commands, timeout_seconds=timeout))
        results = [each if isinstance(each, Refusal) else next(placed) for each in read_ones]
        return _results(results)


class CancelBatchApi(_OwnView):
    permission_classes = [CanTrade]

    @extend_schema(
        request=body_schema(CancelBatchBody),
        responses=BatchSerializer,
        summary="Cancel up to 50 orders",
        description="One result each: by our ids first, then by yours, in the order you sent.",
    )
    def post(self, request: Request) -> Response:
        body = read(CancelBatchBody, request.data)
        commands = order_bodies.cancel_commands(body, investor_id=investor_id_of(request))
        return _results(order_changes.send_batch_sync(commands))


class CancelAllAfterApi(_OwnView):
    permission_classes = [CanTrade]

    @extend_schema(
        request=body_schema(CancelAllAfterBody),
        responses=DeadManSerializer,
        summary="Cancel all your orders unless you ask again in time; 0 turns it off",
    )
    def post(self, request: Request) -> Response:
        body = read(CancelAllAfterBody, request.data)
        command = CancelAllAfter(
            investor_id=investor_id_of(request), timeout_seconds=body.timeout_seconds
        )
        return Response({"cancel_at": order_changes.cancel_all_after_sync(command)})


class ReplaceApi(_OwnView):
    permission_classes = [CanTrade]

    @extend_schema(
        request=body_schema(PlaceBody),
        responses={201: OrderSerializer},
        summary="Cancel an open order and place another in its stead, both or none",
    )
    def post(self, request: Request, order_id: UUID) -> Response:
        body = read(PlaceBody, request.data)
        listing = listing_of(request, body.listing)
        investor_id = investor_id_of(request)
        command = ReplaceOrder(
            investor_id=investor_id,
            order_id=order_id,
            order=order_bodies.place_command(body, listing, investor_id=investor_id, source="api"),
        )
        order = order_changes.replace_sync(command, timeout_seconds=_timeout(body.deadline))
        return Response(order_json(order, listing), status=status.HTTP_201_CREATED)


class OrderApi(_OwnView):
    permission_classes = [CanRead]

    @extend_schema(responses=OrderSerializer, summary="One of your orders")
    def get(self, request: Request, order_id: UUID) -> Response:
        order = order_entry.get_order_sync(investor_id=investor_id_of(request), order_id=order_id)
        return _order_answer(order)

    @extend_schema(
        request=body_schema(AmendBody),
        responses=OrderSerializer,
        summary="Change an open order under its own id",
        description="It keeps its place in the queue when nothing but quantity or display shrinks.",
    )
    def patch(self, request: Request, order_id: UUID) -> Response:
        order = queries.get_order(investor_id=investor_id_of(request), order_id=order_id)
        return _amended(request, order)

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

    @extend_schema(
        request=body_schema(AmendBody),
        responses=OrderSerializer,
        summary="Change an open order, by your own id",
    )
    def patch(self, request: Request, client_order_id: str) -> Response:
        order = queries.find_order(
            investor_id=investor_id_of(request), client_order_id=client_order_id
        )
        return _amended(request, order)

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


def _read_place(request: Request, body: PlaceBody, investor_id: int) -> PlaceOrder | Refusal:
    """One order of a batch; what cannot be read is its own refusal, not the batch's."""
    try:
        listing = listing_of(request, body.listing)
        return order_bodies.place_command(body, listing, investor_id=investor_id, source="api")
    except Refusal as refusal:
        return refusal


def _results(results: Sequence[OrderView | Refusal]) -> Response:
    orders = [each for each in results if isinstance(each, OrderView)]
    listings = queries.views_by_symbol({order.listing for order in orders})
    return Response({"results": [_result_json(each, listings) for each in results]})


def _result_json(result: OrderView | Refusal, listings: dict[str, ListingView]) -> dict[str, Any]:
    if isinstance(result, OrderView):
        return {"order": order_json(result, listings[result.listing])}
    return {"code": result.code, "message": result.message, "details": result.details}


def _amended(request: Request, order: OrderView) -> Response:
    body = read(AmendBody, request.data)
    listing = queries.listing_to_change(order)
    command = order_bodies.amend_command(
        body, listing, investor_id=order.investor_id, order_id=order.id
    )
    amended = order_changes.amend_sync(command, timeout_seconds=_timeout(body.deadline))
    return Response(order_json(amended, listing))


def _order_answer(order: OrderView) -> Response:
    listings = queries.views_by_symbol({order.listing})
    return Response(order_json(order, listings[order.listing]))


def _identifier(cursor: str | None) -> UUID | None:
    try:
        return UUID(cursor) if cursor is not None else None
    except ValueError:
        raise MalformedCursor from None
