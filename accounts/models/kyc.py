"""A KYC case reads like a file: form, documents, provider events, timeline.

Names, birth date, address and tax numbers are one sealed blob that only
accounts/personal_data.py opens, and every opening is a row. What the rules
need (countries, declarations) are plain columns.
"""

import pghistory
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.models.investors import Investor, choices
from accounts.states import KycStatus
from kernel.ids import uuid7


@pghistory.track(exclude=["form_sealed"])
class KycCase(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    investor = models.ForeignKey(Investor, on_delete=models.PROTECT, related_name="kyc_cases")
    status = models.CharField(max_length=20, choices=choices(KycStatus), default=KycStatus.DRAFT)
    reason_code = models.CharField(max_length=40, blank=True)  # why it stands where it stands
    investor_message = models.TextField(blank=True)  # what the investor is told

    form_sealed = models.BinaryField(null=True, editable=False)
    nationality = models.CharField(max_length=2, blank=True)
    residence_country = models.CharField(max_length=2, blank=True)
    is_us_person = models.BooleanField(null=True)
    is_pep = models.BooleanField(null=True)

    opened_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    provider_applicant_id = models.CharField(max_length=64, unique=True, null=True, blank=True)
    # Of the newest review applied, by the provider's clock; older ones change nothing.
    provider_reviewed_ms = models.BigIntegerField(default=0)
    provider_answer = models.CharField(max_length=10, blank=True)  # GREEN, RED
    reject_labels = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    screened_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "KYC case"
        permissions = [
            ("decide_kyc", "May propose and confirm KYC decisions"),
            ("reveal_personal_data", "May read the personal data of investors"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["investor"], name="one_kyc_case_per_investor"),
            models.CheckConstraint(
                condition=~Q(status=KycStatus.NONE), name="kyc_case_has_a_status"
            ),
            # The last net under the rule that US persons are never clients.
            models.CheckConstraint(
                condition=~Q(status=KycStatus.APPROVED)
                | Q(is_us_person=False) & ~Q(nationality="US") & ~Q(residence_country="US"),
                name="no_us_person_is_approved",
            ),
        ]
        indexes = [models.Index(fields=["status", "submitted_at"], name="kyc_queue")]

    def __str__(self) -> str:
        return f"KYC case {self.id}"


class KycDocument(models.Model):
    class Kind(models.TextChoices):
        PASSPORT = "passport"
        ID_CARD_FRONT = "id_card_front"
        ID_CARD_BACK = "id_card_back"
        DRIVING_LICENCE = "driving_licence"
        RESIDENCE_PERMIT = "residence_permit"
        PROOF_OF_ADDRESS = "proof_of_address"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    case = models.ForeignKey(KycCase, on_delete=models.PROTECT, related_name="documents")
    kind = models.CharField(max_length=20, choices=Kind)
    issuing_country = models.CharField(max_length=2)
    content_type = models.CharField(max_length=40)
    size_bytes = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)  # of the cleaned picture, before encryption
    uploaded_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)  # to the provider

    class Meta:
        verbose_name = "KYC document"
        constraints = [
            models.UniqueConstraint(fields=["case", "sha256"], name="document_once_per_case")
        ]

    def __str__(self) -> str:
        return self.get_kind_display()


class ProviderEvent(models.Model):
    """A webhook as it came. Its signature was right; nothing else is believed yet."""

    class State(models.TextChoices):
        RECEIVED = "received"  # work left
        APPLIED = "applied"
        STALE = "stale"  # older than what we know
        IGNORED = "ignored"  # not about a review, or about nobody we know

    body_sha256 = models.CharField(max_length=64, unique=True)
    type = models.CharField(max_length=60)
    applicant_id = models.CharField(max_length=64)
    provider_ms = models.BigIntegerField()  # when it happened, by the provider's clock
    body = models.BinaryField(editable=False)
    state = models.CharField(max_length=10, choices=State, default=State.RECEIVED)
    attempts = models.PositiveIntegerField(default=0)
    received_at = models.DateTimeField()
    applied_at = models.DateTimeField(null=True, blank=True)
    copies = models.PositiveIntegerField(default=1)  # how often it was delivered

    class Meta:
        indexes = [
            models.Index(
                fields=["id"], condition=Q(state="received"), name="provider_events_to_apply"
            )
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.applicant_id}"


class CaseEvent(models.Model):
    """One line of a case's timeline. Append-only, like the snapshots."""

    case = models.ForeignKey(KycCase, on_delete=models.PROTECT, related_name="timeline")
    kind = models.CharField(max_length=40)
    text = models.TextField(blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )  # null: a rule or the provider
    details = models.JSONField(default=dict)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.kind.replace("_", " ").capitalize()


class PersonalDataAccess(models.Model):
    """Who opened the personal data of a case, when and for what. Append-only."""

    case = models.ForeignKey(KycCase, on_delete=models.PROTECT, related_name="accesses")
    reader = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )  # null: the system, for the purpose named
    purpose = models.CharField(max_length=60)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "personal data accesses"

    def __str__(self) -> str:
        return self.purpose
