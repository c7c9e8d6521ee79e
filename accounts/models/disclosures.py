"""What an investor has to read before buying, and the proof that one did."""

from django.db import models

from accounts.models.investors import Investor


class Disclosure(models.Model):
    """One version of one text; a new wording is a new version."""

    subject = models.CharField(max_length=40)  # the asset's code: "AAPLx"
    version = models.PositiveIntegerField()
    title = models.CharField(max_length=200)
    body = models.TextField()
    sha256 = models.CharField(max_length=64)
    published_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "version"], name="disclosure_version_per_subject"
            )
        ]

    def __str__(self) -> str:
        return f"{self.title} (version {self.version})"


class Consent(models.Model):
    """Append-only."""

    investor = models.ForeignKey(Investor, on_delete=models.PROTECT, related_name="consents")
    disclosure = models.ForeignKey(Disclosure, on_delete=models.PROTECT, related_name="consents")
    ip = models.GenericIPAddressField(null=True)
    accepted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["investor", "disclosure"], name="consent_once_per_disclosure"
            )
        ]

    def __str__(self) -> str:
        return f"{self.investor_id} accepted {self.disclosure_id}"
