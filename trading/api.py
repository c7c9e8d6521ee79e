"""Listings, market data, orders and own trades by /api/v1.

What is not offered to the caller is not found here either. Placing an
order takes the same way as everywhere: trading/order_entry.py.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.rest import (
    CanRead,
    CanTrade,
    MalformedCursor,
    PageQuery,
    find_investor_id,
    investor_id_of,
    read_body,
    read_query,
)
from kernel import clock
from trading import order_entry, pages, queries
from trading.api_shapes import (
    CandleQuery,
    CandleSerializer,
    DepthQuery,
    DepthSerializer,
    ListingSerializer,
    OrderPage,
    OrderQuery,
    OrderSerializer,
    OwnTradePage,
    PlaceOrderBody,
    TradePage,
    candle_json,
    depth_json,
    listing_json,
    order_json,
    own_trade_json,
    place_command,
    trade_json,
)
from trading.commands import CancelOrder
from trading.offering import Reader, reader_of
from trading.queries import ListingView


class ListingListApi(APIView):
    permission_classes = [AllowAny]

    @extend_schema(responses=ListingSerializer(many=True), summary="The listings offered to you")
    def get(self, request: Request) -> Response:
        rows = pages.list_market_rows(reader=_reader(request), now=clock.now())
        return Response([listing_json(row) for row in rows])


class ListingApi(APIView):
    permission_classes = [AllowAny]

    @extend_schema(responses=ListingSerializer, summary="One listing's rules and last 24 hours")
    def get(self, request: Request, symbol: str) -> Response:
        row = pages.get_market_row(symbol=symbol, reader=_reader(request), now=clock.now())
        return Response(listing_json(row))


class DepthApi(APIView):
    permission_classes = [AllowAny]

    @extend_schema(
        parameters=[DepthQuery], responses=DepthSerializer, summary="The book by price, best first"
    )
    def get(self, request: Request, symbol: str) -> Response:
        listing = _listing(request, symbol)
        levels = read_query(DepthQuery, request)["levels"]
        depth = queries.depth(listing_id=listing.id, levels=levels)
        return Response(depth_json(depth, listing))


class TradeListApi(APIView):
    permission_classes = [AllowAny]

    @extend_schema(
        parameters=[PageQuery], responses=TradePage, summary="Public trades, newest first"
    )
    def get(self, request: Request, symbol: str) -> Response:
        listing = _listing(request, symbol)
        page = read_query(PageQuery, request)
        trades = queries.recent_trades(
            listing_id=listing.id, limit=page["limit"], before_no=_number(page.get("cursor"))
        )
        rows = [trade_json(trade, listing) for trade in trades]
        return _page(rows, page["limit"], str(trades[-1].trade_no) if trades else None)


class CandleListApi(APIView):
    permission_classes = [AllowAny]

    @extend_schema(
        parameters=[CandleQuery],
        responses=CandleSerializer(many=True),
        summary="Candles, oldest first; intervals without trades are left out",
    )
    def get(self, request: Request, symbol: str) -> Response:
        listing = _listing(request, symbol)
        query = read_query(CandleQuery, request)
        candles = queries.candles(
            listing_id=listing.id,
            interval_seconds=query["interval_seconds"],
            now=clock.now(),
            start_at=_moment(query.get("start_at")),
            limit=query["limit"],
        )
        return Response([candle_json(candle, listing) for candle in candles])


class OrderListApi(APIView):
    permission_classes = [CanRead]

    def get_permissions(self) -> list[Any]:
        """Reading and placing are two scopes."""
        return [CanTrade()] if self.request.method == "POST" else [CanRead()]

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
            listing_id=_listing(request, symbol).id if symbol else None,
            before_id=_identifier(query.get("cursor")),
            limit=query["limit"],
        )
        listings = queries.views_by_symbol({order.listing for order in orders})
        rows = [order_json(order, listings[order.listing]) for order in orders]
        return _page(rows, query["limit"], str(orders[-1].id) if orders else None)

    @extend_schema(
        request=PlaceOrderBody,
        responses={201: OrderSerializer},
        summary="Place an order",
        description=(
            "Send a `client_order_id` and repeat the request with the same body as often as you "
            "like: it is placed once. `outcome_unknown` (504) names the order's id to ask for."
        ),
    )
    def post(self, request: Request) -> Response:
        body = read_body(PlaceOrderBody, request)
        listing = _listing(request, body["listing"])
        command = place_command(body, listing, investor_id=investor_id_of(request))
        order = order_entry.place_sync(command)
        return Response(order_json(order, listing), status=status.HTTP_201_CREATED)


class OrderApi(APIView):
    permission_classes = [CanRead]

    def get_permissions(self) -> list[Any]:
        return [CanTrade()] if self.request.method == "DELETE" else [CanRead()]

    @extend_schema(responses=OrderSerializer, summary="One of your orders")
    def get(self, request: Request, order_id: UUID) -> Response:
        order = order_entry.get_order_sync(investor_id=investor_id_of(request), order_id=order_id)
        return _order(order)

    @extend_schema(responses=OrderSerializer, summary="Cancel an open order")
    def delete(self, request: Request, order_id: UUID) -> Response:
        command = CancelOrder(investor_id=investor_id_of(request), order_id=order_id)
        return _order(order_entry.cancel_sync(command))


class ClientOrderApi(APIView):
    """The same by the client's own id."""

    permission_classes = [CanRead]

    def get_permissions(self) -> list[Any]:
        return [CanTrade()] if self.request.method == "DELETE" else [CanRead()]

    @extend_schema(
        operation_id="orders_by_client_id_retrieve",
        responses=OrderSerializer,
        summary="One of your orders, by your own id",
    )
    def get(self, request: Request, client_order_id: str) -> Response:
        order = queries.find_order(
            investor_id=investor_id_of(request), client_order_id=client_order_id
        )
        return _order(order)

    @extend_schema(responses=OrderSerializer, summary="Cancel an open order, by your own id")
    def delete(self, request: Request, client_order_id: str) -> Response:
        command = CancelOrder(investor_id=investor_id_of(request), client_order_id=client_order_id)
        return _order(order_entry.cancel_sync(command))


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
        return _page(rows, page["limit"], str(trades[-1].id) if trades else None)


def _reader(request: Request) -> Reader:
    return reader_of(investor_id=find_investor_id(request))


def _listing(request: Request, symbol: str) -> ListingView:
    return queries.get_listing(symbol=symbol, reader=_reader(request))


def _order(order: Any) -> Response:
    listings = queries.views_by_symbol({order.listing})
    return Response(order_json(order, listings[order.listing]))


def _page(rows: list[dict[str, Any]], limit: int, last: str | None) -> Response:
    """A full page may have a next one."""
    return Response({"results": rows, "next_cursor": last if len(rows) == limit else None})


def _number(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise MalformedCursor
    return int(cursor)


def _identifier(cursor: str | None) -> UUID | None:
    try:
        return UUID(cursor) if cursor is not None else None
    except ValueError:
        raise MalformedCursor from None


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
