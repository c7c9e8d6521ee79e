"""The provider's side of a KYC case: sending it, taking webhooks in, applying them.

A webhook is stored before it is understood and answered at once; a task applies
it. It only says "look again": what counts is what the provider answers when
asked, and only if that review is newer, by the provider's clock, than the one
applied last. So copies, stale copies and a wrong order change nothing, and a
RED after a GREEN is taken as seriously as it is meant.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F

from accounts import documents
from accounts.cases import move, note
from accounts.gateways.kyc_provider import (
    Applicant,
    BadDigest,
    Event,
    KycProvider,
    MalformedWebhook,
    Review,
    SumsubProvider,
    read_webhook,
    verify_webhook,
)
from accounts.models import KycCase, KycDocument, ProviderEvent
from accounts.operations.screening import screen_case
from accounts.personal_data import reveal_to_system
from accounts.rules import judge
from accounts.states import KycStatus

State = ProviderEvent.State
REVIEW_EVENTS = {"applicantReviewed", "applicantWorkflowCompleted"}
# A GREEN may approve from here only; anywhere else officers have the case.
GREEN_APPROVES = {KycStatus.PENDING_PROVIDER, KycStatus.NEEDS_RESUBMISSION}
RETRY_REACHES = {KycStatus.PENDING_PROVIDER, KycStatus.MANUAL_REVIEW}
# A RED from here goes to officers: a refusal always needs people.
RED_REACHES = {
    KycStatus.PENDING_PROVIDER,
    KycStatus.NEEDS_RESUBMISSION,
    KycStatus.SCREENING_HIT,
    KycStatus.APPROVED,
    KycStatus.SUSPENDED,
}


def provider_from_settings() -> KycProvider:
    return SumsubProvider(
        url=settings.ENV.server("kyc_provider_url"),
        token=settings.ENV.server("kyc_provider_token"),
        secret=settings.ENV.server("kyc_provider_secret"),
    )


def send_case(*, case_id: UUID, provider: KycProvider, now: datetime) -> KycCase:
    """Tell the provider about a submitted case; safe to repeat after any failure.

    :raises GatewayUnavailable: the case stays `submitted`.
    :raises CaseMoved: somebody else sent it meanwhile.
    """
    case = KycCase.objects.get(id=case_id)
    data = reveal_to_system(case_id=case_id, purpose="send to the KYC provider", now=now)
    applicant_id = provider.create_applicant(
        Applicant(
            external_id=str(case.id), given_names=data.given_names,
            family_names=data.family_names, birth_date=data.birth_date.isoformat(),
            country=case.residence_country,
        )
    )  # fmt: skip
    for document_id in case.documents.order_by("id").values_list("id", flat=True):
        _send_document(document_id, applicant_id, provider, now)
    provider.request_check(applicant_id)
    return move(case, KycStatus.PENDING_PROVIDER, now=now, provider_applicant_id=applicant_id)


def receive_webhook(*, body: bytes, headers: Mapping[str, str], now: datetime) -> ProviderEvent:
    """Verify the raw bytes, then store the event once; a copy is only counted.

    :raises BadDigest, MalformedWebhook: nothing is stored.
    """
    verify_webhook(body=body, headers=headers, secret=settings.ENV.server("kyc_webhook_secret"))
    event = read_webhook(body)
    stored, is_new = ProviderEvent.objects.get_or_create(
        body_sha256=hashlib.sha256(body).hexdigest(),
        defaults={
            "type": event.type, "applicant_id": event.applicant_id, "body": body,
            "provider_ms": event.provider_ms, "received_at": now,
        },
    )  # fmt: skip
    if not is_new:
        ProviderEvent.objects.filter(pk=stored.pk).update(copies=F("copies") + 1)
    return stored


def apply_event(*, event_id: int, provider: KycProvider, now: datetime) -> ProviderEvent:
    """Ask the provider how the applicant stands and move the case accordingly.

    Leaves the event `received` while the case is still being sent.

    :raises GatewayUnavailable: the event stays and is tried again.
    """
    event = ProviderEvent.objects.get(pk=event_id)
    if event.state != State.RECEIVED:
        return event
    ProviderEvent.objects.filter(pk=event_id).update(attempts=F("attempts") + 1)
    case = _find_case(read_webhook(bytes(event.body)))
    if case is None or event.type not in REVIEW_EVENTS:
        return _settle(event, State.IGNORED, now)
    if case.status == KycStatus.SUBMITTED:
        return event
    if event.provider_ms < case.provider_reviewed_ms:
        return _settle(event, State.STALE, now)
    review = provider.get_review(event.applicant_id)
    with transaction.atomic():
        return _settle(event, _apply_review(case.id, review, now), now)


@transaction.atomic
def _send_document(
    document_id: UUID, applicant_id: str, provider: KycProvider, now: datetime
) -> None:
    # Locked while it is sent: the provider keeps every copy, so two workers must not both.
    waiting = KycDocument.objects.select_for_update(no_key=True).filter(sent_at__isnull=True)
    document = waiting.filter(id=document_id).first()
    if document is None:
        return
    provider.add_document(
        applicant_id, kind=document.kind, country=document.issuing_country,
        picture=documents.load(document.id),
    )  # fmt: skip
    KycDocument.objects.filter(id=document.id).update(sent_at=now)


def _find_case(event: Event) -> KycCase | None:
    by_applicant = KycCase.objects.filter(provider_applicant_id=event.applicant_id).first()
    if by_applicant:
        return by_applicant
    # The webhook may be faster than our own commit: then only our id is known.
    try:
        return KycCase.objects.filter(
            id=UUID(event.external_id), status=KycStatus.SUBMITTED
        ).first()
    except ValueError:
        return None


def _settle(event: ProviderEvent, state: State, now: datetime) -> ProviderEvent:
    # Of two workers the second finds the review applied already: that it was stays.
    waiting = ProviderEvent.objects.filter(pk=event.pk, state=State.RECEIVED)
    waiting.update(state=state, applied_at=now)
    event.refresh_from_db()
    return event


def _apply_review(case_id: UUID, review: Review, now: datetime) -> State:
    case = KycCase.objects.select_for_update(no_key=True).get(id=case_id)
    if not _is_news(case, review):
        return State.STALE
    KycCase.objects.filter(id=case_id).update(
        provider_reviewed_ms=review.reviewed_ms, provider_answer=review.answer,
        reject_labels=list(review.labels),
    )  # fmt: skip
    _note_review(case, review, now)
    if review.answer == "GREEN":
        _apply_green(case, review, now)
    else:
        _apply_red(case, review, now)
    return State.APPLIED


def _is_news(case: KycCase, review: Review) -> bool:
    """Newer than what was applied; or of the same second, for that is all the provider gives,
    and another answer."""
    if not review.is_completed or review.reviewed_ms < case.provider_reviewed_ms:
        return False
    is_known = (review.answer, list(review.labels)) == (case.provider_answer, case.reject_labels)
    return review.reviewed_ms > case.provider_reviewed_ms or not is_known


def _note_review(case: KycCase, review: Review, now: datetime) -> None:
    details = {"answer": review.answer, "labels": list(review.labels), "final": review.is_final}
    note(case, kind="provider_review", text=review.staff_comment, details=details, now=now)


def _apply_green(case: KycCase, review: Review, now: datetime) -> None:
    if case.status not in GREEN_APPROVES:
        return  # noted; officers have the case, or it is approved already
    verdict = judge(case, document_countries=review.document_countries)
    if verdict.is_refused:
        move(
            case, KycStatus.REJECTED, now=now, reason_code=verdict.reason_code,
            investor_message=verdict.message,
        )  # fmt: skip
        return
    outcome = screen_case(case, now=now)
    if outcome is not None:
        move(case, outcome.status, now=now, reason_code=outcome.reason_code,
             investor_message=outcome.message)  # fmt: skip
    elif verdict.needs_review:
        move(case, KycStatus.MANUAL_REVIEW, now=now, reason_code=verdict.reason_code,
             investor_message="A compliance officer is looking at your case.")  # fmt: skip
    else:
        move(case, KycStatus.APPROVED, now=now)


def _apply_red(case: KycCase, review: Review, now: datetime) -> None:
    if not review.is_final and case.status in RETRY_REACHES:
        move(
            case, KycStatus.NEEDS_RESUBMISSION, now=now, reason_code="provider_asks_again",
            investor_message=review.investor_comment or "Please upload your document again.",
        )  # fmt: skip
    elif case.status in RED_REACHES:
        move(
            case, KycStatus.MANUAL_REVIEW, now=now, reason_code="provider_rejected",
            investor_message="A compliance officer is looking at your case.",
        )  # fmt: skip


__all__ = ["BadDigest", "MalformedWebhook", "apply_event", "provider_from_settings",
           "receive_webhook", "send_case"]  # fmt: skip
