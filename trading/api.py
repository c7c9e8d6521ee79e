"""Listings and market data by /api/v1. What is not offered to the caller is not found here either.

Orders are in trading/api_orders.py.
"""

from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.rest import (
    MalformedCursor,
    PageQuery,
    find_investor_id,
    read_query,
)
from kernel import clock
from trading import pages, queries
from trading.api_shapes import (
    CandleQuery,
    CandleSerializer,
    DepthQuery,
    DepthSerializer,
    ListingSerializer,
    TradePage,
    candle_json,
    depth_json,
    listing_json,
    trade_json,
)
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
        listing = listing_of(request, symbol)
        levels = read_query(DepthQuery, request)["levels"]
        depth = queries.depth(listing_id=listing.id, levels=levels)
        return Response(depth_json(depth, listing))


class TradeListApi(APIView):
    permission_classes = [AllowAny]

    @extend_schema(
        parameters=[PageQuery], responses=TradePage, summary="Public trades, newest first"
    )
    def get(self, request: Request, symbol: str) -> Response:
        listing = listing_of(request, symbol)
        page = read_query(PageQuery, request)
        trades = queries.recent_trades(
            listing_id=listing.id, limit=page["limit"], before_no=_number(page.get("cursor"))
        )
        rows = [trade_json(trade, listing) for trade in trades]
        return page_answer(rows, page["limit"], str(trades[-1].trade_no) if trades else None)


class CandleListApi(APIView):
    permission_classes = [AllowAny]

    @extend_schema(
        parameters=[CandleQuery],
        responses=CandleSerializer(many=True),
        summary="Candles, oldest first; intervals without trades are left out",
    )
    def get(self, request: Request, symbol: str) -> Response:
        listing = listing_of(request, symbol)
        query = read_query(CandleQuery, request)
        candles = queries.candles(
            listing_id=listing.id,
            interval_seconds=query["interval_seconds"],
            start_at=_moment(query.get("start_at")),
            before=_moment(query.get("before")),
            adjusted=query["adjusted"],
            limit=query["limit"],
        )
        return Response([candle_json(candle, listing) for candle in candles])


def _reader(request: Request) -> Reader:
    return reader_of(investor_id=find_investor_id(request))


def listing_of(request: Request, symbol: str) -> ListingView:
    return queries.get_listing(symbol=symbol, reader=_reader(request))


def page_answer(rows: list[dict[str, Any]], limit: int, last: str | None) -> Response:
    """A full page may have a next one."""
    return Response({"results": rows, "next_cursor": last if len(rows) == limit else None})


def _number(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise MalformedCursor
    return int(cursor)


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
