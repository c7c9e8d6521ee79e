"""Reference data by /api/v1: instruments with their prices, the session now. Public.

Every price here is per share of the underlying, in dollars, with its age.
"""

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from kernel import clock
from kernel.money import format_units
from reference import queries
from reference.models import Instrument
from reference.queries import ReferenceView
from reference.sessions import session_at

MICROS_DECIMALS = 6


class SessionSerializer(serializers.Serializer[dict[str, Any]]):
    session = serializers.CharField(help_text="regular, pre, post, overnight, weekend or holiday")
    at = serializers.DateTimeField()
    next_change_at = serializers.DateTimeField()
    next_regular_open_at = serializers.DateTimeField()
    last_regular_close_at = serializers.DateTimeField()
    is_early_close = serializers.BooleanField()


class InstrumentSerializer(serializers.Serializer[dict[str, Any]]):
    ticker = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.CharField()
    exchange = serializers.CharField()
    isin = serializers.CharField()
    price_source = serializers.CharField(help_text="where the prices come from, in words")
    price_per_share = serializers.CharField(allow_null=True, help_text="USD")
    confidence = serializers.CharField(allow_null=True, help_text="USD")
    previous_close = serializers.CharField(allow_null=True, help_text="USD")
    published_at = serializers.DateTimeField(allow_null=True)
    age_seconds = serializers.IntegerField(allow_null=True)
    is_stale = serializers.BooleanField()
    is_halted = serializers.BooleanField()
    halt_reason = serializers.CharField()
    session = serializers.CharField()


class SessionApi(APIView):
    permission_classes = [AllowAny]

    @extend_schema(responses=SessionSerializer, summary="The underlying market's session now")
    def get(self, request: Request) -> Response:
        return Response(SessionSerializer(asdict(session_at(clock.now()))).data)


class InstrumentListApi(APIView):
    permission_classes = [AllowAny]

    @extend_schema(
        responses=InstrumentSerializer(many=True), summary="Instruments and their prices per share"
    )
    def get(self, request: Request) -> Response:
        views = queries.list_reference_prices(now=clock.now())
        rows = [_row(each, views[each.pk]) for each in queries.list_instruments()]
        return Response([InstrumentSerializer(row).data for row in rows])


class InstrumentApi(APIView):
    permission_classes = [AllowAny]

    @extend_schema(responses=InstrumentSerializer, summary="One instrument and its price per share")
    def get(self, request: Request, ticker: str) -> Response:
        instrument = queries.get_instrument(ticker)
        view = queries.get_reference_price(instrument_id=instrument.pk, now=clock.now())
        return Response(InstrumentSerializer(_row(instrument, view)).data)


def _row(instrument: Instrument, view: ReferenceView) -> dict[str, Any]:
    return {
        "ticker": instrument.ticker,
        "name": instrument.name,
        "kind": instrument.kind,
        "exchange": instrument.exchange,
        "isin": instrument.isin,
        "price_source": str(view.source.value),
        "price_per_share": _dollars(view.price_per_share_micros),
        "confidence": _dollars(view.confidence_micros),
        "previous_close": _dollars(view.previous_close_micros),
        "published_at": view.published_at,
        "age_seconds": view.age_seconds,
        "is_stale": view.is_stale,
        "is_halted": view.is_halted,
        "halt_reason": view.halt_reason,
        "session": str(view.session.value),
    }


def _dollars(micros: int | None) -> str | None:
    return None if micros is None else format_units(micros, MICROS_DECIMALS, places_min=2)
