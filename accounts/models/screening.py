"""Sanctions lists as they were loaded, and names that came close to them."""

import pghistory
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.models.kyc import KycCase


class SanctionsList(models.Model):
    class Source(models.TextChoices):
        OFAC = "ofac", "OFAC SDN"
        EU = "eu", "EU consolidated"
        UN = "un", "UN consolidated"

    source = models.CharField(max_length=8, choices=Source)
    list_date = models.DateField()  # as the list itself says
    sha256 = models.CharField(max_length=64)
    entries_count = models.PositiveIntegerField()
    loaded_at = models.DateTimeField()
    is_current = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "sha256"], name="sanctions_list_once"),
            models.UniqueConstraint(
                fields=["source"], condition=Q(is_current=True), name="one_current_list_per_source"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_source_display()} of {self.list_date}"


class SanctionsEntry(models.Model):
    """A sanctioned person, firm, ship or aeroplane with all its names."""

    class Kind(models.TextChoices):
        PERSON = "person"
        ENTITY = "entity"

    sanctions_list = models.ForeignKey(
        SanctionsList, on_delete=models.CASCADE, related_name="entries"
    )
    reference = models.CharField(max_length=40)  # the list's own number
    kind = models.CharField(max_length=8, choices=Kind)
    primary_name = models.TextField()
    names = ArrayField(models.TextField())  # primary and aliases, as written
    # Whole dates "1960-05-01" or years "1960"; a range is its years. Often empty.
    birth_dates = ArrayField(models.CharField(max_length=10), default=list)
    programme = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "sanctions entries"
        constraints = [
            models.UniqueConstraint(
                fields=["sanctions_list", "reference"], name="entry_once_per_list"
            )
        ]

    def __str__(self) -> str:
        return self.primary_name


@pghistory.track()
class ScreeningHit(models.Model):
    class State(models.TextChoices):
        OPEN = "open"
        DISMISSED = "dismissed"  # two officers: another person
        CONFIRMED = "confirmed"

    class BirthDate(models.TextChoices):
        MATCHES = "matches"
        UNKNOWN = "unknown"  # the list names none
        DIFFERS = "differs"

    case = models.ForeignKey(KycCase, on_delete=models.PROTECT, related_name="hits")
    source = models.CharField(max_length=8, choices=SanctionsList.Source)
    reference = models.CharField(max_length=40)
    list_date = models.DateField()
    primary_name = models.TextField()
    matched_name = models.TextField()
    programme = models.TextField(blank=True)
    score = models.PositiveSmallIntegerField()  # 0 to 100
    birth_date = models.CharField(max_length=8, choices=BirthDate)
    listed_birth_dates = ArrayField(models.CharField(max_length=10), default=list)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    found_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["case", "source", "reference"], name="hit_once_per_case_and_entry"
            ),
            models.CheckConstraint(condition=Q(score__lte=100), name="hit_score_in_percent"),
        ]

    def __str__(self) -> str:
        return f"{self.primary_name} ({self.score})"
