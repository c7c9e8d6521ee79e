"""Disclosures: public to read, accepted by investors, one version at a time."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts import queries
from accounts.queries import get_investor_for


@login_not_required
@require_safe
def disclosures(request: HttpRequest) -> HttpResponse:
    """The current version of every disclosure."""
    context = {"disclosures": queries.list_current_disclosures()}
    return render(request, "accounts/disclosures.html", context)


@login_not_required
@require_safe
def disclosure(request: HttpRequest, subject: str) -> HttpResponse:
    """One disclosure with its fingerprint, and the form that accepts it."""
    current = queries.get_current_disclosure(subject=subject)
    investor = get_investor_for(request.user)
    context = {
        "disclosure": current,
        "investor": investor,
        "is_accepted": investor is not None
        and queries.has_accepted(investor_id=investor.pk, disclosure_id=current.pk),
        "next": request.GET.get("next", ""),
    }
    return render(request, "accounts/disclosure.html", context)
