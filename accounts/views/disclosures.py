"""Disclosures: public to read, accepted by investors, one version at a time."""

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from accounts import queries
from accounts.operations import disclosures as operations
from accounts.queries import get_investor_for
from accounts.views.account import require_investor
from kernel import clock


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


@require_POST
def accept(request: HttpRequest, subject: str) -> HttpResponse:
    """Accept the version that the page showed, and go back to where one was."""
    investor = require_investor(request)
    current = queries.get_current_disclosure(subject=subject)
    if request.POST.get("read") != "on":
        messages.error(request, "Tick the box that says you have read it.")
        return redirect("disclosure", subject=subject)
    if request.POST.get("sha256") != current.sha256:
        messages.error(request, "A newer version was published meanwhile. Read that one.")
        return redirect("disclosure", subject=subject)
    operations.accept(
        investor_id=investor.pk,
        disclosure_id=current.pk,
        ip=request.META.get("REMOTE_ADDR"),
        now=clock.now(),
    )
    messages.success(request, f"Accepted. You can buy {subject} now.")
    target = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure()):
        target = reverse("disclosure", args=[subject])
    return redirect(target)
