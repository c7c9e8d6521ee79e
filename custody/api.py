"""Balances, deposits, redemptions by /api/v1, and the reserves, which are public."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.rest import (
    AmountField,
    CanFund,
    CanRead,
    PageQuery,
    investor_id_of,
    read_body,
    read_query,
)
from custody import operations
from custody.models import Asset, Deposit, Redemption, ReserveAttestation
from custody.pages import Holding, ReserveRow, list_holdings, list_reserve_rows
from kernel import clock
from kernel.money import format_units, parse_units
from kernel.refusals import NotFound

SHARE_DECIMALS = 9
IDEMPOTENCY_KEY_CHARS_MAX = 64
Shape = serializers.Serializer[dict[str, Any]]


class BalanceSerializer(Shape):
    """`total` is the sum of the four others."""

    asset = serializers.CharField()
    total = serializers.CharField()
    available = serializers.CharField()
    in_orders = serializers.CharField()
    in_redemption = serializers.CharField()
    pledged = serializers.CharField()
    on_the_way = serializers.CharField()


class AssetQuery(Shape):
    asset = serializers.CharField(max_length=32, default="USDC")


class DepositAddressSerializer(Shape):
    asset = serializers.CharField()
    network = serializers.CharField()
    address = serializers.CharField()


class DepositSerializer(Shape):
    asset = serializers.CharField()
    amount = serializers.CharField()
    state = serializers.CharField()
    signature = serializers.CharField()
    seen_at = serializers.DateTimeField()
    credited_at = serializers.DateTimeField(allow_null=True)


class RedemptionBody(Shape):
    """`idempotency_key` makes the request safe to repeat: one key, one redemption."""

    asset = serializers.CharField(max_length=32)
    quantity = AmountField()
    idempotency_key = serializers.CharField(max_length=IDEMPOTENCY_KEY_CHARS_MAX)


class RedemptionSerializer(Shape):
    id = serializers.UUIDField()
    asset = serializers.CharField()
    quantity = serializers.CharField()
    shares = serializers.CharField()
    state = serializers.CharField()
    reason = serializers.CharField()
    sold = serializers.CharField(
        allow_null=True, help_text="Tokens sold: fewer than `quantity` when the sale ended in part."
    )
    gross = serializers.CharField(allow_null=True)
    fee = serializers.CharField(allow_null=True)
    paid = serializers.CharField(allow_null=True)
    requested_at = serializers.DateTimeField()
    held_at = serializers.DateTimeField(allow_null=True)
    submitted_at = serializers.DateTimeField(allow_null=True)
    sold_at = serializers.DateTimeField(allow_null=True)
    burned_at = serializers.DateTimeField(allow_null=True)
    paid_at = serializers.DateTimeField(allow_null=True)
    refused_at = serializers.DateTimeField(allow_null=True)


class RedemptionPage(Shape):
    results = RedemptionSerializer(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class ReserveSerializer(Shape):
    """A number that could not be read is null, never 0."""

    asset = serializers.CharField()
    as_of = serializers.DateTimeField(allow_null=True)
    ledger_seal = serializers.IntegerField(
        allow_null=True, help_text="The number of the newest ledger seal when it was counted."
    )
    verdict = serializers.CharField(allow_null=True)
    custodian_settled_shares = serializers.CharField(allow_null=True)
    custodian_unsettled_shares = serializers.CharField(allow_null=True)
    chain_supply = serializers.CharField(allow_null=True)
    ledger_liabilities = serializers.CharField(allow_null=True)
    required_shares = serializers.CharField(allow_null=True)
    findings = serializers.ListField(child=serializers.CharField())


class BalanceListApi(APIView):
    permission_classes = [CanRead]

    @extend_schema(
        responses=BalanceSerializer(many=True), summary="What you have and how much is free"
    )
    def get(self, request: Request) -> Response:
        holdings = list_holdings(investor_id=investor_id_of(request))
        return Response([_balance_json(holding) for holding in holdings])


class DepositAddressApi(APIView):
    permission_classes = [CanFund]

    @extend_schema(
        parameters=[AssetQuery],
        responses=DepositAddressSerializer,
        summary="Your own deposit address; the same one every time",
    )
    def get(self, request: Request) -> Response:
        asset = _asset(read_query(AssetQuery, request)["asset"])
        address = operations.get_deposit_address(
            investor_id=investor_id_of(request), asset_id=asset.pk, now=clock.now()
        )
        return Response({"asset": asset.code, "network": "solana", "address": address.address})


class DepositListApi(APIView):
    permission_classes = [CanRead]

    @extend_schema(
        parameters=[PageQuery],
        responses=DepositSerializer(many=True),
        summary="Your newest deposits",
    )
    def get(self, request: Request) -> Response:
        limit = read_query(PageQuery, request)["limit"]
        found = Deposit.objects.filter(address__investor_id=investor_id_of(request))
        deposits = found.select_related("address__asset").order_by("-seen_at")[:limit]
        return Response([_deposit_json(deposit) for deposit in deposits])


class RedemptionListApi(APIView):
    permission_classes = [CanRead]

    def get_permissions(self) -> list[Any]:
        return [CanFund()] if self.request.method == "POST" else [CanRead()]

    @extend_schema(
        operation_id="redemptions_list",
        parameters=[PageQuery],
        responses=RedemptionPage,
        summary="Your redemptions, newest first",
    )
    def get(self, request: Request) -> Response:
        page = read_query(PageQuery, request)
        found = Redemption.objects.filter(investor_id=investor_id_of(request))
        if page.get("cursor"):
            found = found.filter(id__lt=_identifier(page["cursor"]))
        redemptions = list(found.select_related("asset").order_by("-id")[: page["limit"]])
        is_full = len(redemptions) == page["limit"]
        return Response(
            {
                "results": [_redemption_json(each) for each in redemptions],
                "next_cursor": str(redemptions[-1].id) if is_full else None,
            }
        )

    @extend_schema(
        request=RedemptionBody,
        responses={201: RedemptionSerializer},
        summary="Redeem tokens for cash at the next session's price",
    )
    def post(self, request: Request) -> Response:
        body = read_body(RedemptionBody, request)
        asset = _asset(body["asset"])
        redemption = operations.request_redemption(
            investor_id=investor_id_of(request),
            asset_id=asset.pk,
            units=parse_units(body["quantity"], asset.decimals),
            idempotency_key=body["idempotency_key"],
            now=clock.now(),
        )
        return Response(_redemption_json(redemption), status=status.HTTP_201_CREATED)


class RedemptionApi(APIView):
    permission_classes = [CanRead]

    @extend_schema(responses=RedemptionSerializer, summary="One of your redemptions")
    def get(self, request: Request, redemption_id: UUID) -> Response:
        found = Redemption.objects.filter(investor_id=investor_id_of(request), id=redemption_id)
        redemption = found.select_related("asset").first()
        if redemption is None:
            raise NotFound("There is no such redemption.")
        return Response(_redemption_json(redemption))


class ReservesApi(APIView):
    permission_classes = [AllowAny]

    @extend_schema(
        responses=ReserveSerializer(many=True),
        summary="Shares at the custodian, tokens on chain and in the ledger, by token",
    )
    def get(self, request: Request) -> Response:
        return Response([_reserve_json(row) for row in list_reserve_rows()])


def _asset(code: str) -> Asset:
    asset = Asset.objects.filter(code__iexact=code).first()
    if asset is None:
        raise NotFound("There is no such asset.")
    return asset


def _identifier(cursor: str) -> UUID:
    try:
        return UUID(cursor)
    except ValueError:
        raise NotFound("There is no such page.") from None


def _balance_json(holding: Holding) -> dict[str, Any]:
    parts = {
        "total": holding.total_units,
        "available": holding.available_units,
        "in_orders": holding.in_orders_units,
        "in_redemption": holding.in_redemption_units,
        "pledged": holding.pledged_units,
        "on_the_way": holding.on_the_way_units,
    }
    texts = {name: format_units(units, holding.asset.decimals) for name, units in parts.items()}
    return {"asset": holding.asset.code, **texts}


def _deposit_json(deposit: Deposit) -> dict[str, Any]:
    asset = deposit.address.asset
    return {
        "asset": asset.code,
        "amount": format_units(deposit.units, asset.decimals),
        "state": deposit.state,
        "signature": deposit.signature,
        "seen_at": deposit.seen_at,
        "credited_at": deposit.credited_at,
    }


STAGES = (
    "requested_at",
    "held_at",
    "submitted_at",
    "sold_at",
    "burned_at",
    "paid_at",
    "refused_at",
)


def _redemption_json(redemption: Redemption) -> dict[str, Any]:
    cash_decimals = 6  # USDC
    return {
        "id": redemption.id,
        "asset": redemption.asset.code,
        "quantity": format_units(redemption.units, redemption.asset.decimals),
        "shares": format_units(redemption.share_units, SHARE_DECIMALS),
        "state": redemption.state,
        "reason": redemption.reason,
        "sold": _text(redemption.sold_units, redemption.asset.decimals),
        "gross": _text(redemption.gross_units, cash_decimals),
        "fee": _text(redemption.fee_units, cash_decimals),
        "paid": _text(redemption.paid_units, cash_decimals),
        **{stage: getattr(redemption, stage) for stage in STAGES},
    }


def _reserve_json(row: ReserveRow) -> dict[str, Any]:
    found: ReserveAttestation | None = row.attestation
    token = row.asset.decimals
    if found is None:
        numbers = dict.fromkeys(
            (
                "as_of",
                "ledger_seal",
                "verdict",
                "custodian_settled_shares",
                "custodian_unsettled_shares",
                "chain_supply",
                "ledger_liabilities",
                "required_shares",
            )
        )
        return {"asset": row.asset.code, **numbers, "findings": []}
    return {
        "asset": row.asset.code,
        "as_of": found.as_of,
        "ledger_seal": found.ledger_seal.n if found.ledger_seal else None,
        "verdict": found.verdict,
        "custodian_settled_shares": _text(found.custodian_settled_units, SHARE_DECIMALS),
        "custodian_unsettled_shares": _text(found.custodian_unsettled_units, SHARE_DECIMALS),
        "chain_supply": _text(found.chain_supply_units, token),
        "ledger_liabilities": _text(row.liabilities_units, token),
        "required_shares": _text(found.required_share_units, SHARE_DECIMALS),
        "findings": found.findings,
    }


def _text(units: int | None, decimals: int) -> str | None:
    return None if units is None else format_units(units, decimals)
