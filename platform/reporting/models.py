"""Files made for authorities, what they leave out and why, and who took a copy.

A report names people, so its content is stored encrypted and is read through
`operations.download_export` alone, which writes down who read it.
"""

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q

from reporting.states import ExportState


class ExportKind(models.TextChoices):
    RTS22 = "rts22", "MiFIR transactions (RTS 22)"


STATES = [(state.value, state.value.replace("_", " ")) for state in ExportState]


class ExportFile(models.Model):
    """One export of one UTC day. Building it again replaces the content until it is released."""

    kind = models.CharField(max_length=16, choices=ExportKind)
    day = models.DateField()
    state = models.CharField(max_length=16, choices=STATES)
    reported_rows = models.PositiveIntegerField(default=0)
    not_reportable_rows = models.PositiveIntegerField(default=0)
    # A test ISIN or the demo's test firm: may be looked at, never released.
    has_test_identifiers = models.BooleanField(default=False)
    content_sealed = models.BinaryField(null=True, editable=False)
    content_sha256 = models.CharField(max_length=64, blank=True)
    schema_name = models.CharField(max_length=80)
    validated_at = models.DateTimeField(null=True)
    validation_errors = models.JSONField(default=list)
    created_at = models.DateTimeField()
    built_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True)
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        permissions = [
            ("run_export", "Can build regulatory exports"),
            ("download_export", "Can download regulatory exports"),
            ("release_export", "Can release regulatory exports as final"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["kind", "day"], name="one_export_per_kind_and_day"),
            models.CheckConstraint(
                name="released_exports_are_validated",
                condition=~Q(state=ExportState.RELEASED.value)
                | Q(
                    validated_at__isnull=False,
                    released_at__isnull=False,
                    released_by__isnull=False,
                    content_sealed__isnull=False,
                    has_test_identifiers=False,
                ),
            ),
        ]
        triggers = [
            pgtrigger.Protect(
                name="released_is_final",
                operation=pgtrigger.Update | pgtrigger.Delete,
                condition=pgtrigger.Q(old__state=ExportState.RELEASED.value),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.day}"

    @property
    def filename(self) -> str:
        """Says in its name when the file is not final."""
        parts = [self.kind, f"{self.day:%Y%m%d}"]
        if self.has_test_identifiers:
            parts.append("test")
        if self.state != ExportState.RELEASED:
            parts.append(self.state.replace("_", "-"))
        return f"{'-'.join(parts)}.xml"


class NotReportableTrade(models.Model):
    """A trade that the file leaves out, with the reason."""

    export = models.ForeignKey(ExportFile, on_delete=models.CASCADE, related_name="not_reportable")
    trade_id = models.UUIDField()
    listing_symbol = models.CharField(max_length=32)
    traded_at = models.DateTimeField()
    reason_code = models.CharField(max_length=40)
    reason = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["export", "trade_id"], name="one_reason_per_trade"),
        ]

    def __str__(self) -> str:
        return f"{self.trade_id}: {self.reason}"


class ExportDownload(models.Model):
    """Who took which bytes, when. Never changed."""

    export = models.ForeignKey(ExportFile, on_delete=models.PROTECT, related_name="downloads")
    staff = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    content_sha256 = models.CharField(max_length=64)
    state = models.CharField(max_length=16, choices=STATES)
    downloaded_at = models.DateTimeField()

    class Meta:
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)
        ]

    def __str__(self) -> str:
        return f"{self.export_id} by {self.staff_id} at {self.downloaded_at:%Y-%m-%d %H:%M:%S}"
