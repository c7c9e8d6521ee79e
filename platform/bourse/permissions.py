"""The API's default: closed."""

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

if TYPE_CHECKING:
    # rest_framework.views asks for the defaults, and so for this module, while it loads.
    from rest_framework.views import APIView


class Nobody(BasePermission):
    """Refuses everybody, so that each view has to say whom it lets in."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return False
