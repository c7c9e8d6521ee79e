"""Settled shares are not held for ever for a mint that nobody decides on."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction

from accounts import approvals
from accounts.models import Proposal
from custody import operations
from custody.models import MintRequest
from custody.operations.issuance import MintNotReady
from tests.custody_stories import House


def test_a_mint_that_nobody_decides_on_expires_and_frees_its_shares(house: House) -> None:
    house.receive_shares(10)
    mint = house.bring_to_approval(house.start_mint(10, use_free_shares=True))
    assert mint.proposal is not None
    assert mint.shares_settled_at is not None

    def sweep(after: timedelta) -> None:
        assert mint.shares_settled_at is not None
        now = mint.shares_settled_at + after
        operations.sweep_mints(chain=house.chain, keys=house.keys, now=now)

    sweep(timedelta(days=7, seconds=-1))
    assert house.state_of(mint.id) == "awaiting_approval"
    sweep(timedelta(days=7))
    sweep(timedelta(days=8))

    expired = MintRequest.objects.select_related("proposal").get(id=mint.id)
    assert (expired.state, expired.held_units) == ("failed", 0)
    assert expired.failure == "Nobody decided within 7 days."
    assert expired.proposal is not None
    assert (expired.proposal.state, expired.proposal.checker) == ("expired", None)
    assert house.books.row("shares_free AAPL").held_units == 0
    with pytest.raises(MintNotReady):
        house.approve(mint)
    with pytest.raises(approvals.ProposalDecided):
        approvals.confirm(
            proposal_id=mint.proposal.id,
            checker=house.checker,
            body_hash=mint.proposal.body_hash,
            now=house.now,
        )
    with pytest.raises(DatabaseError, match="Invalid transition"), transaction.atomic():
        Proposal.objects.filter(id=mint.proposal.id).update(state="approved", checker=house.checker)
    assert house.bring_to_approval(house.start_mint(10, use_free_shares=True))


def test_a_mint_that_cannot_even_be_proposed_expires_too(house: House) -> None:
    house.receive_shares(10)
    mint = house.start_mint(10, use_free_shares=True)
    house.maker.user_permissions.clear()
    house.sweep()
    assert house.state_of(mint.id) == "shares_settled"

    later = house.now + timedelta(days=7)
    operations.sweep_mints(chain=house.chain, keys=house.keys, now=later)

    assert house.state_of(mint.id) == "failed"
    assert house.books.row("shares_free AAPL").held_units == 0
