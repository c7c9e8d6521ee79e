"""Kill switches: who or what may not trade for now, set by one officer, lifted by two."""

import pghistory
from django.conf import settings
from django.db import models
from django.db.models import F, Q

from trading.engine.stops import StopScope
from trading.models.words import choices


@pghistory.track()
class KillSwitch(models.Model):
    """While it is set, no order of its scope lives and none is taken; cancels always are.

    `reason` is for staff; `public_words` is what investors read, where there is something
    to tell them. `key` is the id of the investor, listing or partner; 0 of the venue.
    """

    scope = models.TextField(choices=choices(StopScope))
    key = models.BigIntegerField(default=0)
    reason = models.TextField()
    public_words = models.TextField(default="", blank=True)
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True, blank=True)
    lift_proposal = models.OneToOneField(
        "accounts.Proposal", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        permissions = [("set_kill_switch", "May stop trading, and propose to lift that")]
        verbose_name_plural = "kill switches"
        constraints = [
            models.CheckConstraint(
                condition=Q(scope__in=[scope.value for scope in StopScope]),
                name="kill_switch_scope_is_known",
            ),
            models.CheckConstraint(
                condition=Q(scope="venue", key=0) | ~Q(scope="venue") & Q(key__gt=0),
                name="kill_switch_names_whom",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="kill_switch_says_why"),
            models.UniqueConstraint(
                fields=["scope", "key"],
                condition=Q(lifted_at__isnull=True),
                name="kill_switch_set_once",
            ),
            # Four eyes: nothing is lifted without a proposal that two officers saw.
            models.CheckConstraint(
                condition=Q(lifted_at__isnull=True, lift_proposal__isnull=True)
                | Q(lifted_at__isnull=False, lift_proposal__isnull=False),
                name="kill_switch_lifted_by_proposal",
            ),
            models.CheckConstraint(
                condition=Q(lifted_at__isnull=True) | Q(lifted_at__gte=F("set_at")),
                name="kill_switch_lifted_after_set",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.key or ''}".strip()


class KillSwitchEffect(models.Model):
    """The batch at which an engine stopped, or let go; written by it in that batch."""

    switch = models.ForeignKey(KillSwitch, on_delete=models.PROTECT, related_name="effects")
    pool_id = models.SmallIntegerField()
    is_set = models.BooleanField()  # False: lifted
    batch_no = models.BigIntegerField()
    orders_pulled = models.IntegerField(default=0)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["switch", "pool_id", "is_set"], name="kill_switch_effect_once"
            ),
            models.CheckConstraint(
                condition=Q(orders_pulled__gte=0) & (Q(is_set=True) | Q(orders_pulled=0)),
                name="kill_switch_lifted_pulls_nothing",
            ),
        ]

    def __str__(self) -> str:
        return f"switch {self.switch_id} at batch {self.batch_no}"
