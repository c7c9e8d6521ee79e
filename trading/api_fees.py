"""Your fees by /api/v1: the volume they go by, the tier you are in, and the next."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.rest import AmountField, CanRead, investor_id_of
from kernel import clock
from kernel.money import format_units
from trading import queries
from trading.engine.rates import Tier
from trading.offering import reader_of
from trading.queries.fees import FeeCard, get_standing, list_fee_cards

CASH_DECIMALS = RATE_DECIMALS = 6


class TierSerializer(serializers.Serializer[Any]):
    volume_from = AmountField()
    maker_fee = AmountField()
    taker_fee = AmountField()


class ListingFeesSerializer(serializers.Serializer[Any]):
    listings = serializers.ListField(child=serializers.CharField())
    maker_fee = AmountField()
    taker_fee = AmountField()
    next_tier = TierSerializer(allow_null=True)
    tiers = TierSerializer(many=True)


class FeesSerializer(serializers.Serializer[Any]):
    volume_30_days = AmountField()
    counted_until = serializers.DateField(allow_null=True)
    fees = ListingFeesSerializer(many=True)


class FeesApi(APIView):
    permission_classes: list[type[BasePermission]] = [CanRead]

    @extend_schema(responses=FeesSerializer, summary="Your fees, your 30-day volume, your tiers")
    def get(self, request: Request) -> Response:
        investor_id, now = investor_id_of(request), clock.now()
        reader, standing = reader_of(investor_id=investor_id), get_standing(investor_id=investor_id)
        cards = list_fee_cards(
            listings=queries.list_listings(reader=reader, now=now),
            reader=reader,
            volume_units=standing.volume_units,
            now=now,
        )
        return Response(
            {
                "volume_30_days": format_units(standing.volume_units, CASH_DECIMALS, places_min=2),
                "counted_until": standing.counted_until,
                "fees": [_card_json(card) for card in cards],
            }
        )


def _card_json(card: FeeCard) -> dict[str, Any]:
    return {
        "listings": list(card.symbols),
        "maker_fee": format_units(card.reached.maker_e6, RATE_DECIMALS),
        "taker_fee": format_units(card.reached.taker_e6, RATE_DECIMALS),
        "next_tier": None if card.next is None else _tier_json(card.next),
        "tiers": [_tier_json(tier) for tier in card.tiers],
    }


def _tier_json(tier: Tier) -> dict[str, str]:
    return {
        "volume_from": format_units(tier.volume_from, CASH_DECIMALS, places_min=2),
        "maker_fee": format_units(tier.maker_e6, RATE_DECIMALS),
        "taker_fee": format_units(tier.taker_e6, RATE_DECIMALS),
    }
