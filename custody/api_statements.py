"""Statements, proofs and the seals' heads by /api/v1; the heads are public."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.rest import (
    PAGE_DEFAULT,
    PAGE_MAX,
    CanRead,
    MalformedCursor,
    investor_id_of,
    read_query,
)
from custody.heads import list_heads, list_latest_heads
from custody.models import Asset, Seal
from custody.models.seals import SealChain
from custody.proofs import prove_entry
from custody.sealing import head, seal_hash
from custody.statements.reading import Section, get_statement
from custody.time_travel import StatementLine
from kernel.money import format_units
from kernel.refusals import NotFound

HEADS_A_PAGE_MAX = 1_000
SEAL_N_MAX = 2**63 - 1
Shape = serializers.Serializer[dict[str, Any]]


class StatementQuery(Shape):
    """Days in UTC, both included. `seal` ends the statement earlier, with that seal."""

    asset = serializers.CharField(max_length=32)
    first = serializers.DateField()
    last = serializers.DateField()
    seal = serializers.IntegerField(min_value=1, max_value=SEAL_N_MAX, required=False)
    limit = serializers.IntegerField(min_value=1, max_value=PAGE_MAX, default=PAGE_DEFAULT)
    cursor = serializers.CharField(max_length=64, required=False)


class SealReferenceSerializer(Shape):
    n = serializers.IntegerField()
    hash = serializers.CharField()
    sealed_at = serializers.DateTimeField()


class StatementLineSerializer(Shape):
    """`amount` has a sign: what went out begins with a minus."""

    time = serializers.DateTimeField()
    seal = serializers.IntegerField()
    entry = serializers.IntegerField()
    kind = serializers.CharField()
    reference = serializers.CharField()
    amount = serializers.CharField()
    balance = serializers.CharField()


class StatementSerializer(Shape):
    """Oldest first. All pages of one walk end with the same seal."""

    asset = serializers.CharField()
    opening_seal = SealReferenceSerializer(allow_null=True)
    closing_seal = SealReferenceSerializer(allow_null=True)
    opening_balance = serializers.CharField()
    closing_balance = serializers.CharField()
    lines = serializers.IntegerField()
    results = StatementLineSerializer(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class HeadQuery(Shape):
    chain = serializers.ChoiceField(choices=SealChain.choices, default=SealChain.LEDGER.value)
    after = serializers.IntegerField(min_value=0, max_value=SEAL_N_MAX, default=0)
    limit = serializers.IntegerField(min_value=1, max_value=HEADS_A_PAGE_MAX, default=100)


class HeadSerializer(Shape):
    """`hash` is what the next seal names; `key_id` begins SHA-256 of the public key."""

    chain = serializers.CharField()
    n = serializers.IntegerField()
    hash = serializers.CharField()
    merkle_root = serializers.CharField()
    sealed_at = serializers.CharField()
    key_id = serializers.CharField()
    signature = serializers.CharField()


class HeadPage(Shape):
    results = HeadSerializer(many=True)
    next_after = serializers.IntegerField(allow_null=True)


class StatementApi(APIView):
    permission_classes = [CanRead]

    @extend_schema(
        parameters=[StatementQuery],
        responses=StatementSerializer,
        summary="Your statement of one asset: from balance to balance, the same for ever",
    )
    def get(self, request: Request) -> Response:
        query = read_query(StatementQuery, request)
        investor_id = investor_id_of(request)
        owned = Asset.objects.filter(ledger_accounts__owner_id=investor_id)
        asset = owned.filter(code__iexact=query["asset"]).first()
        if asset is None:
            raise NotFound("You have never had that asset.")
        seal_n, start = _read_cursor(query.get("cursor")) or (query.get("seal"), 0)
        found = get_statement(
            investor_id=investor_id,
            asset=asset,
            first_date=query["first"],
            last_date=query["last"],
            until_seal_n=seal_n,
        )
        section = found.sections[0] if found.sections else None
        lines = section.lines_from(start, query["limit"]) if section else []
        return Response(
            {
                "asset": asset.code,
                "opening_seal": _seal_json(found.after),
                "closing_seal": _seal_json(found.until),
                **_balances_json(section, asset),
                "results": [_line_json(line, asset) for line in lines],
                "next_cursor": _next_cursor(section, start + len(lines)),
            }
        )


class EntryProofApi(APIView):
    permission_classes = [CanRead]

    @extend_schema(
        responses=OpenApiTypes.OBJECT,
        summary="The proof that an entry of yours is sealed, as custody.inclusion checks it",
    )
    def get(self, request: Request, entry_id: int) -> Response:
        return Response(prove_entry(entry_id=entry_id, investor_id=investor_id_of(request)))


class SealListApi(APIView):
    permission_classes = [AllowAny]

    @extend_schema(
        responses=HeadSerializer(many=True), summary="The newest seal of the ledger and the audit"
    )
    def get(self, request: Request) -> Response:
        return Response([head(latest.seal) for latest in list_latest_heads()])


class HeadListApi(APIView):
    permission_classes = [AllowAny]

    @extend_schema(
        parameters=[HeadQuery],
        responses=HeadPage,
        summary="The seals' heads, oldest first: keep them, and history cannot be rewritten",
    )
    def get(self, request: Request) -> Response:
        query = read_query(HeadQuery, request)
        heads = list_heads(chain=query["chain"], after_n=query["after"], limit=query["limit"])
        is_full = len(heads) == query["limit"]
        return Response({"results": heads, "next_after": heads[-1]["n"] if is_full else None})


def _read_cursor(cursor: str | None) -> tuple[int, int] | None:
    """ "1200:50": the statement until seal 1200, after the first 50 lines.

    :raises MalformedCursor: anything else.
    """
    if cursor is None:
        return None
    parts = cursor.split(":")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise MalformedCursor
    seal_n, start = map(int, parts)
    if max(seal_n, start) > SEAL_N_MAX:
        raise MalformedCursor
    return seal_n, start


def _next_cursor(section: Section | None, read: int) -> str | None:
    if section is None or read >= section.lines_count:
        return None
    return f"{section.until.n}:{read}"


def _balances_json(section: Section | None, asset: Asset) -> dict[str, Any]:
    opening, closing = (section.opening_units, section.closing_units) if section else (0, 0)
    return {
        "opening_balance": format_units(opening, asset.decimals),
        "closing_balance": format_units(closing, asset.decimals),
        "lines": section.lines_count if section else 0,
    }


def _line_json(line: StatementLine, asset: Asset) -> dict[str, Any]:
    return {
        "time": line.created_at,
        "seal": line.seal_n,
        "entry": line.entry_id,
        "kind": line.kind,
        "reference": line.reference,
        "amount": format_units(line.units, asset.decimals),
        "balance": format_units(line.balance_units, asset.decimals),
    }


def _seal_json(seal: Seal | None) -> dict[str, Any] | None:
    if seal is None:
        return None
    return {"n": seal.n, "hash": seal_hash(seal).hex(), "sealed_at": seal.sealed_at}
