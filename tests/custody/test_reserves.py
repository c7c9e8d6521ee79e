"""Shares, tokens and liabilities side by side; what is unknown is never called zero."""

from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from solders.pubkey import Pubkey

from bourse import settings as bourse_settings
from custody import operations, queries
from custody.gateways import token2022
from custody.gateways.chain import SolanaChain
from custody.gateways.custodian import AlpacaCustodian
from custody.models import Asset, Redemption, ReserveAttestation
from custody.operations.tokens import issuance_account
from tests.custody.conftest import BROKER
from tests.custody_stories import SHARE, TOKEN, House


def reserves(house: House, **parties: Any) -> queries.Reserves:
    found = queries.reserves(
        chain=parties.get("chain", house.chain),
        custodian=parties.get("custodian", house.custodian),
        now=house.now,
    )
    assert len(found) == 1
    return found[0]


def minted(house: House) -> House:
    house.prefund(usdc="100000")
    house.receive_shares(10)
    mint = house.bring_to_approval(house.start_mint(10, use_free_shares=True))
    house.approve(mint)
    house.sweep_until(lambda: house.state_of(mint.id) == "minted")
    return house


def test_a_minted_token_is_covered(house: House) -> None:
    minted(house)

    found = reserves(house)

    assert found.verdict == "covered"
    assert found.custodian_settled_units == 10 * SHARE
    assert found.custodian_unsettled_units == 0
    assert found.chain_supply_units == 10 * TOKEN
    assert found.investor_units + found.inventory_units == 10 * TOKEN
    assert found.required_share_units == 10 * SHARE


def test_unsettled_shares_are_shown_apart(house: House) -> None:
    minted(house)
    house.clock.to_next_session()
    mint = house.start_mint(5)
    house.sweep()
    house.clock.advance(seconds=3)
    house.sweep_until(lambda: house.state_of(mint.id) == "shares_bought")

    found = reserves(house)

    assert (found.custodian_settled_units, found.custodian_unsettled_units) == (
        10 * SHARE,
        5 * SHARE,
    )
    assert found.verdict == "covered"


def test_a_redemption_under_way_is_a_line_and_not_a_break(house: House) -> None:
    minted(house)
    house.give_tokens("alice", 10)
    house.clock.to_closed_market()
    redemption = house.redeem("alice", 4 * TOKEN)
    verdicts = set()
    sold = False

    def is_paid() -> bool:
        nonlocal sold
        found = reserves(house)
        verdicts.add((found.verdict, found.findings))
        sold = sold or found.burning_units == 4 * TOKEN
        return Redemption.objects.get(id=redemption.id).state == "paid"

    house.sweep()
    house.clock.to_next_session()
    house.sweep_until(is_paid)

    assert verdicts == {("covered", ())}
    assert sold
    assert reserves(house).custodian_settled_units == 6 * SHARE


def test_what_is_booked_between_two_counts_is_no_break(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The supply was read before the mint was final, the ledger after it was booked."""
    minted(house)
    supplies, read = queries._supplies, []

    def too_early(mints: Sequence[str], chain: SolanaChain) -> dict[str, tuple[int, int]]:
        read.append(mints)
        found = supplies(mints, chain)
        return dict.fromkeys(found, (1, 0)) if len(read) == 1 else found

    monkeypatch.setattr(queries, "_supplies", too_early)

    assert reserves(house).verdict == "covered"
    assert len(read) == 2


def test_missing_shares_are_a_break(house: House) -> None:
    minted(house)
    stolen = {
        "symbol": "AAPL",
        "side": "sell",
        "qty": "1",
        "type": "market",
        "time_in_force": "day",
    }
    house.clock.to_next_session()
    account = house.custodian._account()
    auth = (BROKER["key"], BROKER["secret"])
    path = f"{house.broker.url}/v1/trading/accounts/{account}/orders"
    assert httpx.post(path, json=stolen, auth=auth).status_code == 200
    house.clock.advance(seconds=3)

    found = reserves(house)

    assert found.verdict == "broken"
    assert len(found.findings) == 2  # fewer than circulate, and fewer than booked


def test_tokens_that_nobody_booked_are_a_break(house: House) -> None:
    minted(house)
    asset = Asset.objects.get(code="AAPLx")
    extra = token2022.mint_to(
        Pubkey.from_string(asset.mint_address),
        issuance_account(asset, house.keys),
        house.keys.mint_authority.pubkey(),
        1,
        8,
    )
    house.on_chain(extra, signer=house.keys.mint_authority)
    house.sweep_until(lambda: house.chain.supply(asset.mint_address)[1] > 10 * TOKEN)

    assert reserves(house).verdict == "broken"


def test_a_silent_party_is_unavailable_and_never_zero(house: House) -> None:
    minted(house)
    nobody = "http://127.0.0.1:1"

    with SolanaChain(nobody) as chain, AlpacaCustodian(nobody, "k", "s") as custodian:
        no_chain = reserves(house, chain=chain)
        no_custodian = reserves(house, custodian=custodian)

    assert (no_chain.chain_supply_units, no_chain.required_share_units) == (None, None)
    assert no_chain.verdict == "unavailable"
    assert no_custodian.custodian_settled_units is None
    assert no_custodian.verdict == "unavailable"


def test_attestations_are_kept_as_they_were(house: House) -> None:
    minted(house)

    operations.attest_reserves(chain=house.chain, custodian=house.custodian, now=house.now)

    kept = ReserveAttestation.objects.get()
    assert (kept.verdict, kept.chain_supply_units) == ("covered", 10 * TOKEN)
    assert list(queries.list_latest_attestations()) == [kept]
    for sql in (
        "UPDATE custody_reserveattestation SET verdict = 'covered'",
        "DELETE FROM custody_reserveattestation",
    ):
        with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
            connection.cursor().execute(sql)


def test_verify_reserves_exits_1_on_a_break(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    minted(house)
    monkeypatch.setattr(bourse_settings.ENV, "solana_rpc_url", house.node.url)
    monkeypatch.setattr(bourse_settings.ENV, "custodian_url", house.broker.url)
    monkeypatch.setattr(bourse_settings.ENV, "custodian_key", BROKER["key"])
    monkeypatch.setattr(bourse_settings.ENV, "custodian_secret", BROKER["secret"])

    call_command("verify_reserves")
    assert "1 of 1 tokens are covered." in capsys.readouterr().out
    monkeypatch.setattr(bourse_settings.ENV, "solana_rpc_url", "http://127.0.0.1:1")
    with pytest.raises(SystemExit) as stopped:
        call_command("verify_reserves")

    assert stopped.value.code == 1
    assert "unavailable" in capsys.readouterr().out


def test_cash_that_is_booked_and_not_there_is_a_break(house: House) -> None:
    minted(house)
    parties = {"chain": house.chain, "custodian": house.custodian}
    assert queries.list_cash_breaks(**parties) == []

    house.books.book("booked only", {"chain USDC": "-1", "treasury USDC": "+1"})
    house.books.book("booked only", {"custodian_cash USD": "-1", "prefunding USD": "+1"})

    breaks = queries.list_cash_breaks(**parties)
    assert [text.split(":")[0] for text in breaks] == ["USDC", "USD"]
