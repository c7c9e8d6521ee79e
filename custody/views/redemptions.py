"""Redemptions: tokens in, the cash of a sale of the shares out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.confirming import ask_first
from accounts.models import Investor
from accounts.queries import get_investor_for, require_investor_for
from custody.forms import RedemptionForm
from custody.models import Redemption
from custody.operations import request_redemption
from custody.operations.redemption import fee_e6
from custody.pages import Holding, list_holdings
from kernel import clock
from kernel.ids import uuid7
from kernel.refusals import NotFound, Refusal
from reference.sessions import session_at

LIST_MAX = 200


@require_safe
def redemptions(request: HttpRequest) -> HttpResponse:
    investor = get_investor_for(request.user)
    found = Redemption.objects.filter(investor=investor).select_related("asset")
    context = {"investor": investor, "redemptions": found.order_by("-requested_at")[:LIST_MAX]}
    return render(request, "custody/redemptions.html", context)


@require_http_methods(["GET", "POST"])
def new_redemption(request: HttpRequest) -> HttpResponse:
    """Ask for a redemption; a second click on the same page is the same one."""
    investor = require_investor_for(request.user)
    form = RedemptionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        what = f"{request.POST['quantity']} {form.cleaned_data['asset'].code}"
        question = ask_first(
            request,
            title=f"Redeem {what}?",
            text="The shares are sold at the exchange's price of the next session, and you get "
            "USDC. Once the sale is sent it cannot be taken back.",
            action=f"Redeem {what}",
            back=reverse("new_redemption"),
        )
        if question is not None:
            return question
        try:
            redemption = _request(form.cleaned_data, investor)
        except Refusal as refusal:
            form.add_error("quantity", refusal.message)
        else:
            messages.success(request, "Your redemption is on its way.")
            return redirect("redemption", redemption_id=redemption.id)
    return render(request, "custody/new_redemption.html", _context(request, investor, form))


def _request(cleaned: dict[str, Any], investor: Investor) -> Redemption:
    return request_redemption(
        investor_id=investor.pk,
        asset_id=cleaned["asset"].pk,
        units=cleaned["units"],
        idempotency_key=cleaned["key"],
        now=clock.now(),
    )


def _context(request: HttpRequest, investor: Investor, form: RedemptionForm) -> dict[str, Any]:
    holdings = [
        each
        for each in list_holdings(investor_id=investor.pk)
        if each.asset.kind == "token" and each.available_units
    ]
    wanted = request.POST.get("asset") or request.GET.get("asset")
    chosen: Holding | None = next(
        (each for each in holdings if each.asset.code == wanted), holdings[0] if holdings else None
    )
    return {
        "form": form,
        "holdings": holdings,
        "chosen": chosen,
        "key": request.POST.get("key") or f"web-{uuid7()}",
        "fee_e6": fee_e6(),
        "session_now": session_at(clock.now()),
    }


@dataclass(frozen=True, slots=True)
class Stage:
    """One line of the timeline; state is done, now, todo or bad."""

    title: str
    at: datetime | None
    note: str
    state: str


STAGES = (
    ("requested_at", "Requested", "Your tokens leave trading."),
    ("held_at", "Tokens set aside", "They are yours until they are burned."),
    ("submitted_at", "Sale sent to the custodian", "It fills in the next regular session."),
    ("sold_at", "Shares sold", "The price is known."),
    ("burned_at", "Tokens burned", "Final on the chain."),
    ("paid_at", "Paid", "In USDC, to trade with or keep."),
)


def stages_of(redemption: Redemption) -> list[Stage]:
    """Every stage with its time; the first without one is where it stands."""
    stages, is_reached = [], True
    for field, title, note in STAGES:
        at = getattr(redemption, field)
        if at is None and redemption.refused_at is not None:
            stages.append(Stage("Refused", redemption.refused_at, redemption.reason, "bad"))
            break
        state = "done" if at else "now" if is_reached else "todo"
        is_reached = at is not None
        stages.append(Stage(title, at, note, state))
    return stages


@require_safe
def redemption(request: HttpRequest, redemption_id: UUID) -> HttpResponse:
    """One own redemption: its stages with their times, its amounts."""
    investor = get_investor_for(request.user)
    found = (
        Redemption.objects.filter(id=redemption_id, investor=investor)
        .select_related("asset", "share_asset", "order")
        .first()
    )
    if found is None or investor is None:
        raise NotFound("There is no such redemption.")
    context = {
        "redemption": found,
        "stages": stages_of(found),
        "is_open": found.state not in ("paid", "refused"),
    }
    return render(request, "custody/redemption.html", context)
