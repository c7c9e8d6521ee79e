"""The account's own pages: overview, consents, security, API keys."""

from typing import Any

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import api_keys, queries
from accounts.confirming import ask_first
from accounts.forms import NewKeyForm
from accounts.models import ApiKey, Consent, Investor
from accounts.queries import get_investor_for, require_investor_for
from kernel import clock
from kernel.refusals import NotFound, Refusal
from reference.queries import get_country_rule


def require_investor(request: HttpRequest) -> Investor:
    """:raises NotAnInvestor: the login has no investor behind it."""
    return require_investor_for(request.user)


@require_safe
def account(request: HttpRequest) -> HttpResponse:
    """Who we think you are, what you may do, and what you accepted."""
    investor = get_investor_for(request.user)
    context: dict[str, Any] = {"investor": investor}
    if investor:
        context |= {
            "case": queries.get_case_of(investor_id=investor.pk),
            "eligibility": queries.get_eligibility(investor_id=investor.pk),
            "country": _country_name(investor.residence_country),
            "consents": Consent.objects.filter(investor=investor)
            .select_related("disclosure")
            .order_by("-accepted_at"),
        }
    return render(request, "accounts/account.html", context)


def _country_name(code: str) -> str:
    if not code:
        return ""
    try:
        return get_country_rule(code).name
    except NotFound:
        return code


@require_safe
def security(request: HttpRequest) -> HttpResponse:
    """Sign-in methods and devices, and the keys that programs sign with."""
    investor = get_investor_for(request.user)
    keys = (
        ApiKey.objects.filter(investor=investor).order_by("-is_active", "-created_at")
        if investor
        else []
    )
    return render(request, "accounts/security.html", {"investor": investor, "keys": keys})


@require_http_methods(["GET", "POST"])
def new_key(request: HttpRequest) -> HttpResponse:
    """Make an API key: only for an investor who has just shown again who they are."""
    require_investor(request)
    answer: HttpResponse = _new_key(request)
    return answer


@reauthentication_required  # type: ignore[untyped-decorator]
def _new_key(request: HttpRequest) -> HttpResponse:
    """The secret is on the answer to this one request and nowhere else."""
    investor = require_investor(request)
    form = NewKeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = api_keys.create(investor_id=investor.pk, now=clock.now(), **form.cleaned_data)
        except Refusal as refusal:
            form.add_error(None, refusal.message)
        else:
            return render(request, "accounts/new_key_made.html", {"made": made})
    return render(request, "accounts/new_key.html", {"form": form})


@require_POST
def revoke_key(request: HttpRequest, key_id: str) -> HttpResponse:
    investor = require_investor(request)
    question = ask_first(
        request,
        title="Revoke this key?",
        text="Programs that use it are out at once. A revoked key never works again.",
        action="Revoke the key",
        back=reverse("security"),
    )
    if question is not None:
        return question
    api_keys.revoke(investor_id=investor.pk, key_id=key_id, now=clock.now())
    messages.success(request, "The key is revoked. Programs that use it are out at once.")
    return redirect("security")
