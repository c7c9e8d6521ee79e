"""Reading token transfers out of a transaction as getTransaction returns it.

Both the transaction's own instructions and those that programs called inside
(`innerInstructions`) may move tokens. Each is named by its position, which is
what makes a deposit unique.
"""

import base64
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from solders.transaction import VersionedTransaction

from custody.gateways.token2022 import TOKEN, TOKEN_2022

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
# Tag of a token instruction -> positions of (source, destination) among its accounts.
TRANSFER, MINT_TO, TRANSFER_CHECKED, MINT_TO_CHECKED = 3, 7, 12, 14
SOURCE_AND_TARGET: dict[int, tuple[int | None, int]] = {
    TRANSFER: (0, 1),
    TRANSFER_CHECKED: (0, 2),
    MINT_TO: (None, 1),
    MINT_TO_CHECKED: (None, 1),
}


@dataclass(frozen=True, slots=True)
class TokenTransfer:
    """Units into an account; `inner_index` is -1 for an instruction of the transaction itself."""

    instruction_index: int
    inner_index: int
    units: int
    sender: str  # the source's owner, else the source account, else ""


@dataclass(frozen=True, slots=True)
class _Instruction:
    instruction_index: int
    inner_index: int
    program: str
    accounts: Sequence[str]
    data: bytes


def read_transfers(
    answer: dict[str, Any], account: str, mint: str
) -> tuple[list[TokenTransfer], int]:
    """(transfers into `account`, how much its balance changed)."""
    meta = answer["meta"]
    keys = _keys(answer)
    owners = {keys[row["accountIndex"]]: row.get("owner", "") for row in meta["preTokenBalances"]}
    transfers = [
        transfer
        for instruction in _instructions(answer, keys)
        if (transfer := _transfer(instruction, account, owners)) is not None
    ]
    before = _balance(meta["preTokenBalances"], keys, account, mint)
    after = _balance(meta["postTokenBalances"], keys, account, mint)
    return transfers, after - before


def _keys(answer: dict[str, Any]) -> list[str]:
    """Every account of the transaction, in the order in which instructions number them."""
    transaction = _transaction(answer)
    loaded = answer["meta"].get("loadedAddresses") or {"writable": [], "readonly": []}
    static = [str(key) for key in transaction.message.account_keys]
    return [*static, *loaded["writable"], *loaded["readonly"]]


def _transaction(answer: dict[str, Any]) -> VersionedTransaction:
    return VersionedTransaction.from_bytes(base64.b64decode(answer["transaction"][0]))


def _instructions(answer: dict[str, Any], keys: list[str]) -> Iterator[_Instruction]:
    for index, each in enumerate(_transaction(answer).message.instructions):
        accounts = [keys[position] for position in each.accounts]
        yield _Instruction(index, -1, keys[each.program_id_index], accounts, bytes(each.data))
    for group in answer["meta"].get("innerInstructions") or []:
        for position, inner in enumerate(group["instructions"]):
            accounts = [keys[at] for at in inner["accounts"]]
            program, data = keys[inner["programIdIndex"]], from_base58(inner["data"])
            yield _Instruction(int(group["index"]), position, program, accounts, data)


def _transfer(
    instruction: _Instruction, account: str, owners: dict[str, str]
) -> TokenTransfer | None:
    is_token = instruction.program in (str(TOKEN), str(TOKEN_2022))
    if not is_token or len(instruction.data) < 9:
        return None
    positions = SOURCE_AND_TARGET.get(instruction.data[0])
    if positions is None or instruction.accounts[positions[1]] != account:
        return None
    source = instruction.accounts[positions[0]] if positions[0] is not None else ""
    if source == account:
        return None  # to itself: nothing arrived
    (units,) = struct.unpack_from("<Q", instruction.data, 1)
    if units == 0:
        return None
    return TokenTransfer(
        instruction.instruction_index, instruction.inner_index, units, owners.get(source) or source
    )


def _balance(rows: list[dict[str, Any]], keys: list[str], account: str, mint: str) -> int:
    for row in rows:
        if keys[row["accountIndex"]] == account and row["mint"] == mint:
            return int(row["uiTokenAmount"]["amount"])
    return 0


def from_base58(text: str) -> bytes:
    """Decode base58, as the RPC writes the data of inner instructions."""
    number = 0
    for character in text:
        number = number * 58 + BASE58.index(character)
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
