"""Verification (KYC): where the case stands, what is missing, what to do next."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts import queries
from accounts.models import KycCase
from accounts.queries import get_investor_for
from accounts.states import EDITABLE, KycStatus


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the stepper; state is done, now or todo."""

    title: str
    url: str
    state: str


def steps_of(case: KycCase | None, *, now_at: str = "") -> list[Step]:
    """The way from a new account to a decision; `now_at` names the page shown."""
    has_form = case is not None and case.form_sealed is not None
    has_papers = has_form and case is not None and case.documents.exists()
    is_sent = case is not None and case.status not in EDITABLE
    is_decided = case is not None and case.status in (KycStatus.APPROVED, KycStatus.REJECTED)
    done = {"details": has_form, "documents": has_papers, "review": is_sent, "decision": is_decided}
    titles = {
        "details": ("About you", reverse("verification_details")),
        "documents": ("Documents", reverse("verification_documents")),
        "review": ("Check and send", reverse("verification")),
        "decision": ("Decision", reverse("verification")),
    }
    first_open = next((name for name, is_done in done.items() if not is_done), "decision")
    here = now_at or first_open
    return [
        Step(title, url, "now" if name == here else "done" if done[name] else "todo")
        for name, (title, url) in titles.items()
    ]


@require_safe
def verification(request: HttpRequest) -> HttpResponse:
    investor = get_investor_for(request.user)
    case = queries.get_case_of(investor_id=investor.pk) if investor else None
    context = {
        "investor": investor,
        "case": case,
        "steps": steps_of(case),
        "missing": queries.list_missing(case) if case else [],
        "events": case.timeline.order_by("-created_at")[:20] if case else [],
    }
    return render(request, "accounts/verification.html", context)
