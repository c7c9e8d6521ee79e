"""Sweeps of accounts: each takes rows that say what work is left, and does one operation a row.

A row that fails keeps its state and is tried again in the next sweep; the
others of the batch go on.
"""

from collections.abc import Callable, Iterable
from typing import Any

import structlog
from celery import shared_task
from django.db import InterfaceError, OperationalError
from django.db.models import F, Max, Q

from accounts import eligibility
from accounts.models import Investor, KycCase, Outbox, ProviderEvent, SanctionsList
from accounts.operations.outbox import ATTEMPTS_MAX, send_notice
from accounts.operations.provider import apply_event, provider_from_settings, send_case
from accounts.operations.screening import rescreen_case
from accounts.states import KycStatus
from kernel import clock
from kernel.gateways import GatewayUnavailable
from kernel.refusals import Refusal

log = structlog.get_logger(__name__)

SWEEP_BATCH_MAX = 50
RESCREEN_BATCH_MAX = 500
# A day of trying every two seconds; after that staff, who see them in the admin, have to look.
EVENT_ATTEMPTS_MAX = 43_200

BEAT_SCHEDULE = {
    "send-kyc-cases": {"task": "accounts.tasks.send_kyc_cases", "schedule": 2.0},
    "apply-provider-events": {"task": "accounts.tasks.apply_provider_events", "schedule": 2.0},
    "send-notices": {"task": "accounts.tasks.send_notices", "schedule": 5.0},
    "rescreen-cases": {"task": "accounts.tasks.rescreen_cases", "schedule": 60.0},
    "refresh-eligibility": {"task": "accounts.tasks.refresh_eligibility", "schedule": 60.0},
}


@shared_task
def send_kyc_cases(**kwargs: Any) -> None:
    """Tell the provider about cases that were submitted."""
    cases = KycCase.objects.filter(status=KycStatus.SUBMITTED).order_by("submitted_at")
    provider = provider_from_settings()
    _each(
        cases.values_list("id", flat=True)[:SWEEP_BATCH_MAX],
        lambda case_id: send_case(case_id=case_id, provider=provider, now=clock.now()),
    )


@shared_task
def apply_provider_events(**kwargs: Any) -> None:
    """Apply webhooks that were stored; those that failed least come first."""
    events = ProviderEvent.objects.filter(
        state=ProviderEvent.State.RECEIVED, attempts__lt=EVENT_ATTEMPTS_MAX
    ).order_by("attempts", "id")
    provider = provider_from_settings()
    _each(
        events.values_list("id", flat=True)[:SWEEP_BATCH_MAX],
        lambda event_id: apply_event(event_id=event_id, provider=provider, now=clock.now()),
    )


@shared_task
def send_notices(**kwargs: Any) -> None:
    """Send what the outbox holds."""
    notices = Outbox.objects.filter(sent_at__isnull=True, attempts__lt=ATTEMPTS_MAX)
    _each(
        notices.order_by("attempts", "id").values_list("id", flat=True)[:SWEEP_BATCH_MAX],
        lambda notice_id: send_notice(notice_id=notice_id, now=clock.now()),
    )


@shared_task
def rescreen_cases(**kwargs: Any) -> None:
    """Screen investors again who were screened before the newest list was loaded."""
    newest = SanctionsList.objects.filter(is_current=True).aggregate(at=Max("loaded_at"))["at"]
    if newest is None:
        return
    cases = KycCase.objects.filter(
        Q(screened_at__isnull=True) | Q(screened_at__lt=newest),
        status__in=[KycStatus.APPROVED, KycStatus.SUSPENDED],
        form_sealed__isnull=False,
    ).order_by(F("screened_at").asc(nulls_first=True))
    _each(
        cases.values_list("id", flat=True)[:RESCREEN_BATCH_MAX],
        lambda case_id: rescreen_case(case_id=case_id, now=clock.now()),
    )


@shared_task
def refresh_eligibility(**kwargs: Any) -> None:
    """Take up country rules that changed below us; who is not concerned gets no new snapshot."""
    for country in eligibility.list_outdated_countries():
        investors = Investor.objects.filter(residence_country=country).order_by("id")
        _each(
            investors.values_list("id", flat=True),
            lambda investor_id: eligibility.refresh(investor_id=investor_id, now=clock.now()),
        )


def _each(ids: Iterable[Any], work: Callable[[Any], object]) -> None:
    for row_id in list(ids):
        try:
            work(row_id)
        except (GatewayUnavailable, Refusal, OSError) as error:
            log.info("left_for_next_sweep", row=str(row_id), why=str(error))
        except (OperationalError, InterfaceError):
            raise  # the database itself
        except Exception:
            # Loud, but it must not keep the rows behind it from being looked at.
            log.exception("left_for_next_sweep", row=str(row_id))
