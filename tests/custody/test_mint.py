"""From a custody officer's request to tokens in the inventory, against real parties."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, connection, transaction

from accounts import approvals
from custody import operations
from custody.models import Asset, ChainTransaction, CustodianOrder, MintRequest
from custody.operations.issuance import MintNotReady, NotEnoughFreeShares, NothingToMint
from kernel.refusals import Forbidden
from tests.custody_stories import SHARE, TOKEN, House, make_officer


def test_a_mint_buys_settles_asks_a_second_officer_and_mints(house: House) -> None:
    house.prefund()
    house.clock.to_closed_market()

    mint = house.start_mint(100)
    assert mint.state == "shares_ordered"
    house.sweep()
    assert house.state_of(mint.id) == "shares_ordered"  # the market is closed

    house.clock.to_next_session()
    house.sweep_until(lambda: house.state_of(mint.id) == "shares_bought")
    assert house.books["shares_allocated AAPL"] == "100"
    house.sweep()
    assert house.state_of(mint.id) == "shares_bought"  # T+1

    house.clock.to_next_session()
    house.sweep_until(lambda: house.state_of(mint.id) == "awaiting_approval")
    assert house.books.row("shares_free AAPL").held_units == 100 * SHARE
    house.sweep()
    assert not ChainTransaction.objects.filter(kind="mint").exists()

    house.approve(MintRequest.objects.get(id=mint.id))
    house.sweep_until(lambda: house.state_of(mint.id) == "minted")

    assert house.books["inventory AAPLx"] == "100"
    assert house.books["shares_backing AAPL"] == "100"
    assert house.books["shares_free AAPL"] == "0"
    mint_address = Asset.objects.get(code="AAPLx").mint_address
    assert house.chain.supply(mint_address)[1] == 100 * TOKEN
    done = MintRequest.objects.get(id=mint.id)
    stages = [
        done.requested_at,
        done.shares_bought_at,
        done.shares_settled_at,
        done.approved_at,
        done.minting_at,
        done.minted_at,
    ]
    assert None not in stages
    assert stages == sorted(stages, key=lambda at: at or done.requested_at)
    connection.check_constraints()


def test_free_settled_shares_need_no_purchase(house: House) -> None:
    house.receive_shares(10)

    mint = house.bring_to_approval(house.start_mint(10, use_free_shares=True))

    assert mint.order_id is None
    with pytest.raises(NotEnoughFreeShares):
        house.start_mint(1, use_free_shares=True)


def test_who_started_a_mint_cannot_approve_it(house: House) -> None:
    house.receive_shares(10)
    mint = house.bring_to_approval(house.start_mint(10, use_free_shares=True))

    with pytest.raises(approvals.SameOfficer):
        house.approve(mint, checker=house.maker)

    assert house.state_of(mint.id) == "awaiting_approval"


def test_an_officer_of_compliance_confirms_no_mint(house: House) -> None:
    house.receive_shares(10)
    mint = house.bring_to_approval(house.start_mint(10, use_free_shares=True))
    carla = make_officer("carla")
    carla.user_permissions.remove(Permission.objects.get(codename="add_mintrequest"))
    carla = type(carla).objects.get(pk=carla.pk)

    with pytest.raises(Forbidden):
        house.approve(mint, checker=carla)
    assert mint.proposal is not None
    with pytest.raises(Forbidden):  # nor by the proposals' own page
        approvals.confirm(
            proposal_id=mint.proposal_id, checker=carla, body_hash=mint.proposal.body_hash,
            now=house.now,
        )  # fmt: skip

    assert house.state_of(mint.id) == "awaiting_approval"


def test_what_is_approved_is_what_was_read(house: House) -> None:
    house.receive_shares(10)
    mint = house.bring_to_approval(house.start_mint(10, use_free_shares=True))

    with pytest.raises(approvals.ProposalChanged):
        operations.approve_mint(
            mint_id=mint.id, checker=house.checker, body_hash="0" * 64, now=house.now
        )


def test_a_rejected_mint_frees_its_shares(house: House) -> None:
    house.receive_shares(10)
    mint = house.bring_to_approval(house.start_mint(10, use_free_shares=True))
    assert mint.proposal is not None

    operations.reject_mint(
        mint_id=mint.id,
        checker=house.checker,
        body_hash=mint.proposal.body_hash,
        reason="not now",
        now=house.now,
    )

    assert house.state_of(mint.id) == "rejected"
    assert house.books.row("shares_free AAPL").held_units == 0
    with pytest.raises(MintNotReady):
        house.approve(mint)


def test_only_custody_officers_start_mints_of_something(house: House) -> None:
    stranger = make_officer("sam")
    stranger.user_permissions.clear()
    arguments = {"asset_id": house.asset_id("AAPLx"), "reason": "x", "now": house.now}

    with pytest.raises(Forbidden):
        operations.start_mint(token_units=1, maker=stranger, **arguments)
    with pytest.raises(NothingToMint):
        operations.start_mint(token_units=0, maker=house.maker, **arguments)


def test_a_purchase_that_the_custodian_refuses_fails_the_mint(house: House) -> None:
    mint = house.start_mint(100)  # nothing was wired

    house.sweep_until(lambda: house.state_of(mint.id) == "failed")

    assert "buying power" in MintRequest.objects.get(id=mint.id).failure


def test_a_lost_answer_orders_shares_once(house: House) -> None:
    house.prefund()
    house.clock.to_next_session()
    house.broker.post("/sandbox/custodian/faults", {"lose_answers": 1})
    mint = house.start_mint(100)

    house.sweep()
    assert CustodianOrder.objects.get().state == "new"
    house.clock.advance(seconds=3)
    house.sweep_until(lambda: house.state_of(mint.id) == "shares_bought")

    assert house.custodian.shares(now=house.now)["AAPL"].unsettled_units == 100 * SHARE
    assert house.books["shares_allocated AAPL"] == "100"


def test_a_dropped_mint_is_sent_again_and_lands_once(house: House) -> None:
    house.receive_shares(10)
    mint = house.bring_to_approval(house.start_mint(10, use_free_shares=True))
    while not operations.open_token(
        asset_id=house.asset_id("AAPLx"), chain=house.chain, keys=house.keys, now=house.now
    ):
        house.sweep()
    house.node.post("/sandbox/chain/faults", {"drop": 2})
    house.approve(mint)

    house.sweep_until(lambda: house.state_of(mint.id) == "minted")

    assert ChainTransaction.objects.filter(kind="mint").count() == 1
    address = Asset.objects.get(code="AAPLx").mint_address
    assert house.chain.supply(address)[1] == 10 * TOKEN


def test_an_expired_mint_is_replaced_and_mints_once(house: House) -> None:
    house.receive_shares(10)
    mint = house.bring_to_approval(house.start_mint(10, use_free_shares=True))
    while not operations.open_token(
        asset_id=house.asset_id("AAPLx"), chain=house.chain, keys=house.keys, now=house.now
    ):
        house.sweep()
    house.node.post("/sandbox/chain/faults", {"drop": 1})
    house.approve(mint)
    house.sweep()
    assert ChainTransaction.objects.get(kind="mint").state == "sent"

    house.clock.advance(seconds=60)  # 3,000 slots: its blockhash is long gone
    house.sweep_until(lambda: house.state_of(mint.id) == "minted")

    states = ChainTransaction.objects.filter(kind="mint").order_by("attempt")
    assert [each.state for each in states] == ["expired", "final"]
    address = Asset.objects.get(code="AAPLx").mint_address
    assert house.chain.supply(address)[1] == 10 * TOKEN


def test_a_mint_in_an_abandoned_block_is_sent_again(slow_house: House) -> None:
    house = slow_house
    house.receive_shares(10)
    mint = house.bring_to_approval(house.start_mint(10, use_free_shares=True))
    house.clock.advance(seconds=10)  # what came before is final, and stays
    house.approve(mint)
    sent = ChainTransaction.objects.filter(kind="mint")
    house.sweep_until(lambda: sent.filter(state="confirmed").exists())

    answer = house.node.post("/sandbox/chain/rollback", {"slots": 60})
    assert sent.get().signature in answer.json()["dropped"]
    # Its blockhash may have gone with the block: then it must expire first.
    house.clock.advance(seconds=30)
    house.sweep_until(lambda: sent.filter(state="confirmed", attempt__gt=1).exists())
    house.clock.advance(seconds=10)
    house.sweep_until(lambda: house.state_of(mint.id) == "minted")

    address = Asset.objects.get(code="AAPLx").mint_address
    assert house.chain.supply(address)[1] == 10 * TOKEN
    assert [each.state for each in sent.order_by("attempt")][-1] == "final"


def test_kill_9_of_the_chain_in_the_middle_of_a_mint_mints_once(house: House) -> None:
    house.receive_shares(10)
    mint = house.bring_to_approval(house.start_mint(10, use_free_shares=True))
    house.approve(mint)
    house.sweep_until(lambda: ChainTransaction.objects.filter(kind="mint").exists())
    house.sweep()
    house.node.kill()
    house.node.start()

    house.sweep_until(lambda: house.state_of(mint.id) == "minted")

    address = Asset.objects.get(code="AAPLx").mint_address
    assert house.chain.supply(address)[1] == 10 * TOKEN
    assert house.books["inventory AAPLx"] == "10"


# --- the database's own refusals --------------------------------------------------


def refused_by_the_database(sql: str, *params: object, because: str) -> None:
    def run() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, params)
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    with pytest.raises(IntegrityError, match=because):
        run()


def test_raw_sql_cannot_call_unsettled_shares_settled(house: House) -> None:
    house.prefund()
    mint = house.start_mint(100)

    for state in ("shares_settled", "awaiting_approval", "approved", "minting"):
        refused_by_the_database(
            "UPDATE custody_mintrequest SET state = %s, held_units = share_units WHERE id = %s",
            state,
            mint.id,
            because="not settled|no settled shares",
        )
    refused_by_the_database(
        "UPDATE custody_mintrequest SET state = 'minted' WHERE id = %s",
        mint.id,
        because="second officer",
    )


def test_raw_sql_cannot_approve_alone(house: House) -> None:
    house.receive_shares(10)
    mint = house.bring_to_approval(house.start_mint(10, use_free_shares=True))

    refused_by_the_database(
        "UPDATE custody_mintrequest SET state = 'approved' WHERE id = %s",
        mint.id,
        because="second officer",
    )


def test_raw_sql_cannot_change_what_a_mint_is_about(house: House) -> None:
    house.receive_shares(10)
    mint = house.start_mint(10, use_free_shares=True)

    refused_by_the_database(
        "UPDATE custody_mintrequest SET token_units = token_units * 2 WHERE id = %s",
        mint.id,
        because="never changes",
    )


def test_raw_sql_cannot_sign_a_mint_that_nobody_approved(house: House) -> None:
    refused_by_the_database(
        "INSERT INTO custody_chaintransaction (id, kind, key, attempt, signature, signed_bytes,"
        " last_valid_block_height, state, error, signed_at)"
        " VALUES (%s, 'mint', %s, 1, 'x', '', 0, 'signed', '', now())",
        uuid4(),
        f"mint:{uuid4()}",
        because="no approved mint request",
    )


@pytest.mark.parametrize("wallet", ["chain", "chain_issuance"])
def test_the_ledger_cannot_hold_tokens_without_backing(house: House, wallet: str) -> None:
    def mint_out_of_nothing() -> None:
        with transaction.atomic():
            house.books.book("mint", {f"{wallet} AAPLx": "-5", "inventory AAPLx": "+5"})
            connection.check_constraints()

    with pytest.raises(IntegrityError, match="back them"):
        mint_out_of_nothing()


def test_tokens_in_both_wallets_need_shares_together_and_move_freely(house: House) -> None:
    house.books.give("inventory AAPLx", "5")  # backed, in the hot wallet
    house.books.book("tokens moved", {"chain AAPLx": "+5", "chain_issuance AAPLx": "-5"})

    refused_by_the_database(
        "UPDATE custody_asset SET multiplier_e18 = multiplier_e18 * 2 WHERE code = 'AAPLx'",
        because="back them",
    )


def test_a_multiplier_cannot_outgrow_the_shares(house: House) -> None:
    house.books.give("inventory AAPLx", "5")

    refused_by_the_database(
        "UPDATE custody_asset SET multiplier_e18 = multiplier_e18 * 2 WHERE code = 'AAPLx'",
        because="back them",
    )


def test_a_purchase_that_ended_in_part_fails_the_mint_and_frees_what_was_bought(
    house: House,
) -> None:
    house.prefund()
    house.broker.post("/sandbox/custodian/faults", {"part": 1})
    mint = house.start_mint(10)
    house.clock.to_next_session()
    house.sweep_until(lambda: house.state_of(mint.id) == "failed")
    assert house.books["shares_allocated AAPL"] == "4"

    house.clock.to_next_session()
    house.sweep_until(lambda: house.books["shares_free AAPL"] == "4")

    order = CustodianOrder.objects.get()
    assert (order.state, order.filled_units) == ("settled", 4 * SHARE)
    assert "filled in part" in MintRequest.objects.get(id=mint.id).failure
    assert house.books["custodian_settled AAPL"] == "-4"
    assert house.custodian.shares(now=house.now)["AAPL"].settled_units == 4 * SHARE
    assert house.books.row("prefunding USD").posted_units == house.custodian.cash_micros()
    second = house.start_mint(4, use_free_shares=True)
    assert house.state_of(second.id) == "shares_settled"


def test_shares_bought_for_a_mint_are_not_free_for_another(house: House) -> None:
    house.prefund()
    mint = house.start_mint(10)
    house.clock.to_next_session()
    house.sweep_until(lambda: house.state_of(mint.id) == "shares_bought")
    house.clock.to_next_session()
    operations.sweep_orders(custodian=house.custodian, now=house.now)
    assert house.books["shares_free AAPL"] == "10"

    with pytest.raises(NotEnoughFreeShares):
        house.start_mint(1, use_free_shares=True)
    house.sweep()

    assert house.state_of(mint.id) == "shares_settled"
