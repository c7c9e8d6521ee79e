"""What every app's part of /api/v1 shares: who asks, what a key may do, amounts as text.

A request is made by a signed-in browser (all scopes, CSRF checked) or signed
with an API key (its scopes). Views name their permission; without one a view
answers nobody (bourse/api_settings.py).
"""

from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.api_keys import Principal
from accounts.queries import NotAnInvestor, get_investor_for
from kernel.refusals import Refusal

AMOUNT_CHARS_MAX = 40
PAGE_DEFAULT, PAGE_MAX = 50, 200


class MalformedCursor(Refusal):
    """Send the `next_cursor` of the answer before, or none."""

    code = "malformed_cursor"
    http_status = 400


class _HasScope(BasePermission):
    """Signed in, or signed by a key with `scope`."""

    scope: ClassVar[str]

    def has_permission(self, request: Request, view: APIView) -> bool:
        if isinstance(request.auth, Principal):
            request.auth.require(self.scope)
            return True
        return bool(request.user and request.user.is_authenticated)


class CanRead(_HasScope):
    scope = "read"


class CanTrade(_HasScope):
    scope = "trade"


class CanFund(_HasScope):
    scope = "fund"


def investor_id_of(request: Request) -> int:
    """The investor for whom the request is made.

    :raises NotAnInvestor: a login of staff, or one that has not begun KYC.
    """
    investor_id = find_investor_id(request)
    if investor_id is None:
        raise NotAnInvestor
    return investor_id


def find_investor_id(request: Request) -> int | None:
    """The same for views that answer visitors too."""
    if isinstance(request.auth, Principal):
        return request.auth.investor_id
    investor = get_investor_for(request.user)
    return None if investor is None else investor.pk


@extend_schema_field(OpenApiTypes.STR)
class AmountField(serializers.Field[str, str, str, Any]):
    """Plain decimal digits in a JSON string; a JSON number is refused, it may be a float.

    Only the shape is checked here: the view parses it with the asset's decimals.
    """

    default_error_messages = {"not_text": 'Write the amount as text, like "12.50".'}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or len(data) > AMOUNT_CHARS_MAX:
            self.fail("not_text")
        return data

    def to_representation(self, value: str) -> str:
        return value


class PageQuery(serializers.Serializer[dict[str, Any]]):
    """How lists are paged: newest first, `cursor` from the answer before."""

    limit = serializers.IntegerField(min_value=1, max_value=PAGE_MAX, default=PAGE_DEFAULT)
    cursor = serializers.CharField(max_length=64, required=False)


def read_query(query: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """The query string, checked.

    :raises rest_framework.exceptions.ValidationError: a parameter is malformed.
    """
    read = query(data=request.query_params)
    read.is_valid(raise_exception=True)
    return dict(read.validated_data)


def read_body(body: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """The request's body, checked; a name that is not known is refused, not ignored.

    :raises rest_framework.exceptions.ValidationError: as it says.
    """
    read = body(data=request.data)
    read.is_valid(raise_exception=True)
    unknown = sorted(set(request.data) - set(read.fields))
    if unknown:
        raise serializers.ValidationError({name: ["Unknown field."] for name in unknown})
    return dict(read.validated_data)
