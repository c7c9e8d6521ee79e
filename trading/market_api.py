"""Level 1, level 3 and the book's past by /api/v1; the same as the feed tells them."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.rest import MalformedCursor, PageQuery, find_investor_id, read_query
from trading import feed_reads, feed_shapes, queries
from trading.api_shapes import TradeSerializer
from trading.offering import reader_of
from trading.queries import ListingView, history

Shape = serializers.Serializer[dict[str, Any]]
ORDERS_MAX = 1_000
_ROWS = "[id, price, quantity, priority], in the order in which they would be matched"


class TickerSerializer(Shape):
    """Level 1 and the last 24 hours; an auction's fields are null unless one gathers orders."""

    listing = serializers.CharField()
    seq = serializers.IntegerField(help_text="the book's sequence number, as in the feed")
    bid = serializers.CharField(allow_null=True)
    bid_quantity = serializers.CharField(allow_null=True)
    ask = serializers.CharField(allow_null=True)
    ask_quantity = serializers.CharField(allow_null=True)
    last = serializers.CharField(allow_null=True)
    open_24h = serializers.CharField(allow_null=True)
    high_24h = serializers.CharField(allow_null=True)
    low_24h = serializers.CharField(allow_null=True)
    volume_24h = serializers.CharField(help_text="tokens")
    cash_24h = serializers.CharField(help_text="quote")
    vwap_24h = serializers.CharField(allow_null=True)
    change_24h = serializers.CharField(allow_null=True, help_text="last less open")
    trades_24h = serializers.IntegerField()
    auction_price = serializers.CharField(allow_null=True)
    auction_quantity = serializers.CharField(allow_null=True)
    auction_imbalance = serializers.CharField(allow_null=True)
    state = serializers.CharField()
    state_reason = serializers.CharField()
    state_until = serializers.DateTimeField(allow_null=True)
    share_halted = serializers.BooleanField()
    share_halt_reason = serializers.CharField()
    reference_stale = serializers.BooleanField()
    hours = serializers.CharField()
    session = serializers.CharField()
    phase = serializers.CharField()
    limited_by = serializers.CharField()
    limited_until = serializers.DateTimeField(allow_null=True)
    takes_orders = serializers.BooleanField()
    takes_market_orders = serializers.BooleanField()
    takes_buys = serializers.BooleanField()


class Level3Serializer(Shape):
    listing = serializers.CharField()
    seq = serializers.IntegerField(help_text="the book's sequence number, as in the feed")
    bids = serializers.ListField(help_text=_ROWS)
    asks = serializers.ListField(help_text=_ROWS)


class UpdateSerializer(Shape):
    seq = serializers.IntegerField()
    bids = serializers.ListField(help_text="[price, quantity, orders]: what stands there now")
    asks = serializers.ListField(help_text="[price, quantity, orders]: what stands there now")
    trades = TradeSerializer(many=True)


class UpdatePage(Shape):
    results = UpdateSerializer(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class Level3Query(Shape):
    limit = serializers.IntegerField(
        min_value=1, max_value=ORDERS_MAX, default=ORDERS_MAX, help_text="orders a side"
    )


class TickerApi(APIView):
    permission_classes = [AllowAny]

    @extend_schema(responses=TickerSerializer, summary="Best prices, state and last 24 hours")
    def get(self, request: Request, symbol: str) -> Response:
        book = feed_reads.read_book(_listing(request, symbol))
        return Response(feed_shapes.ticker_fields(book))


class Level3Api(APIView):
    permission_classes = [AllowAny]

    @extend_schema(
        parameters=[Level3Query],
        responses=Level3Serializer,
        summary="The book order by order",
        description=(
            "An order has a public id, which tells nothing of its owner and changes with its "
            "priority. Of an iceberg, the slice that is shown."
        ),
    )
    def get(self, request: Request, symbol: str) -> Response:
        listing, query = _listing(request, symbol), read_query(Level3Query, request)
        orders = feed_reads.read_orders(listing, query["limit"])
        return Response(feed_shapes.level3_fields(orders))


class UpdateListApi(APIView):
    permission_classes = [AllowAny]

    @extend_schema(
        parameters=[PageQuery],
        responses=UpdatePage,
        summary="What the feed told of the book, newest first",
        description=(
            "`seq` falls by one from result to result and from page to page, whatever happens "
            "meanwhile. A page may hold fewer than `limit`; the last one has no `next_cursor`."
        ),
    )
    def get(self, request: Request, symbol: str) -> Response:
        listing, page = _listing(request, symbol), read_query(PageQuery, request)
        updates, cursor = history.updates_page(
            listing_id=listing.id,
            symbol=listing.symbol,
            before=_number(page.get("cursor")),
            limit=page["limit"],
        )
        rows = [feed_shapes.update_fields(update, listing) for update in updates]
        return Response({"results": rows, "next_cursor": cursor and str(cursor)})


def _listing(request: Request, symbol: str) -> ListingView:
    """:raises NotFound: unknown, or not offered to who asks."""
    reader = reader_of(investor_id=find_investor_id(request))
    return queries.get_listing(symbol=symbol, reader=reader)


def _number(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise MalformedCursor
    return int(cursor)
