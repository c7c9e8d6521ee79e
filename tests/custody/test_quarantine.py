"""What nobody can credit by a rule: two officers decide, and it happens once."""

import struct

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from solders.instruction import AccountMeta, Instruction
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from accounts import approvals
from accounts.models import Proposal, User
from custody import operations
from custody.gateways.token2022 import TOKEN
from custody.models import Deposit
from custody.operations.quarantine import NotInQuarantine, ReturnNotFinal
from tests.custody_stories import DOLLAR, USDC_MINT, House, verify


def quarantined(house: House, usdc: str = "70") -> Deposit:
    """Alice's deposit, of which the final block says another amount than the first look."""
    verify(house.books.investors["alice"])
    house.faucet(house.address_of("alice").address, usdc)
    while not Deposit.objects.exists():
        operations.watch_deposits(chain=house.chain, now=house.now)
    Deposit.objects.update(units=90 * DOLLAR)
    house.sweep_until(lambda: Deposit.objects.get().state == "quarantined")
    return Deposit.objects.get()


def propose_credit(house: House, deposit: Deposit, units: int) -> Proposal:
    return operations.propose_credit(
        deposit_id=deposit.id, units=units, maker=house.maker, reason="70 arrived", now=house.now
    )


def confirm(house: House, proposal: Proposal) -> None:
    approvals.confirm(
        proposal_id=proposal.id,
        checker=house.checker,
        body_hash=proposal.body_hash,
        now=house.now,
    )


def send_back(house: House, units: int) -> str:
    """Out of alice's deposit wallet; the signature, once it is final."""
    address, back = house.address_of("alice"), house.address_of(None)
    house.faucet(back.address, "1")
    wallet = house.keys.deposit_wallet(house.books.investors["alice"].pk)
    metas = [
        AccountMeta(Pubkey.from_string(address.token_account), False, True),
        AccountMeta(Pubkey.from_string(USDC_MINT), False, False),
        AccountMeta(Pubkey.from_string(back.token_account), False, True),
        AccountMeta(wallet.pubkey(), True, False),
    ]
    move = Instruction(TOKEN, struct.pack("<BQB", 12, units, 6), metas)
    blockhash = house.chain.latest_blockhash().blockhash
    message = MessageV0.try_compile(house.keys.payer.pubkey(), [move], [], blockhash)
    signed = VersionedTransaction(message, [house.keys.payer, wallet])
    house.chain.send(bytes(signed))
    signature = str(signed.signatures[0])
    house.sweep_until(
        lambda: house.chain.change_of(signature, address.token_account, USDC_MINT) == -units
    )
    return signature


def test_two_officers_credit_what_really_arrived_once(house: House) -> None:
    deposit = quarantined(house)
    assert house.books["alice main USDC"] == "0"
    proposal = propose_credit(house, deposit, 70 * DOLLAR)
    with pytest.raises(approvals.AlreadyProposed):
        propose_credit(house, deposit, 90 * DOLLAR)
    with pytest.raises(approvals.SameOfficer):
        approvals.confirm(
            proposal_id=proposal.id,
            checker=house.maker,
            body_hash=proposal.body_hash,
            now=house.now,
        )
    assert Deposit.objects.get().state == "quarantined"

    confirm(house, proposal)
    for _ in range(3):
        house.sweep()

    done = Deposit.objects.get()
    assert (done.state, done.units) == ("credited", 70 * DOLLAR)
    assert house.books["alice trading USDC"] == "70"
    assert house.books["chain USDC"] == "-70"
    with pytest.raises(approvals.ProposalDecided):
        confirm(house, proposal)
    with pytest.raises(NotInQuarantine):
        propose_credit(house, deposit, 70 * DOLLAR)


def test_a_refused_proposal_leaves_the_deposit_where_it_is(house: House) -> None:
    deposit = quarantined(house)
    proposal = propose_credit(house, deposit, 90 * DOLLAR)

    approvals.reject(
        proposal_id=proposal.id,
        checker=house.checker,
        body_hash=proposal.body_hash,
        reason="only 70 arrived",
        now=house.now,
    )

    assert Deposit.objects.get().state == "quarantined"
    assert propose_credit(house, deposit, 70 * DOLLAR).state == "proposed"


def test_a_return_needs_a_final_transaction_that_took_it_out(house: House) -> None:
    deposit = quarantined(house, "100")

    def propose(signature: str) -> Proposal:
        return operations.propose_return(
            deposit_id=deposit.id,
            return_signature=signature,
            maker=house.maker,
            reason="the sender asked for it",
            chain=house.chain,
            now=house.now,
        )

    for wrong in ("", "no signature", deposit.signature):
        with pytest.raises(ReturnNotFinal):
            propose(wrong)
    signature = send_back(house, 90 * DOLLAR)

    confirm(house, propose(signature))
    house.sweep()

    done = Deposit.objects.get(id=deposit.id)
    assert (done.state, done.return_signature) == ("returned", signature)
    assert house.books["alice main USDC"] == house.books["alice trading USDC"] == "0"
    with pytest.raises(NotInQuarantine):
        propose_credit(house, deposit, 90 * DOLLAR)


def test_the_database_wants_to_know_how_it_was_returned(house: House) -> None:
    quarantined(house)

    with pytest.raises(IntegrityError, match="returned_deposits_say_how"), transaction.atomic():
        Deposit.objects.update(state="returned", returned_at=house.now)


def login(officer: User) -> Client:
    for codename in ("view_deposit", "view_proposal"):
        officer.user_permissions.add(Permission.objects.get(codename=codename))
    client = Client()
    client.force_login(officer, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_officers_decide_in_the_back_office(house: House) -> None:
    deposit = quarantined(house)
    maker, checker = login(house.maker), login(house.checker)
    page = reverse("admin:custody_deposit_change", args=[deposit.pk])
    assert "Propose to credit it" in maker.get(page).content.decode()

    for amount in ("7e1", "-1", "0", ""):
        maker.post(page, {"act": "propose_credit", "amount": amount, "reason": "found"})
    assert not Proposal.objects.exists()
    maker.post(page, {"act": "propose_credit", "amount": "70", "reason": "70 arrived"})
    proposal = Proposal.objects.get()
    shown = reverse("admin:accounts_proposal_change", args=[proposal.pk])
    assert "70 arrived" in checker.get(shown).content.decode()
    checker.post(shown, {"act": "confirm", "body_hash": proposal.body_hash})

    assert Deposit.objects.get().state == "credited"
    assert "Propose to credit it" not in maker.get(page).content.decode()
