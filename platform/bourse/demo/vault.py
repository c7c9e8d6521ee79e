"""What backs the demo's market: dollars, shares, minted tokens, money to trade with.

Shares come in settled (delivered free of payment), are minted by one officer
and approved by another, like any mint, and are final on the sandbox chain.
"""

import time
from collections.abc import Callable
from datetime import datetime

import httpx
from django.conf import settings

from accounts.models import Investor, User
from bourse.demo import Say, people
from custody import operations, tasks
from custody.gateways import chain_keys, faucet
from custody.gateways.custodian import AlpacaCustodian
from custody.models import Asset, Deposit, DepositAddress, MintRequest
from custody.operations.issuance import approve_mint, share_units_for, start_mint
from custody.operations.shares import get_share_asset
from custody.operations.treasury import allocate_inventory
from custody.states import DepositState, MintState
from kernel import clock
from reference.models import ReferencePrice

CUSTODIAN_USD = 20_000_000
FAUCET_USDC = {"treasury": "5000000", "market-maker": "3000000", "taker": "500000"}
INVESTOR_USDC = "1000"
# Of each token: so much worth of inventory, in US dollars, and at least so many tokens.
INVENTORY_USD = 60_000
TOKENS_MIN = 60
# Parts of the inventory that the traders start with; the rest stays for the primary sale.
SHARES_OF = {"market-maker": 2, "taker": 10}
LAMPORTS = 100_000_000_000
# A mint takes three final transactions one after the other.
CHAIN_TIMEOUT_SECONDS = 180.0
POLL_SECONDS = 0.5
NODE_TIMEOUT_SECONDS = 10


class DemoStuck(Exception):
    """The sandbox did not get on in time."""


def fund_house(*, say: Say, now: datetime) -> None:
    """Fees for the chain, dollars at the custodian, USDC for treasury and traders."""
    keys = chain_keys.from_settings()
    _airdrop(str(keys.payer.pubkey()))
    custodian = AlpacaCustodian.from_settings()
    try:
        operations.prefund_custodian(
            custodian=custodian, micros=CUSTODIAN_USD * 10**6, key="demo", now=now
        )
    finally:
        custodian.close()
    _send_usdc(None, FAUCET_USDC["treasury"], now)
    for name in people.TRADERS:
        _send_usdc(people.get_trader(name), FAUCET_USDC[name], now)
    say(f"{CUSTODIAN_USD:,} USD at the custodian, USDC for treasury and traders on the chain")


def start_mints(*, tokens: list[Asset], say: Say, now: datetime) -> None:
    """Shares for every token, and a mint of them that a second officer approves."""
    maker, checker = (
        people.get_officer("custody officer"),
        people.get_officer("second custody officer"),
    )
    custodian = AlpacaCustodian.from_settings()
    try:
        for token in tokens:
            if not MintRequest.objects.filter(asset=token).exists():
                _start_mint(token, custodian, maker=maker, now=now)
    finally:
        custodian.close()
    tasks.sweep_chain()  # proposes them
    waiting = MintRequest.objects.filter(state=MintState.AWAITING_APPROVAL, started_by=maker)
    for mint in waiting.select_related("proposal"):
        assert mint.proposal is not None
        approve_mint(
            mint_id=mint.id, checker=checker, body_hash=mint.proposal.body_hash, now=clock.now()
        )
    say(f"{len(tokens)} mints, started by one officer and approved by another")


def await_chain(*, say: Say) -> None:
    """Until all mints are booked and all deposits credited."""

    def left() -> int:
        tasks.sweep_chain()
        tasks.watch_deposits()
        mints = MintRequest.objects.exclude(state=MintState.MINTED).count()
        return mints + _deposits_missing()

    _await(left, "mints and deposits are not final yet", say)
    say("every token is minted, every deposit is final")


def hand_out(*, tokens: list[Asset], now: datetime) -> None:
    """Inventory for the traders of the house, for nothing."""
    for name, part in SHARES_OF.items():
        trader = people.get_trader(name)
        for token in tokens:
            allocate_inventory(
                investor_id=trader.pk,
                asset_id=token.pk,
                units=_token_units(token) // part,
                price_micros=0,
                key=f"demo:{name}:{token.code}",
                now=now,
            )


def fund_investor(*, say: Say, now: datetime) -> None:
    """Once the provider's webhook has verified her, Ida gets what the faucet gives."""

    def left() -> int:
        return 0 if people.is_investor_approved() else 1

    _await(left, "the KYC provider has not decided yet", say)
    _send_usdc(people.get_investor(), INVESTOR_USDC, now)
    say(f"the demo investor is verified and gets {INVESTOR_USDC} USDC")


def _start_mint(token: Asset, custodian: AlpacaCustodian, *, maker: User, now: datetime) -> None:
    share = get_share_asset(token)
    units = _token_units(token)
    operations.receive_shares(
        custodian=custodian,
        asset_id=share.pk,
        units=share_units_for(token, share, units),
        key=f"demo:{share.code}",
        now=now,
    )
    start_mint(
        asset_id=token.pk,
        token_units=units,
        maker=maker,
        reason="First inventory of the demo.",
        use_free_shares=True,
        now=now,
    )


def _token_units(token: Asset) -> int:
    """Whole tokens worth INVENTORY_USD at the first price, kept with the mint afterwards."""
    mint = MintRequest.objects.filter(asset=token).order_by("requested_at").first()
    if mint is not None:
        return mint.token_units
    price = ReferencePrice.objects.get(instrument__assets=token).price_per_share_micros
    whole = max(TOKENS_MIN, INVENTORY_USD * 10**6 // price)
    return int(whole * 10**token.decimals)


def _send_usdc(investor: Investor | None, usdc: str, now: datetime) -> None:
    """From the faucet to the deposit address, unless something came there already."""
    asset = Asset.objects.get(code="USDC")
    address = operations.get_deposit_address(
        investor_id=None if investor is None else investor.pk, asset_id=asset.pk, now=now
    )
    tasks.watch_deposits()
    if not Deposit.objects.filter(address=address).exists():
        node = settings.ENV.server("solana_rpc_url")
        faucet.send_usdc(node_url=node, address=address.address, usdc=usdc)


def _deposits_missing() -> int:
    return (
        DepositAddress.objects.exclude(deposits__state=DepositState.CREDITED).count()
        + Deposit.objects.filter(state=DepositState.SEEN).count()
    )


def _airdrop(address: str) -> None:
    """Lamports for fees, from the sandbox's chain."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "requestAirdrop", "params": [address, LAMPORTS]}
    node = settings.ENV.server("solana_rpc_url")
    answer = httpx.post(node, json=call, timeout=NODE_TIMEOUT_SECONDS).raise_for_status().json()
    if "error" in answer:
        raise DemoStuck(f"The chain gave no lamports: {answer['error']}")


def _await(left: Callable[[], int], why: str, say: Say) -> None:
    deadline = time.monotonic() + CHAIN_TIMEOUT_SECONDS
    said_at = time.monotonic()
    while (count := left()) > 0:
        if time.monotonic() > deadline:
            raise DemoStuck(f"After {CHAIN_TIMEOUT_SECONDS:.0f} s {count} {why}.")
        if time.monotonic() - said_at > 5:
            say(f"waiting: {count} {why}")
            said_at = time.monotonic()
        time.sleep(POLL_SECONDS)
