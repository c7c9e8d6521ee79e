"""Screening a case, before it is approved and again when a list changes.

A hit on an approved investor freezes at once; the case then waits for two
officers. Nobody is ever waved through because no list was loaded.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from accounts.cases import move, note
from accounts.models import (
    KycCase,
    Restriction,
    SanctionsEntry,
    SanctionsList,
    ScreeningHit,
)
from accounts.operations.restrictions import impose
from accounts.personal_data import PersonalData, reveal_to_system
from accounts.screening import Match, NoSanctionsLists, screen
from accounts.states import KycStatus

CHECKING = "A compliance officer is looking at your case."
SANCTIONS_HIT = "sanctions_hit"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Where a case has to go because of screening."""

    status: KycStatus
    reason_code: str
    message: str = CHECKING  # the same for all: a hit is not told to the one who is hit


def screen_case(case: KycCase, *, now: datetime) -> Outcome | None:
    """Compare the case with the current lists, keep new hits; None when nothing is open.

    The caller has locked the case. Hits that two officers dismissed stay dismissed.
    """
    data = reveal_to_system(case_id=case.id, purpose="sanctions screening", now=now)
    try:
        matches = screen(names=_readings(data), birth_date=data.birth_date)
    except NoSanctionsLists:
        return Outcome(status=KycStatus.MANUAL_REVIEW, reason_code="no_sanctions_lists")
    for match in matches:
        _keep(case, match, now)
    KycCase.objects.filter(id=case.id).update(screened_at=now)
    if not case.hits.filter(state=ScreeningHit.State.OPEN).exists():
        return None
    return Outcome(status=KycStatus.SCREENING_HIT, reason_code=SANCTIONS_HIT)


@transaction.atomic
def rescreen_case(*, case_id: UUID, now: datetime) -> KycCase:
    """Screen an approved or suspended investor again; a new hit freezes and opens the case.

    Does nothing when the case was screened since the newest list was loaded.
    """
    case = KycCase.objects.select_for_update(no_key=True).get(id=case_id)
    newest = SanctionsList.objects.filter(is_current=True).aggregate(at=Max("loaded_at"))["at"]
    if newest is not None and case.screened_at is not None and case.screened_at >= newest:
        return case  # another worker was first
    outcome = screen_case(case, now=now)
    if outcome is None or case.status not in {KycStatus.APPROVED, KycStatus.SUSPENDED}:
        return case
    if outcome.status != KycStatus.SCREENING_HIT:
        return case
    case = move(
        case, outcome.status, now=now, reason_code=outcome.reason_code,
        investor_message=outcome.message,
    )  # fmt: skip
    impose(
        investor_id=case.investor_id, kind=Restriction.Kind.FREEZE, reason_code=SANCTIONS_HIT,
        note="A newer sanctions list names somebody close.", officer=None, now=now,
    )  # fmt: skip
    return case


def _readings(data: PersonalData) -> list[str]:
    return [data.full_name, f"{data.family_names} {data.given_names}"]


def _keep(case: KycCase, match: Match, now: datetime) -> None:
    entry = SanctionsEntry.objects.select_related("sanctions_list").get(id=match.entry_id)
    listed = entry.sanctions_list
    _, is_new = ScreeningHit.objects.get_or_create(
        case=case, source=listed.source, reference=entry.reference,
        defaults={
            "list_date": listed.list_date, "primary_name": entry.primary_name,
            "matched_name": match.matched_name, "programme": entry.programme,
            "score": match.score, "birth_date": match.birth_date,
            "listed_birth_dates": entry.birth_dates, "found_at": now,
        },
    )  # fmt: skip
    if is_new:
        details = {"source": listed.source, "reference": entry.reference, "score": match.score}
        note(case, kind="screening_hit", text=entry.primary_name, details=details, now=now)
