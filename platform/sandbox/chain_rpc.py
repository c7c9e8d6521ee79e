"""The methods of the sandbox's JSON-RPC; shapes as Solana's documentation gives them."""

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from solders.hash import Hash
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from sandbox.chain_json import account_json, amount, mint_supply, transaction_json
from sandbox.chain_node import (
    BLOCKHASH_SLOTS,
    TOKEN_PROGRAMS,
    Json,
    Node,
    NotLanded,
    mint_decimals,
    token_reading,
)
from sandbox.chain_store import StoredAccount, StoredTransaction
from sandbox.faucet import Faucet, FaucetRefused

Config = dict[str, Any]
ACCOUNTS_MAX = 100
STATUSES_MAX = 256
SIGNATURES_MAX = 1_000


class RpcError(Exception):
    """An error that the caller gets in JSON-RPC's `error`."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


class Rpc:
    """One method per JSON-RPC method, over a node."""

    def __init__(self, node: Node, faucet: Faucet) -> None:
        self._node = node
        self._faucet = faucet
        self.methods: dict[str, Callable[..., object]] = {
            "getHealth": lambda: "ok",
            "getVersion": lambda: {"solana-core": "3.0.0", "feature-set": 0},
            "getLatestBlockhash": self.get_latest_blockhash,
            "isBlockhashValid": self.is_blockhash_valid,
            "getSlot": lambda config=None: self._slot(config),
            "getBlockHeight": lambda config=None: node.height(self._slot(config)),
            "getBlockTime": node.slot_time,
            "getBalance": self.get_balance,
            "getAccountInfo": self.get_account_info,
            "getMultipleAccounts": self.get_multiple_accounts,
            "getTokenAccountBalance": self.get_token_account_balance,
            "getTokenSupply": self.get_token_supply,
            "getTokenAccountsByOwner": self.get_token_accounts_by_owner,
            "getSignaturesForAddress": self.get_signatures_for_address,
            "getTransaction": self.get_transaction,
            "getSignatureStatuses": self.get_signature_statuses,
            "sendTransaction": self.send_transaction,
            "simulateTransaction": self.simulate_transaction,
            "requestAirdrop": self.request_airdrop,
            "getMinimumBalanceForRentExemption": lambda size, config=None: node.rent(size),
        }

    # --- blocks -----------------------------------------------------------------

    def get_latest_blockhash(self, config: Config | None = None) -> Json:
        slot = self._slot(config)
        last = self._node.height(slot + BLOCKHASH_SLOTS - 1)
        value = {"blockhash": str(self._node.blockhash(slot)), "lastValidBlockHeight": last}
        return self._context(slot, value)

    def is_blockhash_valid(self, blockhash: str, config: Config | None = None) -> Json:
        slot = self._slot(config)
        valid = self._node.is_blockhash_valid(Hash.from_string(blockhash), self._node.tip())
        return self._context(slot, valid)

    # --- accounts ---------------------------------------------------------------

    def get_balance(self, address: str, config: Config | None = None) -> Json:
        slot = self._slot(config)
        account = self._account(address, slot)
        return self._context(slot, account.lamports if account else 0)

    def get_account_info(self, address: str, config: Config | None = None) -> Json:
        slot = self._slot(config)
        return self._context(slot, self._account_json(address, slot, config))

    def get_multiple_accounts(self, addresses: list[str], config: Config | None = None) -> Json:
        if len(addresses) > ACCOUNTS_MAX:
            raise RpcError(-32602, f"Too many inputs provided; max {ACCOUNTS_MAX}")
        slot = self._slot(config)
        return self._context(slot, [self._account_json(a, slot, config) for a in addresses])

    def get_token_account_balance(self, address: str, config: Config | None = None) -> Json:
        slot = self._slot(config)
        account = self._account(address, slot)
        token = token_reading(account) if account else None
        if token is None:
            raise RpcError(-32602, "Invalid param: could not find account")
        decimals = self._decimals(str(token["mint"]), slot)
        return self._context(slot, amount(int(str(token["amount"])), decimals))

    def get_token_supply(self, address: str, config: Config | None = None) -> Json:
        slot = self._slot(config)
        account = self._account(address, slot)
        decimals = mint_decimals(account)
        if account is None or decimals is None:
            raise RpcError(-32602, "Invalid param: not a Token mint")
        return self._context(slot, amount(mint_supply(account), decimals))

    def get_token_accounts_by_owner(
        self, owner: str, which: dict[str, str], config: Config | None = None
    ) -> Json:
        slot = self._slot(config)
        programs = [which["programId"]] if "programId" in which else sorted(TOKEN_PROGRAMS)
        found = [pair for program in programs for pair in self._node.accounts_of(program, slot)]
        value = [
            {"pubkey": address, "account": self._account_json(address, slot, config)}
            for address, account in found
            if (token := token_reading(account)) is not None
            and token["owner"] == owner
            and which.get("mint", token["mint"]) == token["mint"]
        ]
        return self._context(slot, value)

    # --- transactions -----------------------------------------------------------

    def get_signatures_for_address(self, address: str, config: Config | None = None) -> list[Json]:
        config = config or {}
        slot = self._slot(config)
        before = self._seq(config.get("before"))
        until = self._seq(config.get("until")) or 0
        limit = min(int(config.get("limit", SIGNATURES_MAX)), SIGNATURES_MAX)
        self._pubkey(address)
        found = self._node.store.transactions_of(address, slot, before, until, limit)
        return [
            {
                "signature": each.signature,
                "slot": each.slot,
                "err": _err(each),
                "memo": None,
                "blockTime": self._node.slot_time(each.slot),
                "confirmationStatus": self._status(each.slot),
            }
            for each in found
        ]

    def get_transaction(self, signature: str, config: Config | str | None = None) -> Json | None:
        config = {"encoding": config} if isinstance(config, str) else config or {}
        stored = self._node.store.transaction(signature)
        if stored is None or stored.slot > self._slot(config):
            return None
        encoding = str(config.get("encoding", "json"))
        return transaction_json(stored, self._node.slot_time(stored.slot), encoding)

    def get_signature_statuses(self, signatures: list[str], config: Config | None = None) -> Json:
        if len(signatures) > STATUSES_MAX:
            raise RpcError(-32602, f"Too many inputs provided; max {STATUSES_MAX}")
        slot = self._slot({"commitment": "processed"})
        return self._context(slot, [self._signature_status(each, slot) for each in signatures])

    def send_transaction(self, encoded: str, config: Config | None = None) -> str:
        """Land it, or keep it for later, or lose it, as the faults say."""
        config = config or {}
        transaction = self._decode(encoded, str(config.get("encoding", "base58")))
        signature = str(transaction.signatures[0])
        self._settle()
        if not config.get("skipPreflight", False):
            self._preflight(transaction)
        if self._strikes("drop"):
            return signature
        if self._strikes("delay"):
            return self._keep_for_later(transaction, signature)
        try:
            self._node.land(transaction, self._node.tip())
        except NotLanded as error:
            self._raise_unless_silent(error, config)
        return signature

    def simulate_transaction(self, encoded: str, config: Config | None = None) -> Json:
        config = config or {}
        slot = self._slot(config)
        transaction = self._decode(encoded, str(config.get("encoding", "base58")))
        outcome = self._node.simulate(transaction)
        value = {
            "err": outcome.err,
            "logs": outcome.logs,
            "unitsConsumed": outcome.units_consumed,
            "accounts": None,
            "returnData": None,
        }
        return self._context(slot, value)

    def request_airdrop(self, address: str, lamports: int, config: Config | None = None) -> str:
        try:
            return self._faucet.airdrop(address, lamports)
        except FaucetRefused as refusal:
            raise RpcError(-32602, str(refusal)) from None

    # --- faults -----------------------------------------------------------------

    def roll_back(self, slots: int, *, requeue: bool) -> list[str]:
        """Abandon the newest slots; with `requeue` their transactions try to land again."""
        dropped = self._node.roll_back(slots)
        store = self._node.store
        if requeue:
            with store.commit():
                for each in dropped:
                    store.add_pending(each.signature, each.body, self._node.tip() + 1)
        return [each.signature for each in dropped]

    def loses(self) -> bool:
        """Whether the answer to this transaction gets lost on its way back."""
        return self._strikes("lose_answers")

    def _strikes(self, fault: str) -> bool:
        store = self._node.store
        left = int(store.get(f"fault:{fault}", "0"))
        if left == 0:
            return False
        with store.commit():
            store.put(f"fault:{fault}", str(left - 1))
        return True

    def _keep_for_later(self, transaction: VersionedTransaction, signature: str) -> str:
        store = self._node.store
        slots = int(store.get("fault:delay_slots", "8"))
        with store.commit():
            store.add_pending(signature, bytes(transaction), self._node.tip() + slots)
        return signature

    def _settle(self) -> None:
        """Land what was delayed until now, in the slots it was delayed to."""
        store = self._node.store
        for signature, body, slot in store.due(self._node.tip()):
            # Not landed: it expired on the way, or is there already.
            with suppress(NotLanded):
                self._node.land(VersionedTransaction.from_bytes(body), slot)
            with store.commit():
                store.drop_pending(signature)

    # --- inside -----------------------------------------------------------------

    def _slot(self, config: Config | None) -> int:
        self._settle()
        slot = self._node.slot_at(str((config or {}).get("commitment", "finalized")))
        if slot < int((config or {}).get("minContextSlot", 0)):
            raise RpcError(-32016, "Minimum context slot has not been reached")
        return slot

    @staticmethod
    def _context(slot: int, value: object) -> Json:
        return {"context": {"apiVersion": "3.0.0", "slot": slot}, "value": value}

    @staticmethod
    def _pubkey(address: str) -> str:
        try:
            return str(Pubkey.from_string(address))
        except ValueError:
            raise RpcError(-32602, "Invalid param: WrongSize") from None

    def _account(self, address: str, slot: int) -> StoredAccount | None:
        return self._node.account(self._pubkey(address), slot)

    def _account_json(self, address: str, slot: int, config: Config | None) -> Json | None:
        account = self._account(address, slot)
        if account is None:
            return None
        encoding = str((config or {}).get("encoding", "base64"))
        token = token_reading(account)
        decimals = self._decimals(str(token["mint"]), slot) if token else None
        return account_json(account, encoding, decimals)

    def _decimals(self, mint: str, slot: int) -> int:
        return mint_decimals(self._account(mint, slot)) or 0

    def _seq(self, signature: str | None) -> int | None:
        stored = self._node.store.transaction(signature) if signature else None
        return stored.seq if stored else None

    def _status(self, slot: int) -> str:
        for commitment in ("finalized", "confirmed"):
            if slot <= self._node.slot_at(commitment):
                return commitment
        return "processed"

    def _signature_status(self, signature: str, slot: int) -> Json | None:
        stored = self._node.store.transaction(signature)
        if stored is None or stored.slot > slot:
            return None
        status, err = self._status(stored.slot), _err(stored)
        return {
            "slot": stored.slot,
            "confirmations": None if status == "finalized" else slot - stored.slot,
            "err": err,
            "status": {"Ok": None} if err is None else {"Err": err},
            "confirmationStatus": status,
        }

    @staticmethod
    def _decode(encoded: str, encoding: str) -> VersionedTransaction:
        if encoding != "base64":
            raise RpcError(-32602, "This node takes base64 alone: say encoding base64")
        try:
            return VersionedTransaction.from_bytes(base64.b64decode(encoded, validate=True))
        except ValueError as error:
            raise RpcError(-32602, f"failed to deserialize the transaction: {error}") from None

    def _preflight(self, transaction: VersionedTransaction) -> None:
        tip = self._node.tip()
        if not self._node.is_blockhash_valid(transaction.message.recent_blockhash, tip):
            self._refuse("BlockhashNotFound", [])
        if self._node.store.transaction(str(transaction.signatures[0])) is not None:
            self._refuse("AlreadyProcessed", [])
        outcome = self._node.simulate(transaction)
        if outcome.err is not None:
            self._refuse(outcome.err, outcome.logs)

    @staticmethod
    def _refuse(err: object, logs: list[str]) -> None:
        if err == "SignatureFailure":
            raise RpcError(-32003, "Transaction signature verification failure")
        message = f"Transaction simulation failed: {json.dumps(err)}"
        raise RpcError(-32002, message, {"err": err, "logs": logs, "accounts": None})

    def _raise_unless_silent(self, error: NotLanded, config: Config) -> None:
        """Without preflight a real node answers the signature, whatever becomes of it."""
        if error.err == "SignatureFailure" or not config.get("skipPreflight", False):
            self._refuse(error.err, error.logs)


def _err(stored: StoredTransaction) -> object:
    return json.loads(stored.err) if stored.err is not None else None
