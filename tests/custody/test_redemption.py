"""Tokens in, the cash of a sale at the next session out, against real parties."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from django.db import IntegrityError, connection, transaction
from solders.pubkey import Pubkey

from custody import ledger, operations
from custody.gateways import token2022
from custody.models import Asset, ChainTransaction, CustodianOrder, PoolTransfer, Redemption
from custody.operations.redemption import (
    IdempotencyKeyReused,
    NotRedeemable,
    RedemptionTooSmall,
)
from custody.queries import reserves
from custody.verification.transfer_checks import escrow_is_of_redemptions
from kernel.refusals import Forbidden
from tests.custody_stories import SHARE, TOKEN, House, allow_to_sell


def differences_of_escrow() -> list[str]:
    with connection.cursor() as cursor:
        return [str(found) for found in escrow_is_of_redemptions(cursor)]


def minted(house: House, tokens: int = 10) -> House:
    """A house with minted tokens at alice's, and USDC to pay with."""
    house.prefund(usdc="100000")
    house.receive_shares(tokens)
    mint = house.bring_to_approval(house.start_mint(tokens, use_free_shares=True))
    house.approve(mint)
    house.sweep_until(lambda: house.state_of(mint.id) == "minted")
    house.give_tokens("alice", tokens)
    return house


def state(redemption: Redemption) -> str:
    return Redemption.objects.get(id=redemption.id).state


def test_a_redemption_sells_at_the_next_session_burns_and_pays(house: House) -> None:
    minted(house)
    house.clock.to_closed_market()
    asked_at = house.now

    redemption = house.redeem("alice", 5 * TOKEN)
    house.sweep_until(lambda: state(redemption) == "submitted")
    assert house.books["alice trading AAPLx"] == "5"
    assert house.books["alice redemption AAPLx"] == "5"
    assert differences_of_escrow() == []
    Redemption.objects.filter(id=redemption.id).update(units=4 * TOKEN)
    assert len(differences_of_escrow()) == 1
    Redemption.objects.filter(id=redemption.id).update(units=5 * TOKEN)
    house.sweep()
    assert state(redemption) == "submitted"  # the market is closed: no price yet

    house.clock.to_next_session()
    house.sweep_until(lambda: state(redemption) == "paid")
    house.sweep()

    done = Redemption.objects.select_related("order").get(id=redemption.id)
    assert done.order is not None
    assert done.order.filled_at is not None
    assert done.order.filled_at > asked_at
    assert done.gross_units == done.order.cash_micros
    assert done.fee_units == -(-(done.gross_units or 0) * done.fee_e6 // 1_000_000)
    assert house.books.row("alice trading USDC").posted_units == done.paid_units
    assert house.books.row("fees USDC").pool == 1 or done.fee_units
    assert house.books["alice redemption AAPLx"] == "0"
    assert house.books["shares_backing AAPL"] == "5"
    assert house.chain.supply(Asset.objects.get(code="AAPLx").mint_address)[1] == 5 * TOKEN
    connection.check_constraints()
    stages: list[datetime | None] = [
        done.requested_at,
        done.held_at,
        done.submitted_at,
        done.sold_at,
        done.burned_at,
        done.paid_at,
    ]
    times = [at for at in stages if at is not None]
    assert len(times) == len(stages)
    # The custodian writes whole seconds.
    assert all(b - a > timedelta(seconds=-2) for a, b in pairwise(times))


def test_a_second_click_redeems_once(house: House) -> None:
    minted(house)

    first = house.redeem("alice", 5 * TOKEN, key="click")
    second = house.redeem("alice", 5 * TOKEN, key="click")

    assert first.id == second.id
    assert PoolTransfer.objects.filter(purpose="redemption").count() == 1
    with pytest.raises(IdempotencyKeyReused):
        house.redeem("alice", 4 * TOKEN, key="click")


def test_more_than_is_there_cannot_be_redeemed(house: House) -> None:
    minted(house)

    with pytest.raises(ledger.InsufficientUnits):
        house.redeem("alice", 11 * TOKEN)
    with pytest.raises(RedemptionTooSmall):
        house.redeem("alice", 1)

    assert not Redemption.objects.exists()


def test_cash_is_not_redeemable_and_the_frozen_cannot_leave(house: House) -> None:
    minted(house)
    alice = house.books.investors["alice"]
    with pytest.raises(NotRedeemable):
        operations.request_redemption(
            investor_id=alice.pk,
            asset_id=house.asset_id("USDC"),
            units=TOKEN,
            idempotency_key="cash",
            now=house.now,
        )

    allow_to_sell(alice, may_sell=False)

    with pytest.raises(Forbidden):
        house.redeem("alice", TOKEN)


def test_a_sale_that_the_custodian_rejects_gives_the_units_back(house: House) -> None:
    minted(house)
    house.clock.to_closed_market()
    house.broker.post("/sandbox/custodian/faults", {"reject": 1})

    redemption = house.redeem("alice", 5 * TOKEN)
    house.sweep_until(lambda: state(redemption) == "refused")
    house.sweep()

    assert house.books["alice trading AAPLx"] == "10"
    assert house.books["alice redemption AAPLx"] == "0"
    assert house.books["shares_backing AAPL"] == "10"
    assert Redemption.objects.get(id=redemption.id).reason


def test_a_transfer_that_the_engine_refuses_ends_the_redemption(house: House) -> None:
    minted(house)
    redemption = house.redeem("alice", 5 * TOKEN)
    PoolTransfer.objects.filter(purpose="redemption").update(
        state="refused", reason="in open orders", done_batch=7
    )

    house.sweep()

    refused = Redemption.objects.get(id=redemption.id)
    assert (refused.state, refused.reason) == ("refused", "in open orders")
    assert not CustodianOrder.objects.exists()


def test_an_empty_treasury_delays_the_payment_and_loses_nothing(house: House) -> None:
    house.receive_shares(10)
    mint = house.bring_to_approval(house.start_mint(10, use_free_shares=True))
    house.approve(mint)
    house.sweep_until(lambda: house.state_of(mint.id) == "minted")
    house.give_tokens("alice", 10)
    redemption = house.redeem("alice", 5 * TOKEN)
    house.clock.to_next_session()
    house.sweep_until(lambda: state(redemption) == "sold")
    house.clock.advance(minutes=1)
    house.sweep_until(lambda: state(redemption) == "burned")
    house.sweep()
    assert state(redemption) == "burned"

    house.faucet(house.address_of(None).address, "100000")
    house.sweep_until(lambda: state(redemption) == "paid")

    paid = Redemption.objects.get(id=redemption.id).paid_units
    house.sweep()
    assert house.books.row("alice trading USDC").posted_units == paid


def test_kill_9_of_chain_and_custodian_in_the_middle_pays_once(house: House) -> None:
    minted(house)
    house.clock.to_closed_market()
    redemption = house.redeem("alice", 5 * TOKEN)
    house.sweep_until(lambda: state(redemption) == "submitted")
    house.broker.kill()
    house.broker.start()
    house.clock.to_next_session()
    house.sweep_until(lambda: state(redemption) == "sold")
    house.sweep()
    house.node.kill()
    house.node.start()

    house.sweep_until(lambda: state(redemption) == "paid")
    for _ in range(3):
        house.sweep()

    paid = Redemption.objects.get(id=redemption.id).paid_units
    assert house.books.row("alice trading USDC").posted_units == paid
    assert house.chain.supply(Asset.objects.get(code="AAPLx").mint_address)[1] == 5 * TOKEN


def test_the_database_refuses_a_payment_that_does_not_add_up(house: House) -> None:
    minted(house)
    redemption = house.redeem("alice", 5 * TOKEN)

    with pytest.raises(IntegrityError, match="paid_redemptions_add_up"), transaction.atomic():
        Redemption.objects.filter(id=redemption.id).update(
            state="paid",
            gross_units=10,
            fee_units=1,
            paid_units=10,
            paid_at=house.now,
            burned_at=house.now,
        )


def test_a_sale_that_ended_in_part_is_paid_pro_rata_and_the_rest_returns(house: House) -> None:
    minted(house)
    house.broker.post("/sandbox/custodian/faults", {"part": 1})
    redemption = house.redeem("alice", 5 * TOKEN)
    house.clock.to_next_session()

    house.sweep_until(lambda: state(redemption) == "paid")
    house.sweep()

    done = Redemption.objects.select_related("order").get(id=redemption.id)
    assert done.order is not None
    assert (done.order.state, done.order.filled_units) == ("filled", 2 * SHARE)
    assert done.sold_units == 2 * TOKEN
    assert "3 AAPLx went back" in done.reason
    assert done.gross_units == done.order.cash_micros
    assert house.books["alice trading AAPLx"] == "8"
    assert house.books["alice redemption AAPLx"] == "0"
    assert house.books["shares_backing AAPL"] == "8"
    assert house.books["custodian_settled AAPL"] == "-8"
    assert house.books.row("alice trading USDC").posted_units == done.paid_units
    assert house.chain.supply(Asset.objects.get(code="AAPLx").mint_address)[1] == 8 * TOKEN
    (found,) = reserves(chain=house.chain, custodian=house.custodian, now=house.now)
    assert found.verdict == "covered", found.findings
    connection.check_constraints()


def test_tokens_for_a_part_are_rounded_up_so_that_the_rest_stays_covered(house: House) -> None:
    minted(house)
    Asset.objects.filter(code="AAPLx").update(multiplier_e18=10**18 * 7 // 9)
    house.broker.post("/sandbox/custodian/faults", {"part": 1})
    redemption = house.redeem("alice", 333_333_331)
    house.clock.to_next_session()

    house.sweep_until(lambda: state(redemption) == "paid")

    done = Redemption.objects.select_related("order").get(id=redemption.id)
    assert done.order is not None
    assert done.share_units == 333_333_331 * 10 * (10**18 * 7 // 9) // 10**18
    assert done.order.filled_units == done.share_units * 40 // 100
    assert done.sold_units == -(-333_333_331 * done.order.filled_units // done.share_units)
    left = 10 * TOKEN - done.sold_units
    needed = -(-left * 10 * (10**18 * 7 // 9) // 10**18)
    backing = house.books.row("shares_backing AAPL").posted_units
    dust = house.books.row("dust AAPL").posted_units
    assert 0 < dust <= 10  # a base unit of the token stands for less than ten of the share
    assert backing + dust + done.order.filled_units == 10 * SHARE
    assert backing >= needed
    (found,) = reserves(chain=house.chain, custodian=house.custodian, now=house.now)
    assert found.verdict == "covered", found.findings
    connection.check_constraints()  # tokens_are_backed among them


def test_who_is_frozen_before_the_units_are_held_keeps_them(house: House) -> None:
    minted(house)
    redemption = house.redeem("alice", 5 * TOKEN)
    allow_to_sell(house.books.investors["alice"], may_sell=False)

    house.sweep_until(lambda: state(redemption) == "refused")
    house.sweep()

    assert not CustodianOrder.objects.exists()
    assert house.books["alice trading AAPLx"] == "10"
    assert house.books["alice main AAPLx"] == "0"


def test_the_multiplier_at_the_hold_decides_how_many_shares_are_sold(house: House) -> None:
    minted(house)
    house.clock.to_closed_market()
    redemption = house.redeem("alice", 4 * TOKEN)
    Asset.objects.filter(code="AAPLx").update(multiplier_e18=10**18 // 2)

    house.sweep_until(lambda: state(redemption) == "submitted")

    done = Redemption.objects.select_related("order").get(id=redemption.id)
    assert done.order is not None
    assert done.share_units == done.order.units == 2 * SHARE


def test_a_burn_that_the_chain_fails_is_tried_again_after_a_while(house: House) -> None:
    minted(house)
    mint = Pubkey.from_string(Asset.objects.get(code="AAPLx").mint_address)
    redemption = house.redeem("alice", 5 * TOKEN)
    house.clock.to_next_session()
    house.sweep_until(lambda: state(redemption) == "submitted")
    house.on_chain(
        token2022.pause(mint, house.keys.compliance.pubkey()), signer=house.keys.compliance
    )
    burns = ChainTransaction.objects.filter(kind="burn")
    house.clock.advance(seconds=5)

    house.sweep_until(lambda: burns.filter(state="failed").exists())
    attempts = burns.count()
    for _ in range(5):
        house.sweep()

    assert burns.count() == attempts == 1
    assert "Failed on the chain" in Redemption.objects.get(id=redemption.id).problem
    assert differences_of_escrow() == []
    house.on_chain(
        token2022.resume(mint, house.keys.compliance.pubkey()), signer=house.keys.compliance
    )
    house.clock.advance(minutes=1)
    house.sweep_until(lambda: state(redemption) == "paid")
    assert burns.count() == 2
    assert Redemption.objects.get(id=redemption.id).problem == ""


SIGN_BURN = """
INSERT INTO custody_chaintransaction (id, kind, key, attempt, signature, signed_bytes,
                                      last_valid_block_height, state, error, signed_at)
VALUES (gen_random_uuid(), 'burn', %s, 9, gen_random_uuid()::text, '', 0, 'signed', '', now())
"""


def test_no_burn_is_signed_that_no_sold_redemption_asks_for(house: House) -> None:
    minted(house)
    house.clock.to_closed_market()
    unsold = house.redeem("alice", 5 * TOKEN)
    house.sweep_until(lambda: state(unsold) == "submitted")

    for key in ("a thief", f"burn:{unsold.id}"):
        with (
            pytest.raises(IntegrityError, match="no redemption that is sold"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(SIGN_BURN, [key])
