"""Tables that staff look at and nobody edits by hand: operations, feeds and files write them."""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin


class ReadOnly:
    """Mixed into an admin class or an inline: look, and nothing else."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    """A table to look at."""

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Act on the chosen rows.

        :raises BadRequest: one is named by what cannot be an id; our own pages never do.
        """
        for chosen in request.POST.getlist(ACTION_CHECKBOX_NAME):
            try:
                self.opts.pk.to_python(chosen)
            except ValidationError:
                raise BadRequest("no such row") from None
        answer: HttpResponse | None = super().response_action(request, queryset)
        return answer


class NamedRows:
    """Mixed in before an admin class whose rows hold bare ids: names for a page at once.

    A row has no foreign key where the engine writes thousands a second, so there is
    nothing to join by; the names of a page are read in a fixed number of queries.
    """

    def name_rows(self, rows: Sequence[Any]) -> None:
        """Put names on the rows of one page."""
        raise NotImplementedError

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        model_admin = self
        base: Any = super().get_changelist(request, **kwargs)  # type: ignore[misc]

        class Named(base):  # type: ignore[misc]
            result_list: Any

            def get_results(self, request: HttpRequest) -> None:
                super().get_results(request)
                rows: list[Any] = list(self.result_list)
                model_admin.name_rows(rows)
                self.result_list = rows

        return Named
