"""What an open case halts, what it lets go on, and how two officers end it."""

import time
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from accounts import approvals
from accounts.models import Proposal, User
from custody import operations
from custody.gateways.chain import SolanaChain
from custody.halts import AssetHalted, list_halted_tokens
from custody.ledger_purposes import AssetKind
from custody.models import Asset, MintRequest, ReconciliationCase, Redemption
from custody.models.reconciliation import Comparison
from custody.reconciliation.cases import CaseClosed, StillDiffers, propose_close
from kernel.ids import uuid7
from reference.models import Instrument
from tests.custody_stories import DOLLAR, PATIENCE_SECONDS, TOKEN, House, make_officer
from tests.ledger_stories import NOON, Books
from tests.reconciliation_stories import (
    SECOND_LOOK,
    look,
    look_twice,
    matching_run,
    off,
    open_cases,
    opened_case,
)

SIGN = """
INSERT INTO custody_chaintransaction
    (id, kind, key, attempt, signature, signed_bytes, last_valid_block_height, state, error,
     signed_at)
VALUES (gen_random_uuid(), %s, %s, 9, gen_random_uuid()::text, '', 1, 'signed', '', now())
"""


def sign_by_hand(kind: str, key: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(SIGN, [kind, key])


def state_of(redemption: Redemption) -> tuple[str, str]:
    found = Redemption.objects.get(id=redemption.id)
    return found.state, found.problem


def confirm(proposal: Proposal, checker: User, now: Any) -> None:
    approvals.confirm(
        proposal_id=proposal.id, checker=checker, body_hash=proposal.body_hash, now=now
    )


def sell_and_sign_nothing(house: House, redemption: Redemption) -> None:
    """The shares are sold while the chain is silent."""
    with SolanaChain("http://127.0.0.1:1") as silent:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while state_of(redemption)[0] != "sold":
            assert time.monotonic() < deadline, "it was not sold in time"
            operations.sweep_orders(custodian=house.custodian, now=house.now)
            operations.sweep_redemptions(chain=silent, keys=house.keys, now=house.now)


@pytest.fixture
def busy(house: House) -> House:
    """Alice has ten tokens in the hot wallet; twenty more shares are free."""
    house.prefund(usdc="100000")
    house.receive_shares(30)
    mint = house.bring_to_approval(house.start_mint(10, use_free_shares=True))
    house.approve(mint)
    house.sweep_until(lambda: house.state_of(mint.id) == "minted")
    house.give_tokens("alice", 10)
    return house


def test_a_difference_halts_minting_and_redeeming_until_two_officers_close_it(
    busy: House,
) -> None:
    house = busy
    waiting = house.bring_to_approval(house.start_mint(5, use_free_shares=True))
    approved = house.bring_to_approval(house.start_mint(4, use_free_shares=True))
    sold = house.redeem("alice", 2 * TOKEN, "sold")
    house.sweep_until(lambda: state_of(sold)[0] == "held")
    house.clock.to_next_session()
    sell_and_sign_nothing(house, sold)
    asked = house.redeem("alice", TOKEN, "asked")
    house.approve(approved)
    house.custodian.wire_in(micros=DOLLAR, note="late")  # a wire that nobody booked
    assert off(look_twice(house)) == {"USD cash": "break"}

    # Nothing new begins.
    with pytest.raises(AssetHalted, match="AAPLx is halted"):
        house.start_mint(1, use_free_shares=True)
    with pytest.raises(AssetHalted):
        house.redeem("alice", TOKEN, "new")
    with pytest.raises(AssetHalted):
        house.approve(waiting)
    assert Proposal.objects.get(id=waiting.proposal_id).state == "proposed"
    assert house.redeem("alice", TOKEN, "asked").id == asked.id  # a repeat is answered
    # What is under way waits, and says why.
    for _ in range(3):
        house.sweep()
    assert house.state_of(approved.id) == "approved"
    assert "halted" in MintRequest.objects.get(id=approved.id).problem
    assert state_of(sold)[0] == "sold"
    assert "halted" in state_of(sold)[1]
    assert state_of(asked)[0] == "requested"
    assert "halted" in state_of(asked)[1]
    assert house.books["alice main AAPLx"] == "1"
    nobody_signs_past_the_operations(f"mint:{approved.id}", f"burn:{sold.id}")

    # Booked at last: both sides match, and it stays halted.
    operations.prefund_custodian(
        custodian=house.custodian, micros=DOLLAR, key="late", now=house.now
    )
    case = ReconciliationCase.objects.get()
    with pytest.raises(StillDiffers):
        propose_close(case_id=case.id, maker=house.maker, explanation="a wire", now=house.now)
    for looks in (2, 3, 4):
        assert off(look(house, at=house.now + looks * SECOND_LOOK)) == {}
    case.refresh_from_db()
    assert case.is_open
    assert case.matches_since is not None
    with pytest.raises(AssetHalted):
        house.redeem("alice", TOKEN, "new")

    proposal = propose_close(
        case_id=case.id, maker=house.maker, explanation="The wire was booked late.", now=house.now
    )
    with pytest.raises(approvals.SameOfficer):
        confirm(proposal, house.maker, house.now)
    assert open_cases() == ["USD cash"]
    confirm(proposal, house.checker, house.now)

    case.refresh_from_db()
    assert (case.state, case.explanation) == ("closed", "The wire was booked late.")
    house.sweep_until(lambda: state_of(sold) == ("paid", ""))
    house.sweep_until(lambda: house.state_of(approved.id) == "minted")
    house.sweep_until(lambda: state_of(asked)[0] in ("held", "submitted", "sold", "paid"))
    house.approve(waiting)
    with pytest.raises(CaseClosed):
        propose_close(case_id=case.id, maker=house.maker, explanation="again", now=house.now)


def nobody_signs_past_the_operations(mint: str, burn: str) -> None:
    for kind, key in [("mint", mint), ("burn", burn)]:
        with pytest.raises(IntegrityError, match="a difference is open"):
            sign_by_hand(kind, key)


def test_what_is_burned_is_paid_while_it_is_halted(busy: House) -> None:
    house = busy
    redemption = house.redeem("alice", 2 * TOKEN)
    house.sweep_until(lambda: state_of(redemption)[0] == "held")
    house.clock.to_next_session()
    house.sweep_until(lambda: Redemption.objects.get().chain_transaction_id is not None)
    opened_case(house.books.assets["AAPLx"], house.now, ledger=1, party=2)

    house.sweep_until(lambda: state_of(redemption)[0] == "paid")

    assert open_cases() == ["AAPLx supply"]


# --- which tokens ---------------------------------------------------------------


@pytest.fixture
def officers(db: None) -> tuple[User, User]:
    return make_officer("mia"), make_officer("chen")


@pytest.mark.parametrize(
    ("code", "halted"),
    [
        ("AAPLx", ["AAPLx"]),
        ("AAPL", ["AAPLx"]),
        ("MSFTx", ["MSFTx"]),
        ("USDC", ["AAPLx", "MSFTx"]),
        ("USD", ["AAPLx", "MSFTx"]),
    ],
)
def test_a_difference_halts_its_token_and_one_of_the_money_halts_all(
    db: None, code: str, halted: list[str]
) -> None:
    assets = Books().assets
    other = Instrument.objects.create(
        ticker="MSFT", name="Microsoft", kind="stock", exchange="XNAS", isin="US5949181045",
        isin_source="test", price_feed_id="1" * 64, price_source="simulated",
    )  # fmt: skip
    assets["MSFTx"] = Asset.objects.create(
        code="MSFTx", name="MSFTx", kind=AssetKind.TOKEN, decimals=8, instrument=other
    )
    opened_case(assets[code], NOON, ledger=1, party=2)

    assert list(list_halted_tokens().values_list("code", flat=True)) == halted
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT code FROM custody_asset WHERE kind = 'token'"
            " AND custody_token_is_halted(id) ORDER BY code"
        )
        assert [row[0] for row in cursor.fetchall()] == halted


# --- what the database demands --------------------------------------------------


def test_a_case_is_what_its_run_found(db: None) -> None:
    case = opened_case(Books().assets["AAPLx"], NOON, ledger=10, party=12)
    names = {"run": case.run, "asset": case.asset, "opened_at": NOON}

    with pytest.raises(IntegrityError, match="a case begins open"), transaction.atomic():
        ReconciliationCase.objects.create(
            what=Comparison.HOT_WALLET, ledger_units=1, party_units=2, difference_units=1,
            in_flight_low=0, in_flight_high=0, **names,
        )  # fmt: skip
    for column in ("party_units = 11", "id = gen_random_uuid()", "opened_at = now()"):
        with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
            connection.cursor().execute(f"UPDATE custody_reconciliationcase SET {column}")
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        connection.cursor().execute("DELETE FROM custody_reconciliationcase")


def test_nobody_closes_a_case_past_the_operations(officers: tuple[User, User]) -> None:
    maker, checker = officers
    case = opened_case(Books().assets["AAPLx"], NOON, ledger=10, party=12)
    matching_run(case, NOON)
    proposal = propose_close(case_id=case.id, maker=maker, explanation="counted twice", now=NOON)
    closed = {"state": "closed", "closed_at": NOON, "explanation": "x", "proposal": proposal}
    mine = ReconciliationCase.objects.filter(id=case.id)

    with pytest.raises(IntegrityError, match="second officer"), transaction.atomic():
        mine.update(**closed)
    other = approvals.propose(
        kind="other", subject=f"other:{uuid7()}", body={}, reason="x", maker=maker, now=NOON
    )
    approvals.approve(proposal_id=other.id, checker=checker, body_hash=other.body_hash, now=NOON)
    with pytest.raises(IntegrityError, match="second officer"), transaction.atomic():
        mine.update(**{**closed, "proposal": other})

    confirm(proposal, checker, NOON)
    with pytest.raises(IntegrityError, match="stays closed"), transaction.atomic():
        mine.update(state="open", closed_at=None, explanation="", proposal=None)


def test_a_confirmation_is_refused_when_the_figures_differ_again(
    officers: tuple[User, User],
) -> None:
    maker, checker = officers
    case = opened_case(Books().assets["AAPLx"], NOON, ledger=10, party=12)
    matching_run(case, NOON)
    proposal = propose_close(case_id=case.id, maker=maker, explanation="counted twice", now=NOON)
    ReconciliationCase.objects.update(matches_since=NOON)
    run = type(case.run).objects.create(kind="interval", as_of=NOON)
    run.figures.create(
        asset=case.asset, what=case.what, ledger_units=10, party_units=12, verdict="suspected"
    )

    with pytest.raises(StillDiffers):
        confirm(proposal, checker, NOON)

    assert open_cases() == ["AAPLx supply"]
    assert Proposal.objects.get().state == "proposed"
