"""What an engine reads first and writes last: its inbox, its events."""

import json
from typing import Any

from django.db import models
from django.db.models import Q

from trading.models.listings import Listing


class JsonText(models.TextField):  # type: ignore[type-arg]
    """JSON that the database keeps as it was written."""

    def from_db_value(self, value: str | None, *_: Any) -> Any:
        return None if value is None else json.loads(value)

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else json.dumps(value)


class BookEvent(models.Model):
    """What one batch did to one listing, in order: the source of feeds and replay.

    `events` is a list of events, each a list that starts with its kind and its
    `event_seq` (docs/engine.md has the shapes). `event_seq` counts every
    event, refusals too; `book_seq` counts changes of the public book. Both run
    without gaps over a listing's rows; `first_event_seq` is where this row
    starts, `event_seq`, `book_seq` and `trade_no` are the counters after it.
    `levels` is the batch's change of the public book: JSON, each price that moved
    as [1 for bids or 0 for asks, price, what stands there now, orders].
    """

    listing = models.ForeignKey(
        Listing, on_delete=models.PROTECT, db_constraint=False, db_index=False
    )
    batch_no = models.BigIntegerField()
    first_event_seq = models.BigIntegerField()
    event_seq = models.BigIntegerField()
    book_seq = models.BigIntegerField()
    trade_no = models.BigIntegerField()
    # Texts, not jsonb, which would be taken apart and put together for nothing: the engine
    # writes them thousands of times a second, and they are read whole.
    events = JsonText()
    # None in rows of before the engine wrote it.
    levels = models.TextField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["listing", "event_seq"], name="book_event_seq_once_per_listing"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.listing_id} {self.first_event_seq}..{self.event_seq}"


class InboxItem(models.Model):
    """A changed fact that an engine must know, inserted with the change itself.

    Triggers on the tables of the rooms below write them (migration 0002), one
    for each pool, in the very transaction that changed the fact. The engine
    consumes them at the start of a batch and notes that batch's number.
    """

    id = models.BigAutoField(primary_key=True)
    pool_id = models.SmallIntegerField()
    kind = models.TextField()
    payload = models.JSONField()
    created_at = models.DateTimeField()
    consumed_batch = models.BigIntegerField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["pool_id", "id"],
                name="inbox_unconsumed",
                condition=Q(consumed_batch__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
