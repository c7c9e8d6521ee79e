"""The status page's parts tell the truth about the engine, whatever time the demo has."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models.functions import Now

from bourse import status
from trading.models import Pool

pytestmark = pytest.mark.django_db


def matching(now: datetime) -> status.Part:
    return next(part for part in status.look(now=now) if part.name == "Order matching")


def test_an_engine_with_a_fresh_heartbeat_works_also_when_the_demo_clock_is_ahead() -> None:
    Pool.objects.update_or_create(pk=1, defaults={"heartbeat_at": Now()})

    assert matching(datetime.now(UTC)).is_well
    assert matching(datetime.now(UTC) + timedelta(days=1)).is_well


def test_an_engine_without_a_heartbeat_is_interrupted() -> None:
    Pool.objects.update_or_create(
        pk=1, defaults={"heartbeat_at": Now() - 2 * status.ENGINE_SILENT_AFTER}
    )

    assert not matching(datetime.now(UTC)).is_well
