"""A one-node Solana: slots, forks and finality around a real virtual machine.

Transactions run in LiteSVM (the real SVM with the real token programs); this
module adds what a virtual machine alone lacks: slots that follow the clock,
blockhashes that expire, commitment levels, history, rollback before finality.
Nothing ticks: the slot is computed from the time whenever somebody asks.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from solders.account import Account
from solders.hash import Hash
from solders.litesvm import LiteSVM
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import (
    FailedTransactionMetadata,
    SimulatedTransactionInfo,
    TransactionMetadata,
)

from sandbox.chain_store import Store, StoredAccount, StoredTransaction

# As on mainnet: a blockhash is good for 150 blocks.
BLOCKHASH_SLOTS = 150
# The height lags the slot, as on mainnet (skipped slots): mixing them up must show.
SKIPPED_SLOTS = 1_000
GENESIS_SLOT = 10_000
UNDO_SLOTS_KEPT = 512
SYSTEM_PROGRAM = "11111111111111111111111111111111"

TOKEN_PROGRAMS = frozenset(
    {
        "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
        "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb",
    }
)

Json = dict[str, object]


class NotLanded(Exception):
    """The transaction was not taken into a block; `err` in Solana's JSON shape."""

    def __init__(self, err: object, logs: Sequence[str] = ()) -> None:
        super().__init__(str(err))
        self.err = err
        self.logs = list(logs)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast blocks come and how many confirm and finalize one."""

    slot_ms: int = 400
    confirm_slots: int = 1
    final_slots: int = 32


@dataclass(frozen=True, slots=True)
class Simulation:
    err: object
    logs: list[str]
    units_consumed: int


class Node:
    """The chain's state: a virtual machine, its store, and the time."""

    def __init__(self, store: Store, pace: Pace, now: Callable[[], datetime]) -> None:
        self.store = store
        self.pace = pace
        self._now = now
        # Duplicates and blockhashes are judged here: the VM knows no blocks.
        self._svm = LiteSVM().with_blockhash_check(False).with_transaction_history(0)
        for address, account in store.accounts():
            self._svm.set_account(Pubkey.from_string(address), _to_svm(account))
        self._anchor_slots()
        self._forks = store.forks()

    # --- time -------------------------------------------------------------------

    def tip(self) -> int:
        """The newest slot; never less than one that holds a transaction."""
        elapsed = self._now_ms() - self._anchor_ms
        return max(self._anchor_slot + elapsed // self.pace.slot_ms, self._floor_slot)

    def slot_at(self, commitment: str) -> int:
        """The slot that a reader at `commitment` sees."""
        lag = int(self.store.get("fault:lag_slots", "0"))
        behind = {"processed": 0, "confirmed": self.pace.confirm_slots}.get(
            commitment, self.pace.final_slots
        )
        return max(self.tip() - behind - lag, 0)

    def slot_time(self, slot: int) -> int:
        """Unix seconds of a slot."""
        return (self._anchor_ms + (slot - self._anchor_slot) * self.pace.slot_ms) // 1000

    @staticmethod
    def height(slot: int) -> int:
        return slot - SKIPPED_SLOTS

    def blockhash(self, slot: int) -> Hash:
        """The blockhash of a slot: its own number inside, salted by its fork."""
        salt = next((s for start, s in reversed(self._forks) if start <= slot), "")
        digest = hashlib.sha256(f"{salt}:{slot}".encode()).digest()
        return Hash(digest[:24] + slot.to_bytes(8, "big"))

    def is_blockhash_valid(self, blockhash: Hash, slot: int) -> bool:
        """Whether a transaction with it may still land in `slot`."""
        of_slot = int.from_bytes(bytes(blockhash)[24:], "big")
        if not slot - BLOCKHASH_SLOTS < of_slot <= slot:
            return False
        return self.blockhash(of_slot) == blockhash

    # --- reads ------------------------------------------------------------------

    def account(self, address: str, slot: int) -> StoredAccount | None:
        """The account as it was at the end of `slot`."""
        changed, before = self.store.account_before(address, slot)
        return before if changed else self._current(address)

    def accounts_of(self, program: str, slot: int) -> list[tuple[str, StoredAccount]]:
        """Every account that a program owns, as of `slot`."""
        found = self._svm.get_program_accounts(Pubkey.from_string(program))
        states = [(str(address), self.account(str(address), slot)) for address, _ in found]
        return [(address, state) for address, state in states if state is not None]

    def rent(self, size: int) -> int:
        return self._svm.minimum_balance_for_rent_exemption(size)

    # --- writes -----------------------------------------------------------------

    def simulate(self, transaction: VersionedTransaction) -> Simulation:
        self._set_clock(self.tip())
        outcome = self._svm.simulate_transaction(transaction)
        if isinstance(outcome, FailedTransactionMetadata):
            meta = outcome.meta()
            return Simulation(error_json(outcome.err()), meta.logs(), meta.compute_units_consumed())
        assert isinstance(outcome, SimulatedTransactionInfo)
        meta = outcome.meta()
        return Simulation(None, meta.logs(), meta.compute_units_consumed())

    def land(self, transaction: VersionedTransaction, slot: int) -> StoredTransaction:
        """Execute in a block at `slot`, and keep it on disk before returning.

        :raises NotLanded: known already, expired, unsigned, or its fee cannot be paid.
        """
        self._check(transaction, slot)
        message = transaction.message
        # Programs are large and never change: only what may be written is compared.
        writable = [
            str(key) for i, key in enumerate(message.account_keys) if _is_writable(transaction, i)
        ]
        before = {address: self._current(address) for address in writable}
        self._set_clock(slot)
        outcome = self._svm.send_transaction(transaction)
        after = {address: self._current(address) for address in writable}
        if isinstance(outcome, FailedTransactionMetadata) and before == after:
            raise NotLanded(error_json(outcome.err()), outcome.meta().logs())
        return self._keep(transaction, slot, outcome, before, after)

    def next_nonce(self) -> int:
        """A number that no transaction of the faucet carried before."""
        number = int(self.store.get("faucet_nonce", "0")) + 1
        with self.store.commit():
            self.store.put("faucet_nonce", str(number))
        return number

    def create(self, address: str, account: StoredAccount) -> None:
        """Put an account into the first block; the caller holds the commit."""
        self._svm.set_account(Pubkey.from_string(address), _to_svm(account))
        self.store.write_account(address, account)

    def roll_back(self, slots: int) -> list[StoredTransaction]:
        """Abandon the last `slots` slots, never a final one; what was in them."""
        tip = self.tip()
        kept = max(tip - slots, tip - self.pace.final_slots)
        dropped = self.store.transactions_after(kept)
        salt = os.urandom(8).hex()
        with self.store.commit():
            for address, account in self.store.undo_after(kept):
                self._restore(address, account)
            self.store.drop_transactions_after(kept)
            self.store.add_fork(kept + 1, salt)
        self._forks.append((kept + 1, salt))
        return dropped

    # --- inside -----------------------------------------------------------------

    def _anchor_slots(self) -> None:
        """Keep one (slot, time) pair, so that another pace goes on from the last slot."""
        store, now_ms = self.store, self._now_ms()
        slot_ms = int(store.get("slot_ms", str(self.pace.slot_ms)))
        self._anchor_slot = int(store.get("anchor_slot", str(GENESIS_SLOT)))
        self._anchor_ms = int(store.get("anchor_ms", str(now_ms)))
        self._floor_slot = store.last_slot()
        if slot_ms != self.pace.slot_ms:
            self._anchor_slot += max(now_ms - self._anchor_ms, 0) // slot_ms
            self._anchor_ms = now_ms
        with store.commit():
            store.put("slot_ms", str(self.pace.slot_ms))
            store.put("anchor_slot", str(self._anchor_slot))
            store.put("anchor_ms", str(self._anchor_ms))

    def _now_ms(self) -> int:
        return int(self._now().timestamp() * 1000)

    def _current(self, address: str) -> StoredAccount | None:
        account = self._svm.get_account(Pubkey.from_string(address))
        if account is None or account.lamports == 0:
            return None
        return StoredAccount(
            account.lamports, str(account.owner), bytes(account.data), account.executable
        )

    def _set_clock(self, slot: int) -> None:
        time = self._svm.get_clock()
        time.slot = slot
        time.unix_timestamp = self.slot_time(slot)
        self._svm.set_clock(time)

    def _check(self, transaction: VersionedTransaction, slot: int) -> None:
        if self.store.transaction(str(transaction.signatures[0])) is not None:
            raise NotLanded("AlreadyProcessed")
        if not self.is_blockhash_valid(transaction.message.recent_blockhash, slot):
            raise NotLanded("BlockhashNotFound")
        if _lookups(transaction):
            raise NotLanded("AddressLookupTableNotFound")

    def _keep(
        self,
        transaction: VersionedTransaction,
        slot: int,
        outcome: TransactionMetadata | FailedTransactionMetadata,
        before: dict[str, StoredAccount | None],
        after: dict[str, StoredAccount | None],
    ) -> StoredTransaction:
        failed = isinstance(outcome, FailedTransactionMetadata)
        err = json.dumps(error_json(outcome.err())) if failed else None  # type: ignore[union-attr]
        facts = outcome.meta() if isinstance(outcome, FailedTransactionMetadata) else outcome
        keys = [str(key) for key in transaction.message.account_keys]
        balances = self._balances(keys, before), self._balances(keys, after)
        meta = json.dumps(_meta(facts, *balances))
        signature, body = str(transaction.signatures[0]), bytes(transaction)
        with self.store.commit():
            seq = self.store.add_transaction(signature, slot, body, err, meta)
            self.store.add_mentions(seq, keys)
            for address, was in before.items():
                if was != after[address]:
                    self.store.write_undo(seq, slot, address, was)
                    self.store.write_account(address, after[address])
            self.store.forget_undo(slot - self.pace.final_slots - UNDO_SLOTS_KEPT)
        self._floor_slot = max(self._floor_slot, slot)
        return StoredTransaction(seq, signature, slot, body, err, meta)

    def _balances(self, keys: list[str], accounts: dict[str, StoredAccount | None]) -> list[Json]:
        """Per key; a read-only account counts as empty: nothing of it moves."""
        return [self._balance(accounts.get(key)) for key in keys]

    def _balance(self, account: StoredAccount | None) -> Json:
        if account is None:
            return {"lamports": 0, "token": None}
        token = token_reading(account)
        if token is not None:
            token["decimals"] = mint_decimals(self._current(str(token["mint"]))) or 0
        return {"lamports": account.lamports, "token": token}

    def _restore(self, address: str, account: StoredAccount | None) -> None:
        gone = StoredAccount(0, SYSTEM_PROGRAM, b"", executable=False)
        self._svm.set_account(Pubkey.from_string(address), _to_svm(account or gone))
        self.store.write_account(address, account)


def error_json(err: object) -> object:
    """A transaction error in the RPC's words, e.g. {"InstructionError": [0, {"Custom": 1}]}."""
    index, inner = getattr(err, "index", None), getattr(err, "err", None)
    if (account_index := getattr(err, "account_index", None)) is not None:
        name = type(err).__name__.removeprefix("TransactionError")
        return {name: {"account_index": account_index}}
    if index is None or inner is None:
        return str(err).rsplit(".", 1)[-1]
    code = getattr(inner, "code", None)
    return {
        "InstructionError": [index, {"Custom": code} if code is not None else error_json(inner)]
    }


def _to_svm(account: StoredAccount) -> Account:
    return Account(
        account.lamports, account.data, Pubkey.from_string(account.owner), account.executable, 0
    )


def _is_writable(transaction: VersionedTransaction, index: int) -> bool:
    """By the header: signers first, within each group the read-only ones last."""
    header, keys = transaction.message.header, len(transaction.message.account_keys)
    if index < header.num_required_signatures:
        return index < header.num_required_signatures - header.num_readonly_signed_accounts
    return index < keys - header.num_readonly_unsigned_accounts


def _lookups(transaction: VersionedTransaction) -> Sequence[object]:
    return getattr(transaction.message, "address_table_lookups", ()) or ()


def _meta(facts: TransactionMetadata, pre: list[Json], post: list[Json]) -> Json:
    """What getTransaction's `meta` is made of; balances in the order of the account keys."""
    return {
        "fee": facts.fee(),
        "logs": facts.logs(),
        "units": facts.compute_units_consumed(),
        "inner": [
            [
                {
                    "programIdIndex": inner.instruction().program_id_index,
                    "accounts": list(inner.instruction().accounts),
                    "data": bytes(inner.instruction().data).hex(),
                    "stackHeight": inner.stack_height(),
                }
                for inner in group
            ]
            for group in facts.inner_instructions()
        ],
        "pre": pre,
        "post": post,
    }


def mint_decimals(account: StoredAccount | None) -> int | None:
    """The decimals of a mint account; None for anything else."""
    if account is None or account.owner not in TOKEN_PROGRAMS or len(account.data) < 82:
        return None
    if len(account.data) != 82 and (len(account.data) <= 165 or account.data[165] != 1):
        return None
    return account.data[44]


def token_reading(account: StoredAccount) -> Json | None:
    """A token account's mint, owner, amount and state; None for anything else.

    Both token programs lay the first 165 bytes out alike; with extensions,
    byte 165 says 2 for an account (1 is a mint).
    """
    data = account.data
    is_account = len(data) == 165 or (len(data) > 165 and data[165] == 2)
    if account.owner not in TOKEN_PROGRAMS or not is_account or data[108] == 0:
        return None
    return {
        "mint": str(Pubkey.from_bytes(data[0:32])),
        "owner": str(Pubkey.from_bytes(data[32:64])),
        "amount": int.from_bytes(data[64:72], "little"),
        "state": ["uninitialized", "initialized", "frozen"][data[108]],
        "program": account.owner,
    }
