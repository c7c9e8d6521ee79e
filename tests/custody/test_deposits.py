"""What arrives on the chain is credited once, when it is final."""

import pytest
from django.db import IntegrityError, transaction

from accounts.models import Investor, Restriction
from custody import operations
from custody.models import Deposit, DepositAddress
from custody.operations.deposits import DepositsNotOpen, NotDepositable
from kernel.refusals import Forbidden
from tests.custody_stories import House, verify


@pytest.fixture
def alice(house: House) -> Investor:
    verify(house.books.investors["alice"])
    return house.books.investors["alice"]


def test_a_deposit_is_seen_then_final_then_ready_to_trade(slow_house: House) -> None:
    house = slow_house
    verify(house.books.investors["alice"])
    signature = house.faucet(house.address_of("alice").address, "1000")

    house.sweep_until(lambda: Deposit.objects.filter(signature=signature).exists())
    assert Deposit.objects.get().state == "seen"
    assert house.books["alice main USDC"] == "0"
    house.clock.advance(seconds=10)
    house.sweep_until(lambda: house.books["alice trading USDC"] == "1000")

    deposit = Deposit.objects.get()
    assert (deposit.state, deposit.units) == ("credited", 1_000_000_000)
    assert deposit.sender not in ("", house.address_of("alice").address)
    assert house.books["chain USDC"] == "-1000"


def test_sweeping_again_and_again_credits_once(house: House, alice: Investor) -> None:
    house.faucet(house.address_of("alice").address, "1000")
    house.sweep_until(lambda: house.books["alice trading USDC"] == "1000")
    # As if the watcher had lost its place: it reads the whole history again.
    DepositAddress.objects.update(seen_units=0, seen_signature="")

    for _ in range(5):
        house.sweep()

    assert house.books["alice trading USDC"] == "1000"
    assert Deposit.objects.count() == 1


def test_each_of_many_deposits_counts(house: House, alice: Investor) -> None:
    address = house.address_of("alice").address
    for usdc in ("1", "2", "3"):
        house.faucet(address, usdc)
    house.sweep_until(lambda: house.books["alice trading USDC"] == "6")
    for usdc in ("4", "5"):
        house.faucet(address, usdc)

    house.sweep_until(lambda: house.books["alice trading USDC"] == "15")

    assert Deposit.objects.filter(state="credited").count() == 5


def test_addresses_of_two_investors_do_not_mix(house: House, alice: Investor) -> None:
    verify(house.books.investors["bob"])
    assert house.address_of("alice").address != house.address_of("bob").address
    house.faucet(house.address_of("bob").address, "7")

    house.sweep_until(lambda: house.books["bob trading USDC"] == "7")

    assert house.books["alice trading USDC"] == "0"


def test_a_deposit_in_an_abandoned_block_is_not_credited(slow_house: House) -> None:
    house = slow_house
    verify(house.books.investors["alice"])
    address = house.address_of("alice")
    house.faucet(address.address, "1000")
    house.sweep_until(lambda: Deposit.objects.filter(state="seen").exists())
    dropped = house.node.post("/sandbox/chain/rollback", {"slots": 60}).json()["dropped"]
    assert Deposit.objects.get().signature in dropped

    house.clock.advance(seconds=30)
    house.sweep_until(lambda: Deposit.objects.filter(state="vanished").exists())

    assert house.books["alice main USDC"] == "0"
    assert house.books["chain USDC"] == "0"


def test_a_deposit_that_lands_again_in_another_block_is_credited_once(slow_house: House) -> None:
    house = slow_house
    verify(house.books.investors["alice"])
    house.faucet(house.address_of("alice").address, "1000")
    house.sweep_until(lambda: Deposit.objects.filter(state="seen").exists())
    again = {"slots": 60, "requeue": True}
    dropped = house.node.post("/sandbox/chain/rollback", again).json()["dropped"]
    assert Deposit.objects.get().signature in dropped

    house.clock.advance(seconds=10)
    house.sweep_until(lambda: house.books["alice trading USDC"] == "1000")

    assert Deposit.objects.count() == 1


def test_what_reaches_the_hot_wallet_is_the_treasurys(house: House) -> None:
    house.faucet(house.address_of(None).address, "500")

    house.sweep_until(lambda: house.books["treasury USDC"] == "500")

    assert house.books["chain USDC"] == "-500"


def test_only_the_verified_get_an_address_and_only_for_stablecoins(house: House) -> None:
    bob = house.books.investors["bob"]
    with pytest.raises(DepositsNotOpen):
        house.address_of("bob")
    verify(bob)
    with pytest.raises(NotDepositable):
        operations.open_deposit_address(
            investor_id=bob.pk, asset_id=house.asset_id("AAPLx"), keys=house.keys, now=house.now
        )
    Restriction.objects.create(
        investor=bob, kind="freeze", reason_code="sanctions", imposed_at=house.now
    )
    with pytest.raises(Forbidden):
        house.address_of("bob")


def test_the_same_investor_keeps_her_address(house: House, alice: Investor) -> None:
    assert house.address_of("alice").pk == house.address_of("alice").pk


def test_the_database_refuses_a_second_credit(house: House, alice: Investor) -> None:
    house.faucet(house.address_of("alice").address, "1000")
    house.sweep_until(lambda: Deposit.objects.filter(state="credited").exists())
    first = Deposit.objects.get()

    with pytest.raises(IntegrityError, match="a_transfer_is_one_deposit"), transaction.atomic():
        Deposit.objects.create(
            address=first.address,
            signature=first.signature,
            instruction_index=first.instruction_index,
            inner_index=first.inner_index,
            units=first.units,
            slot=first.slot,
            seen_at=first.seen_at,
        )
    with pytest.raises(IntegrityError, match="credited_deposits"), transaction.atomic():
        Deposit.objects.filter(id=first.id).update(entry_id=None)


def test_a_deposit_that_a_node_forgot_wrongly_is_found_again(house: House, alice: Investor) -> None:
    signature = house.faucet(house.address_of("alice").address, "1000")
    while not Deposit.objects.exists():
        operations.watch_deposits(chain=house.chain, now=house.now)
    # A signature that no node knows, of a slot long past: as if the node had lost the block.
    Deposit.objects.update(signature="1" * 64, slot=0)
    house.clock.advance(seconds=30)

    house.sweep_until(lambda: house.books["alice trading USDC"] == "1000")

    states = dict(Deposit.objects.values_list("signature", "state"))
    assert states == {"1" * 64: "vanished", signature: "credited"}


def test_a_balance_that_no_known_deposit_explains_is_looked_at_again(
    house: House, alice: Investor
) -> None:
    address = house.address_of("alice")
    signature = house.faucet(address.address, "1000")
    # As if the node that lists the history were behind the one that gave the balance.
    DepositAddress.objects.update(seen_signature=signature)
    for _ in range(3):
        house.sweep()
    assert not Deposit.objects.exists()
    assert DepositAddress.objects.get(id=address.pk).seen_units == 0

    DepositAddress.objects.update(seen_signature="")
    house.sweep_until(lambda: house.books["alice trading USDC"] == "1000")
