"""Booking by hand: one officer fills in a template, another confirms, and it is booked.

The one rule: what two officers confirmed is what is booked, once. The proposal's body
holds the postings as they were read; the entry's key is the proposal's id. A document
is booked once per template, asset and investor, until its entry has been reversed.
What is not covered is refused and leaves the proposal open.

See custody/operations/house_templates.py for the templates.
"""

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Sum

from accounts import approvals
from accounts.models import Investor, Proposal, User
from custody import ledger, pool_transfers
from custody.entry_kinds import REVERSAL, EntryKind
from custody.ledger import Entry, Line
from custody.ledger_purposes import INVESTOR_PURPOSES, Purpose
from custody.models import Asset, JournalEntry, LedgerAccount, PoolTransfer, Redemption
from custody.models.house_entries import (
    KEY_PREFIX,
    PROPOSAL_KIND,
    is_booked,
    list_confirmed_not_booked,
)
from custody.operations.house_templates import TEMPLATES, Template
from custody.operations.treasury import TRADING_POOL
from custody.states import RedemptionState
from kernel.money import MalformedAmount, format_units
from kernel.refusals import NotFound, Refusal

logger = logging.getLogger(__name__)

PERMISSION = "custody.add_houseentry"
DOCUMENT_MAX = 100
# Others are steps of something that has a state of its own: correct that instead.
REVERSIBLE_KINDS = frozenset(TEMPLATES) | {
    EntryKind.DEPOSIT,
    EntryKind.CUSTODIAN_PREFUNDED,
    EntryKind.SHARES_DELIVERED,
    EntryKind.INVENTORY_SOLD,
}


class TemplateDoesNotFit(Refusal):
    """This entry is not booked in this asset, or it lacks its investor or its document."""

    code = "template_does_not_fit"


class DocumentBooked(Refusal):
    """This document has been booked by this template. Reverse that entry first."""

    code = "document_booked"
    http_status = 409


class HouseEntryNotCovered(Refusal):
    """An account has too few available units. The proposal stays open."""

    code = "house_entry_not_covered"
    http_status = 409


class NotReversible(Refusal):
    """Only what was booked by hand, deposits and deliveries are reversed by hand, and once."""

    code = "not_reversible"
    http_status = 409


@dataclass(frozen=True, slots=True)
class Planned:
    """A posting to be: the account by name, because it may not exist yet."""

    asset: Asset
    purpose: Purpose
    owner_id: int | None
    pool: int
    units: int

    @property
    def account(self) -> str:
        owner = f"investor {self.owner_id} " if self.owner_id else ""
        pool = f" /{self.pool}" if self.pool else ""
        return f"{owner}{self.purpose} {self.asset.code}{pool}"

    @property
    def amount(self) -> str:
        digits = format_units(self.units, self.asset.decimals)
        return digits if self.units < 0 else f"+{digits}"

    @property
    def available_units(self) -> int:
        """What the account has now; a contra account's balance is negative."""
        row = LedgerAccount.objects.filter(
            owner_id=self.owner_id, asset=self.asset, purpose=self.purpose, pool=self.pool
        ).first()
        return row.available_units if row else 0


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A template filled in."""

    template: Template
    asset: Asset
    units: int
    investor: Investor | None = None
    pool: int = 0
    document: str

    def planned(self) -> list[Planned]:
        """The postings that it stands for.

        :raises TemplateDoesNotFit, MalformedAmount: as they say.
        """
        moves = self.template.moves.get(self.asset.kind)  # type: ignore[call-overload]
        if moves is None or self.template.names_investor != (self.investor is not None):
            raise TemplateDoesNotFit
        if not 0 < len(self.document.strip()) <= DOCUMENT_MAX:
            raise TemplateDoesNotFit("Name the document that this is booked from.")
        if self.units <= 0:
            raise MalformedAmount("Book more than nothing.")
        planned = []
        for source, target, code in moves:
            asset = Asset.objects.get(code=code) if code else self.asset
            assert asset.decimals == self.asset.decimals
            planned += [
                self._posting(asset, source, -self.units),
                self._posting(asset, target, self.units),
            ]
        return planned

    def _posting(self, asset: Asset, purpose: Purpose, units: int) -> Planned:
        owner = self.investor.pk if self.investor and purpose in INVESTOR_PURPOSES else None
        return Planned(asset, purpose, owner, self.pool if purpose == Purpose.FEES else 0, units)


def propose_entry(*, draft: Draft, maker: User, reason: str, now: datetime) -> Proposal:
    """Ask a second officer to book it.

    :raises TemplateDoesNotFit, MalformedAmount, DocumentBooked: as they say.
    :raises approvals.ReasonMissing, approvals.AlreadyProposed, Forbidden: as there.
    """
    planned = draft.planned()
    body = {
        "entry": str(draft.template.kind),
        "asset": draft.asset.code,
        "units": str(draft.units),
        "investor": draft.investor.pk if draft.investor else None,
        "pool": draft.pool,
        "document": draft.document.strip(),
        "postings": _in_words(planned),
    }
    return _propose(body, maker=maker, reason=reason, now=now)


def propose_reversal(
    *, entry_id: int, document: str, maker: User, reason: str, now: datetime
) -> Proposal:
    """Ask a second officer to undo an entry by a new one that names it.

    :raises NotFound, NotReversible, TemplateDoesNotFit: as they say.
    :raises approvals.ReasonMissing, approvals.AlreadyProposed, Forbidden: as there.
    """
    entry = get_reversible(entry_id=entry_id)
    if not 0 < len(document.strip()) <= DOCUMENT_MAX:
        raise TemplateDoesNotFit("Name the document that this is booked from.")
    body = {
        "entry": REVERSAL + entry.kind,
        "reverses": str(entry_id),
        "document": document.strip(),
        "postings": _in_words(reversed_postings(entry)),
    }
    return _propose(body, maker=maker, reason=reason, now=now)


def reversed_postings(entry: JournalEntry) -> list[Planned]:
    """An entry's postings with their signs turned."""
    postings = entry.postings.select_related("account__asset").order_by("line_no")
    return [
        Planned(
            posting.account.asset,
            Purpose(posting.account.purpose),
            posting.account.owner_id,
            posting.account.pool,
            -posting.units,
        )
        for posting in postings
    ]


def get_reversible(*, entry_id: int) -> JournalEntry:
    """The entry, if it may be reversed by hand.

    :raises NotFound, NotReversible: as they say.
    """
    entry = JournalEntry.objects.filter(id=entry_id).first()
    if entry is None:
        raise NotFound
    if entry.kind not in REVERSIBLE_KINDS or entry.reversals.exists():
        raise NotReversible
    return entry


def sweep_house_entries(*, now: datetime) -> int:
    """Book what was confirmed and had to come out of trading first; how many were booked.

    Safe to run twice, in parallel and late: the entry's key is the proposal's id.
    """
    moved = 0
    for row in list_confirmed_not_booked():
        transfer = PoolTransfer.objects.filter(key=f"{KEY_PREFIX}{row.id}").first()
        if transfer is None or transfer.swept_at is None:
            continue  # under way, or the engine refused it
        try:
            _post(row, _draft_of(row.body), now)
        except ledger.InsufficientUnits:
            logger.warning("house entry %s: its units have left `main` again", row.id)
        else:
            moved += 1
    return moved


# --- inside ---------------------------------------------------------------------


def _propose(body: dict[str, Any], *, maker: User, reason: str, now: datetime) -> Proposal:
    subject = _subject(body)
    if is_booked(subject=subject) or _is_on_its_way(subject):
        raise DocumentBooked
    return approvals.propose(
        kind=PROPOSAL_KIND, subject=subject, body=body, reason=reason, maker=maker, now=now
    )


def _is_on_its_way(subject: str) -> bool:
    """Whether units for something of this subject are coming out of trading."""
    keys = [f"{KEY_PREFIX}{row.id}" for row in list_confirmed_not_booked().filter(subject=subject)]
    return PoolTransfer.objects.filter(key__in=keys).exclude(state="refused").exists()


def _subject(body: dict[str, Any]) -> str:
    """What may be open or booked once: a template with asset, investor and document."""
    if "reverses" in body:
        return f"reversal:{body['reverses']}"
    about = "\n".join(str(body[name]) for name in ("asset", "investor", "pool", "document"))
    digest = hashlib.sha256(about.encode()).hexdigest()[:24]
    return f"{body['entry'].replace(' ', '_')}:{digest}"


def _in_words(planned: list[Planned]) -> list[list[str]]:
    return [[posting.account, posting.amount] for posting in planned]


def _take_effect(proposal: Proposal, now: datetime) -> None:
    """Book what was confirmed; in the confirming transaction."""
    # Again: it may have been proposed in the moment in which the same document was booked.
    if is_booked(subject=proposal.subject) or _is_on_its_way(proposal.subject):
        raise DocumentBooked
    try:
        if "reverses" in proposal.body:
            _reverse(proposal, now)
        else:
            _book(proposal, now)
    except ledger.InsufficientUnits:
        raise HouseEntryNotCovered from None


def _book(proposal: Proposal, now: datetime) -> None:
    draft = _draft_of(proposal.body)
    planned = draft.planned()
    if _in_words(planned) != proposal.body["postings"]:
        raise approvals.ProposalChanged
    _lock(planned)
    if draft.template.comes_out_of_trading and not _lies_in_main(planned):
        _out_of_trading(draft, proposal, now)
    else:
        _post(proposal, draft, now)


def _post(proposal: Proposal, draft: Draft, now: datetime) -> None:
    planned = draft.planned()
    lines = tuple(Line(_account_id(posting), posting.units) for posting in planned)
    key = f"{KEY_PREFIX}{proposal.id}"
    ledger.post([Entry(draft.template.kind, key, str(proposal.id), lines)], now)
    if draft.template.goes_on_to_trading:
        _into_trading(planned, draft.template.kind, key, now)


def _lock(planned: list[Planned]) -> None:
    """What is posted to, and what its units go on through, in one order (docs/locking.md)."""
    transits = [_transit_id(each) for each in planned if _goes_on(each)]
    ledger.lock_posted([*transits, *[_account_id(each) for each in planned]])


def _lies_in_main(planned: list[Planned]) -> bool:
    return all(
        posting.available_units - _on_their_way(posting) >= -posting.units
        for posting in planned
        if posting.purpose == Purpose.MAIN and posting.units < 0
    )


def _on_their_way(posting: Planned) -> int:
    """Of an investor's `main` what came out of trading for something else, and waits there."""
    redeemed = Redemption.objects.filter(
        investor=posting.owner_id,
        asset=posting.asset,
        state=RedemptionState.REQUESTED,
        transfer_out__swept_at__isnull=False,
    )
    keys = [f"{KEY_PREFIX}{row.id}" for row in list_confirmed_not_booked()]
    given = PoolTransfer.objects.filter(
        key__in=keys, investor=posting.owner_id, asset=posting.asset, swept_at__isnull=False
    )
    return sum(rows.aggregate(units=Sum("units"))["units"] or 0 for rows in (redeemed, given))


def _out_of_trading(draft: Draft, proposal: Proposal, now: datetime) -> None:
    """Ask the engine for the units; the sweep books once they are in `main`."""
    assert draft.investor is not None
    pool_transfers.request_out(
        investor_id=draft.investor.pk,
        asset_id=draft.asset.pk,
        pool=TRADING_POOL,
        units=draft.units,
        purpose=draft.template.kind,
        key=f"{KEY_PREFIX}{proposal.id}",
        now=now,
    )


def _draft_of(body: dict[str, Any]) -> Draft:
    investor_id = body["investor"]
    return Draft(
        template=TEMPLATES[EntryKind(body["entry"])],
        asset=Asset.objects.get(code=body["asset"]),
        units=int(body["units"]),
        investor=None if investor_id is None else Investor.objects.get(id=investor_id),
        pool=body["pool"],
        document=body["document"],
    )


def _reverse(proposal: Proposal, now: datetime) -> None:
    entry = get_reversible(entry_id=int(proposal.body["reverses"]))
    planned = reversed_postings(entry)
    if _in_words(planned) != proposal.body["postings"]:
        raise approvals.ProposalChanged
    _lock(planned)
    if not _lies_in_main(planned):
        raise HouseEntryNotCovered
    key = f"{KEY_PREFIX}{proposal.id}"
    ledger.reverse(entry_id=entry.pk, key=key, reference=str(proposal.id), now=now)
    _into_trading(planned, REVERSAL + entry.kind, key, now)


def _into_trading(planned: list[Planned], purpose: str, key: str, now: datetime) -> None:
    for posting in planned:
        if _goes_on(posting):
            assert posting.owner_id is not None
            pool_transfers.request_in(
                investor_id=posting.owner_id,
                asset_id=posting.asset.pk,
                pool=TRADING_POOL,
                units=posting.units,
                purpose=purpose,
                key=key,
                now=now,
            )


def _goes_on(posting: Planned) -> bool:
    return posting.purpose == Purpose.MAIN and posting.owner_id is not None and posting.units > 0


def _transit_id(posting: Planned) -> int:
    return ledger.get_account_id(None, posting.asset.pk, Purpose.TRANSIT, TRADING_POOL)


def _account_id(posting: Planned) -> int:
    return ledger.get_account_id(posting.owner_id, posting.asset.pk, posting.purpose, posting.pool)


approvals.register(approvals.Kind(name=PROPOSAL_KIND, permission=PERMISSION, effect=_take_effect))
