"""The chain: Solana's JSON-RPC over HTTP, any node.

Reads say at which slot they hold. What is final is asked at `finalized`; a
confirmed block may still be abandoned. The client decides nothing: a time-out,
an HTTP error or a malformed answer is GatewayUnavailable, and the caller's row
keeps the state that says so.
"""

import base64
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from django.conf import settings
from solders.hash import Hash
from solders.pubkey import Pubkey
from solders.signature import Signature

from custody.gateways.chain_transfers import TokenTransfer, read_transfers
from custody.gateways.tls import tls_context
from custody.gateways.token2022 import FROZEN, TOKEN, TOKEN_2022
from kernel import faults
from kernel.gateways import GatewaySilent, GatewayUnavailable
from kernel.money import UNITS_MAX

PARTY = "chain"
TIMEOUT_SECONDS = 10.0
STATUSES_MAX = 256  # a node answers no more at once
ACCOUNTS_MAX = 100
SIGNATURES_MAX = 1_000
STATE_BYTE = 108  # of a token account: 1 is initialized, 2 frozen
FINALIZED = "finalized"
CONFIRMED = "confirmed"


class ChainError(Exception):
    """The node understood and said no; `code` and `data` are JSON-RPC's."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.data = data


@dataclass(frozen=True, slots=True)
class RecentBlockhash:
    """A transaction signed with it lands at this height at the latest, or never."""

    blockhash: Hash
    last_valid_block_height: int


@dataclass(frozen=True, slots=True)
class SignatureStatus:
    """What became of a transaction; `error` is "" unless the chain ran and failed it."""

    slot: int
    commitment: str
    error: str


@dataclass(frozen=True, slots=True)
class Transfers:
    """One transaction's transfers into a token account.

    `reconciles`: they add up to the change of its balance, so none was overlooked.
    """

    slot: int
    transfers: Sequence[TokenTransfer]
    reconciles: bool


class SolanaChain:
    """One node; a context manager that closes its connections."""

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._client = httpx.Client(base_url=url, timeout=timeout_seconds, verify=tls_context())
        self._ids = itertools.count(1)

    @classmethod
    def from_settings(cls) -> "SolanaChain":
        return cls(settings.ENV.server("solana_rpc_url"))

    def __enter__(self) -> "SolanaChain":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    # --- sending ----------------------------------------------------------------

    def latest_blockhash(self) -> RecentBlockhash:
        value = self._call("getLatestBlockhash", {"commitment": CONFIRMED})["value"]
        return RecentBlockhash(
            Hash.from_string(value["blockhash"]), int(value["lastValidBlockHeight"])
        )

    def rent_lamports(self, size: int) -> int:
        return int(self._call("getMinimumBalanceForRentExemption", size))

    def simulate(self, signed: bytes) -> str:
        """Why the transaction would fail now, or "" when it would not."""
        config = {"encoding": "base64", "commitment": CONFIRMED}
        value = self._call("simulateTransaction", _base64(signed), config)["value"]
        logs = "; ".join(value.get("logs") or [])
        return f"{value['err']}: {logs}" if value["err"] is not None else ""

    def send(self, signed: bytes) -> None:
        """Hand signed bytes to the node; what becomes of them, `statuses` says.

        Without preflight: a node that lags would refuse what another has landed.
        """
        config = {"encoding": "base64", "skipPreflight": True, "maxRetries": 0}
        faults.reach("chain.before_send")
        self._call("sendTransaction", _base64(signed), config)
        faults.reach("chain.after_send")

    def statuses(self, signatures: Sequence[str]) -> tuple[int, list[SignatureStatus | None]]:
        """(slot of the answer, what is known of each); None: not in any block."""
        assert len(signatures) <= STATUSES_MAX
        config = {"searchTransactionHistory": True}
        answer = self._call("getSignatureStatuses", list(signatures), config)
        known = [_status(value) for value in answer["value"]]
        return int(answer["context"]["slot"]), known

    # --- reading ----------------------------------------------------------------

    def slot(self, commitment: str = FINALIZED) -> int:
        return int(self._call("getSlot", {"commitment": commitment}))

    def block_height(self, commitment: str = FINALIZED) -> int:
        return int(self._call("getBlockHeight", {"commitment": commitment}))

    def lamports(self, address: str) -> int:
        return int(self._call("getBalance", address, {"commitment": CONFIRMED})["value"])

    def token_units(
        self, accounts: Sequence[str], mint: str, commitment: str = FINALIZED
    ) -> tuple[int, list[int | None]]:
        """(slot, units of each token account); None: no account of this mint there."""
        assert len(accounts) <= ACCOUNTS_MAX
        config = {"encoding": "base64", "commitment": commitment}
        answer = self._call("getMultipleAccounts", list(accounts), config)
        units = [_token_units(value, Pubkey.from_string(mint)) for value in answer["value"]]
        return int(answer["context"]["slot"]), units

    def may_receive(self, account: str, mint: str) -> bool | None:
        """Whether a token account takes and gives units; None: there is none of this mint."""
        config = {"encoding": "base64", "commitment": CONFIRMED}
        value = self._call("getMultipleAccounts", [account], config)["value"][0]
        raw = _token_account(value, Pubkey.from_string(mint))
        return None if raw is None else raw[STATE_BYTE] != FROZEN

    def supply(self, mint: str, commitment: str = FINALIZED) -> tuple[int, int]:
        """(slot, units in circulation). :raises ChainError: it is no mint."""
        answer = self._call("getTokenSupply", mint, {"commitment": commitment})
        return int(answer["context"]["slot"]), int(answer["value"]["amount"])

    def supplies(
        self, mints: Sequence[str], commitment: str = FINALIZED
    ) -> tuple[int, list[int | None]]:
        """(slot, units in circulation of each mint), all at once; None: no mint there."""
        assert len(mints) <= ACCOUNTS_MAX
        config = {"encoding": "base64", "commitment": commitment}
        answer = self._call("getMultipleAccounts", list(mints), config)
        units = [_mint_supply(value) for value in answer["value"]]
        return int(answer["context"]["slot"]), units

    def signatures_of(
        self, address: str, *, until: str, before: str = "", commitment: str = CONFIRMED
    ) -> list[str]:
        """Successful transactions that mention an address, newest first, after `until`."""
        config: dict[str, object] = {"commitment": commitment, "limit": SIGNATURES_MAX}
        config |= {"until": until} if until else {}
        config |= {"before": before} if before else {}
        found = self._call("getSignaturesForAddress", address, config)
        return [str(row["signature"]) for row in found if row["err"] is None]

    def transfers_into(
        self, signature: str, account: str, mint: str, commitment: str = CONFIRMED
    ) -> Transfers | None:
        """What a transaction moved into a token account; None: no such transaction there."""
        answer = self._transaction(signature, commitment)
        if answer is None:
            return None
        transfers, change = read_transfers(answer, account, mint)
        reconciles = sum(each.units for each in transfers) == change
        return Transfers(int(answer["slot"]), transfers, reconciles)

    def change_of(
        self, signature: str, account: str, mint: str, commitment: str = FINALIZED
    ) -> int | None:
        """By how much a transaction changed a token account; None: no such transaction."""
        try:
            Signature.from_string(signature)
        except ValueError:
            return None
        answer = self._transaction(signature, commitment)
        return None if answer is None else read_transfers(answer, account, mint)[1]

    # --- inside -----------------------------------------------------------------

    def _transaction(self, signature: str, commitment: str) -> Any:
        """getTransaction's answer; None: not known, or it failed on the chain."""
        config = {
            "encoding": "base64",
            "commitment": commitment,
            "maxSupportedTransactionVersion": 0,
        }
        answer = self._call("getTransaction", signature, config)
        return None if answer is None or answer["meta"]["err"] is not None else answer

    def _call(self, method: str, *params: object) -> Any:
        """One JSON-RPC call. :raises GatewayUnavailable, ChainError: as they say."""
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        try:
            response = self._client.post("/", json=body)
            response.raise_for_status()
            answer = response.json()
        except httpx.TransportError as error:
            raise GatewaySilent(PARTY, f"{method}: {error!r}") from error
        except (httpx.HTTPError, ValueError) as error:
            raise GatewayUnavailable(PARTY, f"{method}: {error!r}") from error
        if not isinstance(answer, dict) or answer.get("id") != body["id"]:
            raise GatewayUnavailable(PARTY, f"{method}: not an answer to our question")
        if (refused := answer.get("error")) is not None:
            raise ChainError(
                int(refused.get("code", 0)), str(refused.get("message")), refused.get("data")
            )
        return answer.get("result")


def _base64(signed: bytes) -> str:
    return base64.b64encode(signed).decode()


def _status(value: dict[str, Any] | None) -> SignatureStatus | None:
    if value is None:
        return None
    error = "" if value["err"] is None else str(value["err"])
    return SignatureStatus(int(value["slot"]), str(value["confirmationStatus"]), error)


def _mint_supply(value: dict[str, Any] | None) -> int | None:
    if value is None or value["owner"] not in (str(TOKEN), str(TOKEN_2022)):
        return None
    raw = base64.b64decode(value["data"][0])
    # With extensions, byte 165 says 1 for a mint (2 is an account).
    is_mint = len(raw) == 82 or (len(raw) > 165 and raw[165] == 1)
    return _countable(raw[36:44]) if is_mint else None


def _token_units(value: dict[str, Any] | None, mint: Pubkey) -> int | None:
    raw = _token_account(value, mint)
    return None if raw is None else _countable(raw[64:72])


def _countable(raw: bytes) -> int:
    """At most what our books can count: a chain that says more is as wrong as that."""
    return min(int.from_bytes(raw, "little"), UNITS_MAX)


def _token_account(value: dict[str, Any] | None, mint: Pubkey) -> bytes | None:
    """The bytes of a token account of this mint; None: it is none."""
    if value is None or value["owner"] not in (str(TOKEN), str(TOKEN_2022)):
        return None
    raw = base64.b64decode(value["data"][0])
    return None if len(raw) < 165 or raw[:32] != bytes(mint) else raw
