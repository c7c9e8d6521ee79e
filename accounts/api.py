"""Who you are to the platform, by /api/v1."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api_keys import Principal
from accounts.models import EligibilitySnapshot
from accounts.models.api_keys import SCOPES
from accounts.queries import get_eligibility, get_investor
from accounts.rest import CanRead, investor_id_of

Shape = serializers.Serializer[dict[str, Any]]


class EligibilitySerializer(Shape):
    """What you may do now, and why not; `accepted` is the disclosure version per asset."""

    may_buy = serializers.BooleanField()
    may_sell = serializers.BooleanField()
    country = serializers.CharField()
    reason_code = serializers.CharField()
    accepted = serializers.DictField(child=serializers.IntegerField())


class MeSerializer(Shape):
    display_name = serializers.CharField()
    kind = serializers.CharField()
    kyc_status = serializers.CharField()
    residence_country = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField(), help_text="of this key")
    eligibility = EligibilitySerializer(allow_null=True)


class MeApi(APIView):
    permission_classes = [CanRead]

    @extend_schema(responses=MeSerializer, summary="Who you are and what you may do")
    def get(self, request: Request) -> Response:
        investor = get_investor(investor_id=investor_id_of(request))
        scopes = request.auth.scopes if isinstance(request.auth, Principal) else SCOPES
        return Response(
            {
                "display_name": investor.display_name,
                "kind": investor.kind,
                "kyc_status": investor.kyc_status,
                "residence_country": investor.residence_country,
                "scopes": sorted(scopes),
                "eligibility": _eligibility_json(get_eligibility(investor_id=investor.pk)),
            }
        )


def _eligibility_json(snapshot: EligibilitySnapshot | None) -> dict[str, Any] | None:
    if snapshot is None:
        return None
    return {
        "may_buy": snapshot.may_buy,
        "may_sell": snapshot.may_sell,
        "country": snapshot.country,
        "reason_code": snapshot.reason_code,
        "accepted": snapshot.accepted,
    }
