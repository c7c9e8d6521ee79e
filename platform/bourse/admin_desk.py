"""The staff's start page: what waits, since when, and for whom.

A queue is a count, the age of its oldest row and a link to the list; what waits
for a second officer is told apart by who proposed it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Min, QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from accounts.models import KycCase, Proposal, ProviderEvent
from accounts.queries import list_current_sanctions_lists, list_waiting_proposals
from bourse import demo_time, status
from bourse.admin_theme import is_reachable
from custody.models import (
    BlockOrder,
    CustodianOrder,
    Deposit,
    MintRequest,
    ReconciliationCase,
    Redemption,
    SettlementLeg,
)
from custody.pages import list_reserve_rows
from custody.reconciliation.alerts import list_reconciliation_alerts
from custody.sealing_lag import list_sealing_alerts
from kernel import clock
from trading.kill_switches import list_stop_alerts
from trading.models import InboxItem, Listing, Order
from trading.states import LIVE_STATUSES, ListingState

PROPOSALS_SHOWN = 8
# After how long a queue is shown as late.
LATE_AFTER = {
    "KYC: a person has to look": timedelta(hours=24),
    "KYC: close to a sanctioned name": timedelta(hours=4),
    "KYC: at the provider": timedelta(hours=1),
    "Waiting for a second officer": timedelta(hours=8),
    "Deposits in quarantine": timedelta(hours=24),
    "Differences to explain": timedelta(hours=4),
    "Redemptions under way": timedelta(days=4),
    "Mints under way": timedelta(days=3),
    "Blocks that are stuck": timedelta(hours=1),
    "Settlement legs that are stuck": timedelta(hours=1),
}


@dataclass(frozen=True, slots=True)
class Queue:
    """One line of work: how much, how old, where."""

    title: str
    count: int
    oldest_at: datetime | None
    url: str
    now: datetime

    @property
    def age_seconds(self) -> float | None:
        return (self.now - self.oldest_at).total_seconds() if self.oldest_at else None

    @property
    def is_late(self) -> bool:
        limit = LATE_AFTER.get(self.title)
        return bool(limit and self.oldest_at and self.now - self.oldest_at > limit)


def environment(request: HttpRequest) -> list[str] | None:
    """The mark beside the title, so that nobody takes a demo for the real thing."""
    return None if settings.BOURSE_ENV == "production" else ["Demo: sandbox parties", "warning"]


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What django-unfold's start page shows."""
    now = clock.now()
    proposals = list(list_waiting_proposals()[:PROPOSALS_SHOWN])
    context |= {
        "queues": _queues(request, now),
        "proposals": [_proposal_line(each, request) for each in proposals],
        "alerts": _alerts(now),
        "figures": _figures(),
        "parts": status.look(now=now),
        "lists": list_current_sanctions_lists(),
        "time_steps": demo_time.STEPS if demo_time.is_movable() else {},
        "now": now,
    }
    return context


@dataclass(frozen=True, slots=True)
class Source:
    """Where a queue's rows are: the waiting ones, since when, and their list in the admin."""

    title: str
    rows: QuerySet[Any]
    since: str
    model: str
    query: str = ""


def _queues(request: HttpRequest, now: datetime) -> list[Queue]:
    """The queues of the lists that this member of the staff may open."""
    sources = [*_onboarding(), *_custody(), *_waiting_for_a_machine()]
    return [_measure(source, now) for source in sources if is_reachable(request, source.model)]


def _measure(source: Source, now: datetime) -> Queue:
    found = source.rows.aggregate(count=Count("pk"), oldest=Min(source.since))
    url = reverse(f"admin:{source.model}_changelist") + source.query
    return Queue(source.title, found["count"], found["oldest"], url, now)


def _onboarding() -> list[Source]:
    def cases(title: str, *statuses: str, shown: str) -> Source:
        waiting = KycCase.objects.filter(status__in=statuses)
        query = f"?status__exact={shown}"
        return Source(title, waiting, "submitted_at", "accounts_kyccase", query)

    return [
        cases("KYC: a person has to look", "manual_review", shown="manual_review"),
        cases("KYC: close to a sanctioned name", "screening_hit", shown="screening_hit"),
        cases("KYC: at the provider", "submitted", "pending_provider", shown="pending_provider"),
        Source(
            "Waiting for a second officer",
            Proposal.objects.filter(state=Proposal.State.PROPOSED),
            "proposed_at",
            "accounts_proposal",
            "?state__exact=proposed",
        ),
    ]


def _custody() -> list[Source]:
    return [
        Source(
            "Mints under way",
            MintRequest.objects.exclude(state__in=["minted", "rejected", "failed"]),
            "requested_at",
            "custody_mintrequest",
        ),
        Source(
            "Redemptions under way",
            Redemption.objects.exclude(state__in=["paid", "refused"]),
            "requested_at",
            "custody_redemption",
        ),
        Source(
            "Deposits in quarantine",
            Deposit.objects.filter(state="quarantined"),
            "seen_at",
            "custody_deposit",
            "?state__exact=quarantined",
        ),
        Source(
            "Differences to explain",
            ReconciliationCase.objects.filter(state="open"),
            "opened_at",
            "custody_reconciliationcase",
            "?state__exact=open",
        ),
        Source(
            "Orders at the custodian",
            CustodianOrder.objects.filter(state__in=["new", "submitted", "filled"]),
            "requested_at",
            "custody_custodianorder",
        ),
        Source(
            "Blocks that are stuck",
            BlockOrder.objects.filter(state="stuck"),
            "formed_at",
            "custody_blockorder",
            "?state__exact=stuck",
        ),
        Source(
            "Settlement legs that are stuck",
            SettlementLeg.objects.filter(state="stuck"),
            "planned_at",
            "custody_settlementleg",
            "?state__exact=stuck",
        ),
    ]


def _waiting_for_a_machine() -> list[Source]:
    """Nobody has to act on these; a long queue says that a process stands still."""
    return [
        Source(
            "Provider's messages to apply",
            ProviderEvent.objects.filter(state=ProviderEvent.State.RECEIVED),
            "received_at",
            "accounts_providerevent",
        ),
        Source(
            "Facts the engine has not read",
            InboxItem.objects.filter(consumed_batch__isnull=True),
            "created_at",
            "trading_inboxitem",
        ),
    ]


def _proposal_line(proposal: Proposal, request: HttpRequest) -> dict[str, Any]:
    """A proposal, and whether this officer may be its second."""
    try:
        url = reverse("admin:accounts_proposal_change", args=[proposal.pk])
    except NoReverseMatch:
        url = ""
    return {
        "proposal": proposal,
        "kind": proposal.kind.replace("_", " ").capitalize().replace("Kyc", "KYC"),
        "url": url,
        "is_own": proposal.maker_id == request.user.pk,
    }


def _alerts(now: datetime) -> list[str]:
    """Sentences about what is broken; empty when nothing is."""
    broken = [
        f"{row.asset.code} is not covered by settled shares. Minting of it has stopped."
        for row in list_reserve_rows()
        if row.attestation is not None and row.attestation.verdict == "broken"
    ]
    halted = [
        f"{listing.wsname} is {listing.get_state_display().lower()}"
        + (f": {listing.state_reason}." if listing.state_reason else ".")
        for listing in Listing.objects.exclude(state=ListingState.ONLINE.value).order_by("symbol")
    ]
    parts = [f"{part.name}: {part.words}" for part in status.look(now=now) if not part.is_well]
    stopped = list_stop_alerts()
    return (
        stopped
        + broken
        + list_reconciliation_alerts()
        + list_sealing_alerts(now=now)
        + parts
        + halted
    )


def _figures() -> list[tuple[str, str]]:
    """Capacity at a glance."""
    open_orders = Order.objects.filter(status__in=LIVE_STATUSES).count()
    listings = Listing.objects.count()
    covered = [row for row in list_reserve_rows() if row.attestation]
    return [
        ("Open orders", f"{open_orders:,}"),
        ("Listings", f"{listings:,}"),
        ("Tokens counted", f"{len(covered):,}"),
    ]
