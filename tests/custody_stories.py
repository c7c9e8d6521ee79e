"""Verbs of custody for tests: an operator with a chain, a custodian and its books.

The parties are real processes; only the engine's answer to a pool transfer is
given by hand (`House.engine_answers`), because its own tests are elsewhere.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Permission
from django.db import connection, transaction
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.transaction import VersionedTransaction

from accounts.models import EligibilitySnapshot, Investor, User
from custody import ledger, operations, pool_transfers
from custody.engine_entries import engine_entry
from custody.gateways import chain_keys
from custody.gateways.chain import FINALIZED, SolanaChain
from custody.gateways.chain_keys import ChainKeys
from custody.gateways.custodian import AlpacaCustodian
from custody.ledger_purposes import Purpose
from custody.models import DepositAddress, MintRequest, PoolTransfer, Redemption
from reference.models import ReferencePrice
from tests.ledger_stories import POOL, Books
from tests.parties import Party, SandboxClock

USDC_MINT = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
SOL = 10**9
DOLLAR = 10**6
TOKEN = 10**8
SHARE = 10**9
PATIENCE_SECONDS = 60


@dataclass
class House:
    """The operator's side of custody, over running parties."""

    node: Party
    broker: Party
    clock: SandboxClock
    chain: SolanaChain
    custodian: AlpacaCustodian
    keys: ChainKeys
    books: Books = field(default_factory=Books)

    def __post_init__(self) -> None:
        type(self.books.assets["USDC"]).objects.filter(code="USDC").update(mint_address=USDC_MINT)
        ReferencePrice.objects.create(
            instrument=self.books.assets["AAPLx"].instrument,
            price_per_share_micros=238 * DOLLAR, confidence_micros=10_000,
            published_at=self.now, received_at=self.now, session="regular",
            trade_date=self.now.date(),
        )  # fmt: skip
        self.maker, self.checker = make_officer("mia"), make_officer("chen")
        self.node.post(
            "/",
            {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "requestAirdrop",
                "params": [str(self.keys.payer.pubkey()), 100 * SOL],
            },
        ).raise_for_status()

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def asset_id(self, code: str) -> int:
        return int(self.books.assets[code].pk)

    # --- sweeps -----------------------------------------------------------------

    def sweep(self) -> None:
        """Everything that the worker does, once."""
        operations.watch_deposits(chain=self.chain, now=self.now)
        operations.credit_deposits(chain=self.chain, now=self.now)
        operations.sweep_orders(custodian=self.custodian, now=self.now)
        operations.sweep_mints(chain=self.chain, keys=self.keys, now=self.now)
        operations.sweep_redemptions(chain=self.chain, keys=self.keys, now=self.now)
        operations.sweep_legs(chain=self.chain, keys=self.keys, now=self.now)
        operations.sweep_transactions(chain=self.chain, now=self.now)
        self.engine_answers()
        pool_transfers.sweep_out(now=self.now)

    def sweep_until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not done():
            assert time.monotonic() < deadline, "it did not come to that in time"
            self.sweep()
            time.sleep(0.02)

    def engine_answers(self) -> None:
        """What the engine of the pool does with requested transfers."""
        for transfer in PoolTransfer.objects.filter(state="requested"):
            arguments = (transfer.investor_id, transfer.asset_id, Purpose.TRADING, POOL)
            entry = engine_entry(
                transfer_id=transfer.id,
                direction=transfer.direction,
                units=transfer.units,
                trading_id=ledger.get_account_id(*arguments),
                transit_id=ledger.get_account_id(None, transfer.asset_id, Purpose.TRANSIT, POOL),
            )
            with transaction.atomic(), connection.cursor() as cursor:
                ledger.claim_pool(cursor, POOL)
                ledger.write_entries(cursor, [entry], self.now)
                cursor.execute("SELECT set_config('bourse.pool', '', true)")
                PoolTransfer.objects.filter(id=transfer.id).update(state="done", done_batch=1)

    def on_chain(self, instruction: Instruction, *, signer: Keypair) -> None:
        """By a key of ours, past the operations; returns once it is final."""
        signers = list({key.pubkey(): key for key in (self.keys.payer, signer)}.values())
        blockhash = self.chain.latest_blockhash().blockhash
        message = MessageV0.try_compile(signers[0].pubkey(), [instruction], [], blockhash)
        signed = VersionedTransaction(message, signers)
        self.chain.send(bytes(signed))
        signature = str(signed.signatures[0])

        def is_final() -> bool:
            status = self.chain.statuses([signature])[1][0]
            assert status is None or not status.error, status
            return status is not None and status.commitment == FINALIZED

        self.sweep_until(is_final)

    # --- money ------------------------------------------------------------------

    def faucet(self, address: str, usdc: str) -> str:
        answer = self.node.post("/faucet", {"address": address, "usdc": usdc})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["signature"])

    def address_of(self, name: str | None) -> DepositAddress:
        """The deposit address of an investor; None: the house's hot wallet."""
        investor_id = None if name is None else self.books.investors[name].pk
        return operations.open_deposit_address(
            investor_id=investor_id, asset_id=self.asset_id("USDC"), keys=self.keys, now=self.now
        )

    def prefund(self, *, usd: int = 1_000_000, usdc: str = "") -> None:
        operations.prefund_custodian(
            custodian=self.custodian, micros=usd * DOLLAR, key="opening wire", now=self.now
        )
        if usdc:
            self.faucet(self.address_of(None).address, usdc)
            self.sweep_until(lambda: self.books["treasury USDC"] == usdc)

    # --- minting ----------------------------------------------------------------

    def start_mint(self, tokens: int, **options: bool) -> MintRequest:
        return operations.start_mint(
            asset_id=self.asset_id("AAPLx"),
            token_units=tokens * TOKEN,
            maker=self.maker,
            reason="demand",
            now=self.now,
            **options,
        )

    def state_of(self, mint_id: UUID) -> str:
        return MintRequest.objects.get(id=mint_id).state

    def bring_to_approval(self, mint: MintRequest) -> MintRequest:
        """Through purchase and settlement, whatever time it is."""
        if mint.order_id is not None:
            self.sweep()
            self.clock.to_next_session()
            # Filled before that session, the purchase may have settled by now as well.
            bought = {"shares_bought", "awaiting_approval"}
            self.sweep_until(lambda: self.state_of(mint.id) in bought)
            self.clock.to_next_session()
        self.sweep_until(lambda: self.state_of(mint.id) == "awaiting_approval")
        return MintRequest.objects.select_related("proposal").get(id=mint.id)

    def approve(self, mint: MintRequest, checker: User | None = None) -> None:
        assert mint.proposal is not None
        operations.approve_mint(
            mint_id=mint.id,
            checker=checker or self.checker,
            body_hash=mint.proposal.body_hash,
            now=self.now,
        )

    def mint(self, tokens: int) -> MintRequest:
        """All of it; the tokens are in the inventory afterwards."""
        mint = self.bring_to_approval(self.start_mint(tokens))
        self.approve(mint)
        self.sweep_until(lambda: self.state_of(mint.id) == "minted")
        return MintRequest.objects.get(id=mint.id)

    def receive_shares(self, shares: int) -> None:
        operations.receive_shares(
            custodian=self.custodian,
            asset_id=self.asset_id("AAPL"),
            units=shares * SHARE,
            key="opening shares",
            now=self.now,
        )

    # --- redeeming --------------------------------------------------------------

    def give_tokens(self, name: str, tokens: int) -> Investor:
        """Minted inventory into the investor's trading balance."""
        investor = self.books.investors[name]
        Investor.objects.filter(id=investor.pk).update(is_house=True)
        operations.allocate_inventory(
            investor_id=investor.pk,
            asset_id=self.asset_id("AAPLx"),
            units=tokens * TOKEN,
            price_micros=0,
            key=f"gift {name} {tokens}",
            now=self.now,
        )
        Investor.objects.filter(id=investor.pk).update(is_house=False)
        self.engine_answers()
        allow_to_sell(investor)
        return investor

    def redeem(self, name: str, units: int, key: str = "once") -> Redemption:
        return operations.request_redemption(
            investor_id=self.books.investors[name].pk,
            asset_id=self.asset_id("AAPLx"),
            units=units,
            idempotency_key=key,
            now=self.now,
        )


def make_officer(name: str) -> User:
    """A custody officer who may start mints and confirm those of others."""
    officer = User.objects.create_user(email=f"{name}@example.com", is_staff=True)
    wanted = [("custody", "add_mintrequest"), ("accounts", "check_proposal")]
    for app, codename in wanted:
        officer.user_permissions.add(
            Permission.objects.get(content_type__app_label=app, codename=codename)
        )
    return User.objects.get(pk=officer.pk)  # without the cached permissions


def allow_to_sell(investor: Investor, *, may_sell: bool = True) -> None:
    newest = EligibilitySnapshot.objects.filter(investor=investor).count()
    EligibilitySnapshot.objects.create(
        investor=investor,
        version=newest + 1,
        may_buy=False,
        may_sell=may_sell,
        reason_code="test",
        created_at=investor.created_at,
    )


def verify(investor: Investor) -> None:
    """Mark as verified, by hand: KYC has its own tests."""
    Investor.objects.filter(id=investor.pk).update(is_house=True)


def make_keys(folder: Path) -> ChainKeys:
    return chain_keys.create(folder / "keys" / "chain_keys.json")


def make_house(node: Party, broker: Party, clock: SandboxClock, folder: Path, **auth: Any) -> House:
    return House(
        node=node,
        broker=broker,
        clock=clock,
        chain=SolanaChain(node.url),
        custodian=AlpacaCustodian(broker.url, auth["key"], auth["secret"]),
        keys=make_keys(folder),
    )
