"""Verification (KYC): details, documents, sending them in, the decision, objecting."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import queries
from accounts.forms_kyc import DetailsForm, DocumentForm, ReviewForm, details_of
from accounts.models import Investor, KycCase
from accounts.operations import investors, kyc
from accounts.personal_data import reveal
from accounts.queries import get_investor_for
from accounts.states import EDITABLE, KycStatus
from accounts.views.account import require_investor
from kernel import clock
from kernel.refusals import Refusal

UPLOAD_PROBLEM = "upload_problem"  # in the session: why the last picture was not taken
DECIDED = (KycStatus.APPROVED, KycStatus.REJECTED, KycStatus.SUSPENDED)
WORKING_ON_IT = (KycStatus.SUBMITTED, KycStatus.PENDING_PROVIDER)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the stepper; state is done, now or todo."""

    title: str
    url: str
    state: str


def steps_of(case: KycCase | None, *, here: str = "") -> list[Step]:
    """The way from a new account to a decision; `here` names the page shown."""
    has_form = case is not None and case.form_sealed is not None
    is_sent = case is not None and case.status not in EDITABLE
    done = {
        "details": has_form,
        "documents": is_sent or (case is not None and case.documents.exists()),
        "send": is_sent,
        "decision": case is not None and case.status in DECIDED,
    }
    titles = {
        "details": ("About you", reverse("verification_details")),
        "documents": ("Documents", reverse("verification_documents")),
        "send": ("Check and send", reverse("verification")),
        "decision": ("Decision", ""),
    }
    if is_sent:
        titles = {name: (title, "") for name, (title, _) in titles.items()}
    first_open = next((name for name, is_done in done.items() if not is_done), "decision")
    shown = here or first_open
    return [
        Step(title, url, "now" if name == shown else "done" if done[name] else "todo")
        for name, (title, url) in titles.items()
    ]


@require_safe
def verification(request: HttpRequest) -> HttpResponse:
    """Where the case stands; for an editable case, what is missing before it can be sent."""
    investor = get_investor_for(request.user)
    case = queries.get_case_of(investor_id=investor.pk) if investor else None
    here = "send" if case and case.status in EDITABLE and case.form_sealed else ""
    context: dict[str, Any] = {
        "investor": investor,
        "case": case,
        "steps": steps_of(case, here=here),
        "missing": queries.list_missing(case) if case else [],
        "documents": case.documents.order_by("uploaded_at") if case else [],
        "is_editable": case is None or case.status in EDITABLE,
        "is_working": case is not None and case.status in WORKING_ON_IT,
        "review_form": ReviewForm(),
        "lists": queries.list_current_sanctions_lists(),
    }
    template = "accounts/verification.html"
    if request.htmx:  # type: ignore[attr-defined]
        template = "accounts/partials/case_state.html"
    return render(request, template, context)


@require_http_methods(["GET", "POST"])
def details(request: HttpRequest) -> HttpResponse:
    """The form; what was saved before is there again."""
    case = investors.open_case(user=request.user, now=clock.now())  # type: ignore[arg-type]
    if case.status not in EDITABLE:
        return redirect("verification")
    form = DetailsForm(request.POST or None, initial=_declared_before(request, case))
    if request.method == "POST" and form.is_valid():
        try:
            kyc.save_form(investor_id=case.investor_id, form=form.as_declared(), now=clock.now())
        except Refusal as refusal:
            form.add_error(_field_of(refusal), refusal.message)
        else:
            messages.success(request, "Saved. You can come back to it at any time.")
            return redirect("verification_documents")
    context = {"form": form, "case": case, "steps": steps_of(case, here="details")}
    return render(request, "accounts/verification_details.html", context)


def _declared_before(request: HttpRequest, case: KycCase) -> dict[str, Any]:
    if case.form_sealed is None or request.method == "POST":
        return {}
    user = request.user
    assert user.is_authenticated  # the middleware lets nobody else in
    personal = reveal(case_id=case.id, reader=user, purpose="own form", now=clock.now())
    return details_of(personal, case)


def _field_of(refusal: Refusal) -> str | None:
    """The field that a refusal is about; None: the form as a whole."""
    field = refusal.details.get("field")
    return field if isinstance(field, str) else None


@require_http_methods(["GET", "POST"])
def documents(request: HttpRequest) -> HttpResponse:
    """Upload pictures, see them listed, take one back.

    Every upload is answered by a redirect, refused ones too: going back must not send
    the picture again.
    """
    investor = require_investor(request)
    case = queries.get_case_of(investor_id=investor.pk)
    if case is None or case.status not in EDITABLE:
        return redirect("verification")
    form = DocumentForm(
        request.POST or None, request.FILES or None,
        initial={
            "issuing_country": request.GET.get("issuing_country") or case.nationality,
            "kind": request.GET.get("kind"),
        },
    )  # fmt: skip
    if request.method == "POST":
        problem = _upload(form, investor)
        if problem is None:
            messages.success(request, "Uploaded.")
            return redirect("verification_documents")
        request.session[UPLOAD_PROBLEM] = problem
        chosen = {name: form.data.get(name, "") for name in ("kind", "issuing_country")}
        return redirect(f"{reverse('verification_documents')}?{urlencode(chosen)}#upload")
    context = {
        "form": form,
        "problem": request.session.pop(UPLOAD_PROBLEM, ""),
        "case": case,
        "documents": case.documents.order_by("uploaded_at"),
        "missing": queries.list_missing(case),
        "steps": steps_of(case, here="documents"),
    }
    return render(request, "accounts/verification_documents.html", context)


def _upload(form: DocumentForm, investor: Investor) -> str | None:
    """Keep the picture; else what is wrong with it, in words."""
    if not form.is_valid():
        return " ".join(str(problem) for problems in form.errors.values() for problem in problems)
    try:
        kyc.add_document(
            investor_id=investor.pk,
            kind=form.cleaned_data["kind"],
            issuing_country=form.cleaned_data["issuing_country"],
            content=form.cleaned_data["file"].read(),
            now=clock.now(),
        )
    except Refusal as refusal:
        return refusal.message
    return None


@require_POST
def remove_document(request: HttpRequest, document_id: UUID) -> HttpResponse:
    investor = require_investor(request)
    kyc.remove_document(investor_id=investor.pk, document_id=document_id, now=clock.now())
    messages.success(request, "Removed.")
    return redirect("verification_documents")


@require_POST
def submit(request: HttpRequest) -> HttpResponse:
    investor = require_investor(request)
    try:
        kyc.submit(investor_id=investor.pk, now=clock.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
    return redirect("verification")


@require_POST
def request_review(request: HttpRequest) -> HttpResponse:
    """Object to a refusal; a person looks at it."""
    investor = require_investor(request)
    form = ReviewForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Say in some words what is wrong with the decision.")
        return redirect("verification")
    kyc.request_review(investor_id=investor.pk, text=form.cleaned_data["text"], now=clock.now())
    messages.success(request, "Your objection is with a compliance officer.")
    return redirect("verification")
