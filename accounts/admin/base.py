"""What the back office's pages share: tables to read, files to act on."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, TypeVar, cast

import pghistory
from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from accounts.models import User
from kernel import clock
from kernel.refusals import Refusal
from reference.read_only import ReadOnlyAdmin

MINUTE, HOUR, DAY = 60, 3600, 86400


class FileAdmin(ReadOnlyAdmin):
    """A row that reads like a file, with acts: each a POST with its name in `act`.

    `acts` names methods that take (request, row) and return what to tell the
    officer, or a response. A refusal is told and changes nothing.
    """

    file_template: ClassVar[str]
    acts: ClassVar[dict[str, str]] = {}

    def file_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        raise NotImplementedError

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        if request.method == "POST":
            return self._act(request, row)
        return self.show(request, row)

    def show(self, request: HttpRequest, row: Any, **more: Any) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": str(row), "opts": self.opts, "row": row, "now": clock.now(),
            **self.file_context(request, row), **more,
        }  # fmt: skip
        return TemplateResponse(request, self.file_template, context)

    def list_shown(self, request: HttpRequest) -> QuerySet[Any]:
        """The rows of the list as the address filters them, for an export.

        :raises BadRequest: the address names no filter of ours; our pages never do.
        """
        try:
            return self.get_changelist_instance(request).get_queryset(request)  # type: ignore[no-any-return]
        except IncorrectLookupParameters:
            raise BadRequest("no such filter") from None

    def _act(self, request: HttpRequest, row: Any) -> HttpResponse:
        """Do what the officer asks for in `act`.

        :raises BadRequest: a field holds a NUL, which no text in the database can.
        """
        if any("\0" in value for _, values in request.POST.lists() for value in values):
            raise BadRequest("a field with a NUL")
        name = self.acts.get(request.POST.get("act", ""))
        if name is None:
            raise Http404
        act: Callable[[HttpRequest, Any], str | HttpResponse] = getattr(self, name)
        try:
            # So the audit trail knows who was behind a change.
            with pghistory.context(user=request.user.pk, act=name):
                told = act(request, row)
        except Refusal as refusal:
            messages.error(request, f"{refusal.message} ({refusal.code})")
            return HttpResponseRedirect(request.get_full_path())
        if isinstance(told, HttpResponse):
            return told
        messages.success(request, told)
        return HttpResponseRedirect(request.get_full_path())


T = TypeVar("T")


def posted(request: HttpRequest, name: str, read: Callable[[str], T]) -> T:
    """A posted field, read by a type such as UUID or an enum.

    :raises BadRequest: it is not one; our own pages never send that.
    """
    try:
        return read(request.POST.get(name, ""))
    except ValueError:
        raise BadRequest(f"{name} is malformed") from None


def officer_of(request: HttpRequest) -> User:
    return cast(User, request.user)


def age(since: datetime | None) -> str:
    """ "3 h": how long ago, in the largest unit that says something."""
    if since is None:
        return "-"
    seconds = int((clock.now() - since).total_seconds())
    if seconds < HOUR:
        return f"{max(seconds, 0) // MINUTE} min"
    return f"{seconds // HOUR} h" if seconds < 2 * DAY else f"{seconds // DAY} days"
