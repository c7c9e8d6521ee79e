"""Two officers book by hand: what the templates allow, once, and never more than is there."""

import pytest
from django.db import connection, transaction

from accounts import approvals
from accounts.models import Proposal, User
from custody import ledger, pool_transfers
from custody.engine_entries import engine_entry
from custody.entry_kinds import EntryKind
from custody.ledger_purposes import CONTRA_PURPOSES, AssetKind
from custody.models import JournalEntry, PoolTransfer, Redemption
from custody.models.house_entries import list_house_entries
from custody.operations import house_entries
from custody.operations.house_entries import (
    DocumentBooked,
    HouseEntryNotCovered,
    NotReversible,
    TemplateDoesNotFit,
    propose_entry,
)
from custody.operations.house_templates import TEMPLATES
from custody.pages import get_holding
from kernel.money import MalformedAmount
from kernel.refusals import Forbidden
from tests.bookkeepers import Office
from tests.ledger_stories import NOON, POOL, Books

DOLLAR = 10**6


@pytest.fixture
def office(db: None) -> Office:
    return Office()


def test_capital_is_paid_in_put_to_work_and_taken_out(office: Office) -> None:
    office.book(EntryKind.CAPITAL_PAID_IN, "1000 USD")
    assert office.books["equity USD"] == "1000"
    assert office.books["custodian_cash USD"] == "-1000"

    office.book(EntryKind.CAPITAL_ASSIGNED, "600 USD")
    office.book(EntryKind.CAPITAL_WITHDRAWN, "400 USD")

    assert office.books["prefunding USD"] == "600"
    assert office.books["equity USD"] == "0"
    assert office.books["custodian_cash USD"] == "-600"


def test_nothing_is_booked_before_the_second_officer_and_then_once(office: Office) -> None:
    proposal = office.propose(EntryKind.CAPITAL_PAID_IN, "10 USD")
    with pytest.raises(approvals.SameOfficer):
        approvals.confirm(
            proposal_id=proposal.id, checker=office.maker, body_hash=proposal.body_hash, now=NOON
        )
    assert office.books["equity USD"] == "0"

    office.confirm(proposal)
    with pytest.raises(approvals.ProposalDecided):
        office.confirm(proposal)

    assert office.books["equity USD"] == "10"
    row = list_house_entries().get()
    assert row.entry_id == JournalEntry.objects.get().pk
    assert row.reversal_id is None


def test_a_rejected_entry_books_nothing_and_may_be_proposed_again(office: Office) -> None:
    proposal = office.propose(EntryKind.CAPITAL_PAID_IN, "10 USD")

    approvals.reject(
        proposal_id=proposal.id,
        checker=office.checker,
        body_hash=proposal.body_hash,
        reason="no such wire",
        now=NOON,
    )

    assert not JournalEntry.objects.exists()
    assert office.propose(EntryKind.CAPITAL_PAID_IN, "10 USD").state == "proposed"


def test_what_is_not_covered_is_refused_and_the_proposal_stays_open(office: Office) -> None:
    proposal = office.propose(EntryKind.FEES_CLOSED, "5 USDC")

    with pytest.raises(HouseEntryNotCovered):
        office.confirm(proposal)
    assert Proposal.objects.get().state == "proposed"
    assert not JournalEntry.objects.exists()
    fees = ledger.get_account_id(None, office.books.assets["USDC"].pk, "fees", 0)
    main = office.books.account_id("alice main USDC")
    office.books.give("alice main USDC", "5")
    fee = (ledger.Line(main, -5_000_000), ledger.Line(fees, 5_000_000))
    ledger.post([ledger.Entry("given", "a fee", "", fee)], NOON)
    office.confirm(proposal)

    assert office.books["result USDC"] == "5"


def test_a_document_is_booked_once_until_it_is_reversed(office: Office) -> None:
    first = office.propose(EntryKind.CAPITAL_PAID_IN, "10 USD")
    with pytest.raises(approvals.AlreadyProposed):
        office.propose(EntryKind.CAPITAL_PAID_IN, "10 USD")
    office.confirm(first)
    with pytest.raises(DocumentBooked):
        office.propose(EntryKind.CAPITAL_PAID_IN, "10 USD")
    office.book(EntryKind.CAPITAL_PAID_IN, "10 USD", document="statement 8")

    office.reverse(JournalEntry.objects.get(key=f"house_entry:{first.id}").pk)
    office.book(EntryKind.CAPITAL_PAID_IN, "11 USD")

    assert office.books["equity USD"] == "21"


def test_a_document_proposed_while_it_was_being_booked_is_not_booked_again(
    office: Office,
) -> None:
    first = office.propose(EntryKind.CAPITAL_PAID_IN, "10 USD")
    office.confirm(first)
    # Its maker's look at what is booked came a moment before the confirmation.
    second = approvals.propose(
        kind=first.kind, subject=first.subject, body=first.body, reason="too", now=NOON,
        maker=office.maker,
    )  # fmt: skip

    with pytest.raises(DocumentBooked):
        office.confirm(second)

    assert office.books["equity USD"] == "10"


def test_a_loss_is_booked_and_covered_by_capital(office: Office) -> None:
    office.books.give("treasury USDC", "100")
    office.book(EntryKind.LOSS_BOOKED, "30 USDC")
    assert office.books["result USDC"] == "-30"
    assert office.books["chain USDC"] == "-70"

    office.book(EntryKind.CAPITAL_PAID_IN, "30 USDC")
    office.book(EntryKind.LOSS_COVERED, "30 USDC")

    assert office.books["result USDC"] == "0"
    assert office.books["treasury USDC"] == "70"


def test_a_dividend_is_received_taxed_and_paid_in_usdc(office: Office) -> None:
    office.books.give("treasury USDC", "100")
    office.book(EntryKind.DIVIDEND_RECEIVED, "100 USD")
    office.book(EntryKind.TAX_WITHHELD, "30 USD")
    office.book(EntryKind.TAX_REMITTED, "30 USD")
    office.book(EntryKind.DIVIDEND_PAID, "20 USD", "alice")
    office.book(EntryKind.DIVIDEND_REINVESTED, "50 USD")

    assert office.books["dividends_payable USD"] == office.books["withholding_tax_payable USD"]
    assert office.books["dividends_payable USD"] == "0"
    assert office.books["prefunding USD"] == "70"
    assert office.books["custodian_cash USD"] == "-70"
    assert office.books["treasury USDC"] == "80"
    # Hers, and on its way to where she trades.
    transfer = PoolTransfer.objects.get(investor=office.books.investors["alice"])
    assert (transfer.direction, transfer.units, transfer.state) == ("in", 20_000_000, "requested")


def answer(books: Books, transfer: PoolTransfer, state: str) -> None:
    """What the engine of the pool does with a request to take units out."""
    if state == "done":
        entry = engine_entry(
            transfer_id=transfer.id,
            direction=transfer.direction,
            units=transfer.units,
            trading_id=books.account_id("alice trading USDC"),
            transit_id=books.account_id("transit USDC"),
        )
        with transaction.atomic(), connection.cursor() as cursor:
            ledger.claim_pool(cursor, POOL)
            ledger.write_entries(cursor, [entry], NOON)
            cursor.execute("SELECT set_config('bourse.pool', '', true)")
    PoolTransfer.objects.filter(id=transfer.id).update(state=state, done_batch=1)


def test_a_pledge_comes_out_of_trading_and_goes_back(office: Office) -> None:
    office.books.give_to_trade("alice trading USDC", "50")
    proposal = office.propose(EntryKind.PLEDGE_PLACED, "20 USDC", "alice")
    office.confirm(proposal)
    assert office.books["alice pledged USDC"] == "0"
    with pytest.raises(DocumentBooked):
        office.propose(EntryKind.PLEDGE_PLACED, "20 USDC", "alice")
    assert house_entries.sweep_house_entries(now=NOON) == 0

    answer(office.books, PoolTransfer.objects.get(), "done")
    assert pool_transfers.sweep_out(now=NOON) == 1
    assert house_entries.sweep_house_entries(now=NOON) == 1
    assert house_entries.sweep_house_entries(now=NOON) == 0

    assert office.books["alice pledged USDC"] == "20"
    assert office.books["alice trading USDC"] == "30"
    holding = get_holding(
        investor_id=office.books.investors["alice"].pk, asset=office.books.assets["USDC"]
    )
    assert (holding.total_units, holding.available_units) == (50 * DOLLAR, 30 * DOLLAR)
    assert holding.pledged_units == 20 * DOLLAR
    office.book(EntryKind.PLEDGE_RELEASED, "20 USDC", "alice")
    assert office.books["alice pledged USDC"] == office.books["alice main USDC"] == "0"
    assert PoolTransfer.objects.filter(direction="in", units=20_000_000).exists()


def test_a_pledge_that_is_reversed_goes_back_to_trading(office: Office) -> None:
    office.books.give("alice main USDC", "20")
    placed = office.book(EntryKind.PLEDGE_PLACED, "20 USDC", "alice")

    office.reverse(placed)

    assert office.books["alice pledged USDC"] == office.books["alice main USDC"] == "0"
    transfer = PoolTransfer.objects.get()
    assert (transfer.direction, transfer.units, transfer.state) == ("in", 20_000_000, "requested")


def waiting_to_be_redeemed(office: Office, tokens: str) -> Redemption:
    """Tokens of alice that came out of trading for a redemption, which waits (for a halt)."""
    books = office.books
    token, units = books.assets["AAPLx"], books.units("x AAPLx", tokens)
    books.give("alice main AAPLx", tokens)
    transfer = PoolTransfer.objects.create(
        investor=books.investors["alice"], asset=token, pool=POOL, direction="out", units=units,
        purpose="redemption", key="redemption:1", state="done", done_batch=1, requested_at=NOON,
        swept_at=NOON,
    )  # fmt: skip
    return Redemption.objects.create(
        investor=books.investors["alice"], asset=token, share_asset=books.assets["AAPL"],
        units=units, share_units=1, idempotency_key="1", body_hash=b"1", fee_e6=0,
        requested_at=NOON, transfer_out=transfer,
    )  # fmt: skip


def test_what_waits_to_be_redeemed_is_not_pledged(office: Office) -> None:
    waiting_to_be_redeemed(office, "3")

    office.confirm(office.propose(EntryKind.PLEDGE_PLACED, "3 AAPLx", "alice"))

    # The engine is asked for others.
    assert PoolTransfer.objects.filter(state="requested", direction="out").count() == 1
    assert office.books["alice main AAPLx"] == "3"


def test_what_waits_to_be_redeemed_is_not_taken_back_by_a_reversal(office: Office) -> None:
    books = office.books
    books.give("bob main AAPLx", "3")
    books.book("sold", {"bob main AAPLx": "-3", "inventory AAPLx": "+3"})
    sale = books.book("inventory sold", {"inventory AAPLx": "-3", "alice main AAPLx": "+3"})
    books.book("sold", {"alice main AAPLx": "-3", "bob main AAPLx": "+3"})
    waiting_to_be_redeemed(office, "3")

    with pytest.raises(HouseEntryNotCovered):
        office.reverse(sale)

    assert books["alice main AAPLx"] == "3"


def test_a_pledge_that_the_engine_refuses_is_never_booked(office: Office) -> None:
    proposal = office.propose(EntryKind.PLEDGE_PLACED, "20 USDC", "alice")
    office.confirm(proposal)

    answer(office.books, PoolTransfer.objects.get(), "refused")
    pool_transfers.sweep_out(now=NOON)

    assert house_entries.sweep_house_entries(now=NOON) == 0
    assert list_house_entries().get().entry_id is None
    assert office.propose(EntryKind.PLEDGE_PLACED, "20 USDC", "alice").state == "proposed"


def test_a_wrong_entry_is_reversed_by_one_that_names_it_once(office: Office) -> None:
    wrong = office.books.book("deposit", {"chain USDC": "-10", "bob main USDC": "+10"})

    office.reverse(wrong)

    reversal = JournalEntry.objects.get(reverses_id=wrong)
    assert reversal.kind == "reversal of deposit"
    assert office.books["bob main USDC"] == "0"
    for entry_id in (wrong, reversal.pk):
        with pytest.raises(NotReversible):
            office.reverse(entry_id)


def test_a_step_of_a_process_is_not_reversed_by_hand(office: Office) -> None:
    office.books.give("treasury USDC", "10")
    step = office.books.book("redemption paid", {"treasury USDC": "-1", "alice main USDC": "+1"})

    with pytest.raises(NotReversible):
        office.reverse(step)


def test_a_reversal_that_is_not_covered_stays_open(office: Office) -> None:
    wrong = office.books.book("deposit", {"chain USDC": "-10", "bob main USDC": "+10"})
    office.books.book("spent", {"bob main USDC": "-10", "treasury USDC": "+10"})

    with pytest.raises(HouseEntryNotCovered):
        office.reverse(wrong)

    assert Proposal.objects.get().state == "proposed"


@pytest.mark.parametrize(
    ("kind", "amount", "investor", "document"),
    [
        (EntryKind.CAPITAL_PAID_IN, "1 AAPLx", "", "a"),
        (EntryKind.CAPITAL_PAID_IN, "1 USD", "alice", "a"),
        (EntryKind.PLEDGE_PLACED, "1 USDC", "", "a"),
        (EntryKind.CAPITAL_PAID_IN, "1 USD", "", " "),
        (EntryKind.CAPITAL_PAID_IN, "1 USD", "", "x" * 101),
    ],
)
def test_a_template_wants_its_asset_investor_and_document(
    office: Office, kind: EntryKind, amount: str, investor: str, document: str
) -> None:
    with pytest.raises(TemplateDoesNotFit):
        office.propose(kind, amount, investor, document=document)
    with pytest.raises(MalformedAmount):
        office.propose(EntryKind.CAPITAL_PAID_IN, "0 USD")


def test_only_bookkeepers_propose_and_confirm(office: Office) -> None:
    clerk = User.objects.create_user(email="clerk@example.com", is_staff=True)
    draft = office.draft(EntryKind.CAPITAL_PAID_IN, "1 USD")
    with pytest.raises(Forbidden):
        propose_entry(draft=draft, maker=clerk, reason="why not", now=NOON)
    proposal = office.propose(EntryKind.CAPITAL_PAID_IN, "1 USD")

    with pytest.raises(Forbidden):
        approvals.confirm(
            proposal_id=proposal.id, checker=clerk, body_hash=proposal.body_hash, now=NOON
        )


def test_no_template_touches_what_others_keep() -> None:
    """Trading belongs to the engine, backing and redemptions to their operations."""
    kept = {"trading", "redemption", "withdrawal", "transit", "inventory", "shares_backing"}
    for template in TEMPLATES.values():
        assert not template.purposes & kept
        for kind, moves in template.moves.items():
            assert all(move.source != move.target for move in moves)
            outside = {move.source for move in moves if not move.asset_code} & CONTRA_PURPOSES - {
                "chain",
                "custodian_cash",
                "custodian_settled",
            }
            assert not outside, (template.kind, AssetKind(kind))
