"""The API's default: closed."""

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView


class Nobody(BasePermission):
    """Refuses everybody, so that each view has to say whom it lets in."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return False
