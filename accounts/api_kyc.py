"""Where your verification stands, and what you have to read and accept, by /api/v1."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import queries
from accounts.models import Disclosure, KycCase
from accounts.operations import disclosures
from accounts.rest import CanRead, CanTrade, find_investor_id, investor_id_of, read_body
from kernel import clock
from kernel.refusals import NotFound

Shape = serializers.Serializer[dict[str, Any]]


class MissingSerializer(Shape):
    code = serializers.CharField(help_text="form, identity_document, id_card_side, new_document")
    message = serializers.CharField()


class KycSerializer(Shape):
    """`missing` is empty unless it is your turn; `message` is what we tell you."""

    status = serializers.CharField()
    reason_code = serializers.CharField()
    message = serializers.CharField()
    missing = MissingSerializer(many=True)
    submitted_at = serializers.DateTimeField(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)


class DisclosureSerializer(Shape):
    subject = serializers.CharField()
    version = serializers.IntegerField()
    title = serializers.CharField()
    body = serializers.CharField()
    sha256 = serializers.CharField()
    published_at = serializers.DateTimeField()
    is_accepted = serializers.BooleanField()


class ConsentBody(Shape):
    """The fingerprint of the text that was read: another one is refused."""

    sha256 = serializers.CharField(max_length=64)


class ConsentSerializer(Shape):
    subject = serializers.CharField()
    version = serializers.IntegerField()
    accepted_at = serializers.DateTimeField()


class KycApi(APIView):
    permission_classes = [CanRead]

    @extend_schema(responses=KycSerializer, summary="Where your verification stands")
    def get(self, request: Request) -> Response:
        case = queries.get_case_of(investor_id=investor_id_of(request))
        if case is None:
            raise NotFound("You have no verification, because you are a trader of the house.")
        return Response(_kyc_json(case))


class DisclosureListApi(APIView):
    permission_classes = [AllowAny]

    @extend_schema(responses=DisclosureSerializer(many=True), summary="Current disclosures")
    def get(self, request: Request) -> Response:
        investor_id = find_investor_id(request)
        current = queries.list_current_disclosures()
        return Response([_disclosure_json(each, investor_id) for each in current])


class ConsentApi(APIView):
    permission_classes = [CanTrade]

    @extend_schema(
        request=ConsentBody, responses={201: ConsentSerializer}, summary="Accept a disclosure"
    )
    def post(self, request: Request, subject: str) -> Response:
        body = read_body(ConsentBody, request)
        current = queries.get_current_disclosure(subject=subject)
        if body["sha256"] != current.sha256:
            raise disclosures.DisclosureOutdated
        consent = disclosures.accept(
            investor_id=investor_id_of(request), disclosure_id=current.pk,
            ip=request.META.get("REMOTE_ADDR"), now=clock.now(),
        )  # fmt: skip
        answer = {
            "subject": subject, "version": current.version, "accepted_at": consent.accepted_at,
        }  # fmt: skip
        return Response(answer, status=status.HTTP_201_CREATED)


def _kyc_json(case: KycCase) -> dict[str, Any]:
    missing = queries.list_missing(case)
    return {
        "status": case.status,
        "reason_code": case.reason_code,
        "message": case.investor_message,
        "missing": [{"code": each.code, "message": each.message} for each in missing],
        "submitted_at": case.submitted_at,
        "decided_at": case.decided_at,
    }


def _disclosure_json(disclosure: Disclosure, investor_id: int | None) -> dict[str, Any]:
    names = ("subject", "version", "title", "body", "sha256", "published_at")
    is_accepted = investor_id is not None and queries.has_accepted(
        investor_id=investor_id, disclosure_id=disclosure.pk
    )
    return {**{name: getattr(disclosure, name) for name in names}, "is_accepted": is_accepted}
