"""What was sold moves on the chain, netted by balance, each leg once."""

from contextlib import suppress
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from solders.pubkey import Pubkey

from custody import operations
from custody.gateways import token2022
from custody.models import (
    Asset,
    ChainTransaction,
    JournalEntry,
    LedgerAccount,
    Redemption,
    SettlementLeg,
)
from custody.operations import settlement_legs
from custody.operations.settlement_blocks import NotStuck
from custody.operations.settlement_legs import sweep_legs
from custody.operations.tokens import hot_account, issuance_account
from custody.queries import reserves
from kernel.refusals import Forbidden, NotFound
from tests.custody_stories import TOKEN, House, make_officer


def minted(house: House, tokens: int = 10) -> House:
    house.receive_shares(tokens)
    mint = house.bring_to_approval(house.start_mint(tokens, use_free_shares=True))
    house.approve(mint)
    house.sweep_until(lambda: house.state_of(mint.id) == "minted")
    return house


def token() -> Asset:
    return Asset.objects.get(code="AAPLx")


def on_chain(house: House) -> tuple[int | None, int | None]:
    """(issuance wallet, hot wallet), as the chain has them."""
    accounts = [str(issuance_account(token(), house.keys)), str(hot_account(token(), house.keys))]
    issuance, hot = house.chain.token_units(accounts, token().mint_address)[1]
    return issuance, hot


def in_the_books(house: House) -> tuple[int, int]:
    issuance, hot = (house.books.row(f"{name} AAPLx") for name in ("chain_issuance", "chain"))
    return -issuance.posted_units, -hot.posted_units


def is_settled() -> bool:
    """What lies in the issuance wallet is the inventory, and nothing is on its way."""
    both = LedgerAccount.objects.filter(asset=token(), purpose__in=["chain_issuance", "inventory"])
    is_open = SettlementLeg.objects.exclude(state__in=["final", "failed"]).exists()
    return sum(account.posted_units for account in both) == 0 and not is_open


def take_back(house: House, name: str, tokens: str) -> None:
    """The house buys tokens back into its inventory."""
    house.books.book_as_engine(
        "bought back", {f"{name} trading AAPLx": f"-{tokens}", "inventory AAPLx": f"+{tokens}"}
    )


def pause(house: House, *, resume: bool = False) -> None:
    mint, compliance = Pubkey.from_string(token().mint_address), house.keys.compliance
    act = (token2022.resume if resume else token2022.pause)(mint, compliance.pubkey())
    house.on_chain(act, signer=compliance)


def test_what_is_minted_lies_in_the_issuance_wallet_and_what_is_sold_in_the_hot_one(
    house: House,
) -> None:
    minted(house)
    assert (on_chain(house), in_the_books(house)) == ((10 * TOKEN, None), (10 * TOKEN, 0))

    house.give_tokens("alice", 2)
    house.give_tokens("bob", 3)
    house.sweep()
    assert SettlementLeg.objects.count() == 1  # one leg for both
    house.sweep_until(is_settled)

    leg = SettlementLeg.objects.get()
    assert (leg.direction, leg.units, leg.state) == ("out", 5 * TOKEN, "final")
    assert on_chain(house) == in_the_books(house) == (5 * TOKEN, 5 * TOKEN)
    for _ in range(3):
        house.clock.advance(minutes=2)
        house.sweep()
    assert SettlementLeg.objects.count() == 1
    assert JournalEntry.objects.filter(kind="tokens moved").count() == 1


def test_a_leg_is_planned_once_a_minute_and_back_too(house: House) -> None:
    minted(house)
    house.give_tokens("alice", 6)
    house.sweep_until(is_settled)

    take_back(house, "alice", "4")
    house.sweep()
    assert SettlementLeg.objects.count() == 1  # the minute is not over
    house.clock.advance(seconds=61)
    house.sweep_until(is_settled)

    back = SettlementLeg.objects.latest("planned_at")
    assert (back.direction, back.units) == ("back", 4 * TOKEN)
    assert on_chain(house) == in_the_books(house) == (8 * TOKEN, 2 * TOKEN)
    house.give_tokens("bob", 1)
    house.clock.advance(seconds=61)
    house.sweep_until(is_settled)
    assert on_chain(house) == in_the_books(house) == (7 * TOKEN, 3 * TOKEN)
    (found,) = reserves(chain=house.chain, custodian=house.custodian, now=house.now)
    assert found.verdict == "covered", found.findings


def test_a_redemption_right_after_the_sale_waits_for_its_tokens_and_is_paid(house: House) -> None:
    house.prefund(usdc="100000")
    minted(house)
    house.give_tokens("alice", 2)
    house.sweep_until(is_settled)
    house.clock.to_next_session()
    house.give_tokens("bob", 5)
    SettlementLeg.objects.update(planned_at=house.now)  # the next one is a minute away
    redemption = house.redeem("bob", 5 * TOKEN)
    house.sweep()
    house.clock.advance(seconds=3)

    waits = Redemption.objects.filter(problem__startswith="The tokens are on their way")
    house.sweep_until(waits.exists)
    assert not ChainTransaction.objects.filter(kind="burn").exists()
    house.clock.advance(minutes=1)
    house.sweep_until(lambda: Redemption.objects.get().state == "paid")

    assert Redemption.objects.get(id=redemption.id).problem == ""
    assert on_chain(house) == in_the_books(house) == (3 * TOKEN, 2 * TOKEN)


def test_an_account_that_a_stranger_opened_is_only_thawed(house: House) -> None:
    """Anybody may open an account for our wallet; it is born frozen."""
    minted(house)
    mint, payer = Pubkey.from_string(token().mint_address), house.keys.payer
    opened = token2022.open_account(payer.pubkey(), house.keys.hot_wallet.pubkey(), mint)
    house.on_chain(opened, signer=payer)
    account = str(hot_account(token(), house.keys))
    assert house.chain.may_receive(account, token().mint_address) is False

    house.give_tokens("alice", 4)
    house.sweep_until(is_settled)

    assert on_chain(house) == (6 * TOKEN, 4 * TOKEN)


# --- once, whatever happens ---------------------------------------------------------


def test_two_workers_plan_and_sign_one_leg(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    minted(house)
    house.give_tokens("alice", 5)
    both_saw_it = settlement_legs._assets_to_move(house.now)

    assert [settlement_legs._plan(both_saw_it[0], house.now) for _ in range(2)] == [True, False]
    leg = SettlementLeg.objects.select_related("asset").get()
    steps = [settlement_legs._step(leg, house.chain, house.keys, house.now) for _ in range(2)]

    assert steps == [True, False]
    assert ChainTransaction.objects.filter(kind="move").count() == 1
    house.sweep_until(lambda: ChainTransaction.objects.get(kind="move").state == "final")
    signed = SettlementLeg.objects.select_related("asset", "chain_transaction").get()
    if signed.state == "signed":
        settlement_legs._book(signed, house.now)
        settlement_legs._book(signed, house.now)
    house.sweep()
    assert JournalEntry.objects.filter(kind="tokens moved").count() == 1
    assert on_chain(house) == in_the_books(house) == (5 * TOKEN, 5 * TOKEN)


@pytest.mark.parametrize("dies_in", ["_plan", "sign_once", "_move", "_book"])
def test_a_worker_that_dies_in_a_step_leaves_it_to_the_next(
    house: House, monkeypatch: pytest.MonkeyPatch, dies_in: str
) -> None:
    step = getattr(settlement_legs, dies_in)
    deaths: list[str] = []

    def die_first(*args: object, **named: object) -> object:
        done = step(*args, **named)
        if not deaths:
            deaths.append(dies_in)
            raise RuntimeError("killed")
        return done

    minted(house)
    house.give_tokens("alice", 5)
    monkeypatch.setattr(settlement_legs, dies_in, die_first)
    for _ in range(2):
        with suppress(RuntimeError):  # planning is not a row's step: there the task itself dies
            sweep_legs(chain=house.chain, keys=house.keys, now=house.now)
    house.sweep_until(is_settled)

    assert deaths == [dies_in]
    assert ChainTransaction.objects.filter(kind="move").count() == 1
    assert JournalEntry.objects.filter(kind="tokens moved").count() == 1
    assert on_chain(house) == in_the_books(house) == (5 * TOKEN, 5 * TOKEN)


def test_a_lost_transfer_is_sent_again_and_an_expired_one_replaced(house: House) -> None:
    minted(house)
    house.give_tokens("alice", 5)
    house.node.post("/sandbox/chain/faults", {"drop": 1})
    sweep_legs(chain=house.chain, keys=house.keys, now=house.now)
    house.sweep()
    house.clock.advance(seconds=60)  # its blockhash is long gone

    house.sweep_until(is_settled)

    moves = ChainTransaction.objects.filter(kind="move").order_by("attempt")
    assert [each.state for each in moves][-1] == "final"
    assert on_chain(house) == in_the_books(house) == (5 * TOKEN, 5 * TOKEN)


# --- stuck --------------------------------------------------------------------------


def stuck(house: House) -> SettlementLeg:
    """A leg of five tokens that the chain failed too often: the token is paused."""
    minted(house)
    house.give_tokens("alice", 5)
    pause(house)
    failed = ChainTransaction.objects.filter(kind="move", state="failed")
    for attempt in range(1, settlement_legs.ATTEMPTS_MAX + 1):
        house.sweep_until(lambda attempt=attempt: failed.count() == attempt)  # type: ignore[misc]
        house.clock.advance(hours=1)
    house.sweep()
    return SettlementLeg.objects.get()


def test_a_leg_that_fails_too_often_waits_for_staff_who_let_go_of_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement_legs, "ATTEMPTS_MAX", 2)
    leg = stuck(house)
    assert (leg.state, leg.attempts) == ("stuck", 2)
    assert "came to nothing" in leg.reason
    house.clock.advance(hours=1)
    house.sweep()
    late = SettlementLeg.objects.select_related("asset").get()
    late.state = "planned"  # as a worker has it that read it before
    with pytest.raises(IntegrityError, match="no leg under way"), transaction.atomic():
        settlement_legs._step(late, house.chain, house.keys, house.now)
    assert ChainTransaction.objects.filter(kind="move").count() == 2
    stranger = make_officer("sam")
    stranger.user_permissions.clear()
    stranger = type(stranger).objects.get(pk=stranger.pk)
    with pytest.raises(Forbidden):
        operations.retry_leg(leg_id=leg.id, officer=stranger, now=house.now)
    with pytest.raises(NotFound):
        operations.retry_leg(leg_id=UUID(int=0), officer=house.maker, now=house.now)

    pause(house, resume=True)
    house.give_tokens("bob", 1)
    operations.retry_leg(leg_id=leg.id, officer=house.maker, now=house.now)
    with pytest.raises(NotStuck):
        operations.retry_leg(leg_id=leg.id, officer=house.maker, now=house.now)
    house.sweep_until(is_settled)

    states = SettlementLeg.objects.order_by("planned_at").values_list("state", "units")
    assert list(states) == [("failed", 5 * TOKEN), ("final", 6 * TOKEN)]
    assert on_chain(house) == in_the_books(house) == (4 * TOKEN, 6 * TOKEN)


# --- the database's own refusals ------------------------------------------------------


def refused(because: str, sql: str) -> None:
    def run() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)

    with pytest.raises(IntegrityError, match=because):
        run()


def test_the_database_keeps_legs_honest(house: House) -> None:
    minted(house)
    house.give_tokens("alice", 5)
    sweep_legs(chain=house.chain, keys=house.keys, now=house.now)

    refused("never changes", "UPDATE custody_settlementleg SET units = units + 1")
    refused("never changes", "UPDATE custody_settlementleg SET direction = 'back'")
    refused("not booked", "UPDATE custody_settlementleg SET state = 'final'")
    refused("may land", "UPDATE custody_settlementleg SET state = 'stuck'")
    again = """
        INSERT INTO custody_settlementleg (id, asset_id, direction, units, state, attempts,
                                           reason, problem, planned_at)
        SELECT gen_random_uuid(), asset_id, direction, units, '{}', 0, '', '', now()
          FROM custody_settlementleg
    """
    refused("one_open_settlement_leg_an_asset", again.format("planned"))
    refused("begins as planned", again.format("final"))
