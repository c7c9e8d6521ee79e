"""The back office's view of exports: build, look at what was left out, download, release."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.admin import TabularInline

from kernel import clock
from kernel.refusals import Forbidden, Refusal
from reference.read_only import ReadOnly, ReadOnlyAdmin
from reporting import operations
from reporting.models import ExportDownload, ExportFile, NotReportableTrade

ROWS_SHOWN_MAX = 500


class BuildForm(forms.Form):
    day = forms.DateField(label="Day (UTC)")


class DownloadInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = ExportDownload
    extra = 0
    fields = ["downloaded_at", "staff", "state", "content_sha256"]
    readonly_fields = fields


@admin.register(ExportFile)
class ExportFileAdmin(ReadOnlyAdmin):
    list_display = [
        "day",
        "kind",
        "state",
        "reported_rows",
        "not_reportable_rows",
        "identifiers",
        "built_at",
    ]
    list_filter = ["state", "kind"]
    ordering = ["-day"]
    fields = [
        ("kind", "day", "state"),
        ("reported_rows", "not_reportable_rows", "identifiers"),
        "schema_name",
        "validated_at",
        "validation_errors",
        "content_sha256",
        "built_at",
        ("released_at", "released_by"),
    ]
    readonly_fields = ["identifiers"]
    inlines = [DownloadInline]
    list_before_template = "admin/reporting/exportfile/build.html"
    change_form_outer_before_template = "admin/reporting/exportfile/tools.html"

    @admin.display(description="Identifiers")
    def identifiers(self, export: ExportFile) -> str:
        return "test, never released" if export.has_test_identifiers else "real"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("build/", view(require_POST(self.build)), name="reporting_build"),
            path(
                "<int:pk>/download/", view(require_POST(self.download)), name="reporting_download"
            ),
            path("<int:pk>/release/", view(require_POST(self.release)), name="reporting_release"),
        ]
        return own + super().get_urls()  # type: ignore[no-any-return]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {
            "yesterday": clock.now().date() - timedelta(days=1),
            "may_run": request.user.has_perm(operations.RUN),
        }
        return super().changelist_view(request, context | (extra_context or {}))  # type: ignore[no-any-return]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        left_out = NotReportableTrade.objects.filter(export__pk=object_id).order_by("traded_at")
        context = {
            "left_out": left_out[:ROWS_SHOWN_MAX],
            "may_run": request.user.has_perm(operations.RUN),
            "may_download": request.user.has_perm(operations.DOWNLOAD),
            "may_release": request.user.has_perm(operations.RELEASE),
        }
        return super().change_view(  # type: ignore[no-any-return]
            request, object_id, form_url, context | (extra_context or {})
        )

    def build(self, request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm(operations.RUN):
            raise PermissionDenied
        form = BuildForm(request.POST)
        if not form.is_valid():
            messages.error(request, "Name a day as YYYY-MM-DD.")
            return HttpResponseRedirect(_list_url())
        return self._build(request, form.cleaned_data["day"])

    def _build(self, request: HttpRequest, day: date) -> HttpResponse:
        try:
            export = operations.build_rts22(day=day, now=clock.now())
        except Refusal as refusal:
            messages.error(request, refusal.message)
            return HttpResponseRedirect(_list_url())
        messages.success(request, f"{export}: {export.get_state_display()}.")
        return HttpResponseRedirect(_export_url(export.pk))

    def download(self, request: HttpRequest, pk: int) -> HttpResponse:
        try:
            found = operations.download_export(
                export_id=pk,
                staff=request.user,  # type: ignore[arg-type]
                now=clock.now(),
            )
        except Forbidden as error:
            raise PermissionDenied from error
        except Refusal as refusal:
            messages.error(request, refusal.message)
            return HttpResponseRedirect(_list_url())
        response = HttpResponse(found.content, content_type="application/xml")
        response["Content-Disposition"] = f'attachment; filename="{found.filename}"'
        return response

    def release(self, request: HttpRequest, pk: int) -> HttpResponse:
        try:
            operations.release_export(
                export_id=pk,
                staff=request.user,  # type: ignore[arg-type]
                now=clock.now(),
            )
        except Forbidden as error:
            raise PermissionDenied from error
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            messages.success(request, "Released: the file is final.")
        return HttpResponseRedirect(_export_url(pk))


def _list_url() -> str:
    return reverse("admin:reporting_exportfile_changelist")


def _export_url(pk: int) -> str:
    return reverse("admin:reporting_exportfile_change", args=[pk])
