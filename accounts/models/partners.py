"""Firms that bring us investors; fees and kill switches can be per partner."""

import pghistory
from django.db import models
from django.db.models import Q


@pghistory.track()
class Partner(models.Model):
    """Who brought an investor. An inactive partner gets no new investors; old ones stay his."""

    code = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=150)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    class Meta:
        permissions = [("set_partner", "May say which partner brought an investor")]
        constraints = [
            models.CheckConstraint(
                condition=Q(code__regex=r"^[a-z0-9][a-z0-9-]*$"), name="partner_code_is_plain"
            ),
            models.CheckConstraint(condition=~Q(name=""), name="partner_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name
