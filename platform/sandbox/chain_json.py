"""How the sandbox chain writes accounts and transactions: the shapes of Solana's RPC."""

import base64
import json
import struct

from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from sandbox.chain_node import Json, mint_decimals, token_reading
from sandbox.chain_store import StoredAccount, StoredTransaction

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
PROGRAM_NAMES = {
    "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA": "spl-token",
    "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb": "spl-token-2022",
}


def base58(data: bytes) -> str:
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = BASE58[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def amount(units: int, decimals: int) -> Json:
    """Solana's UiTokenAmount; the multiplier of ScaledUiAmount is left to the reader."""
    whole, fraction = divmod(units, 10**decimals)
    text = f"{whole}.{fraction:0{decimals}d}".rstrip("0").rstrip(".") if decimals else str(whole)
    return {
        "amount": str(units),
        "decimals": decimals,
        "uiAmount": float(text),
        "uiAmountString": text,
    }


def mint_supply(account: StoredAccount) -> int:
    supply: int = struct.unpack_from("<Q", account.data, 36)[0]
    return supply


def account_json(account: StoredAccount, encoding: str, decimals: int | None) -> Json:
    """An account; `decimals` are those of a token account's mint, for jsonParsed."""
    parsed = _parsed(account, decimals) if encoding == "jsonParsed" else None
    return {
        "lamports": account.lamports,
        "owner": account.owner,
        "executable": account.executable,
        "rentEpoch": 2**64 - 1,
        "space": len(account.data),
        "data": parsed or [base64.b64encode(account.data).decode(), "base64"],
    }


def transaction_json(stored: StoredTransaction, block_time: int, encoding: str) -> Json:
    """getTransaction's result; `json` and `base64` encodings."""
    transaction = VersionedTransaction.from_bytes(stored.body)
    keys = [str(key) for key in transaction.message.account_keys]
    body: object = [base64.b64encode(stored.body).decode(), "base64"]
    if encoding in ("json", "jsonParsed"):
        body = {
            "signatures": [str(signature) for signature in transaction.signatures],
            "message": _message_json(transaction, keys),
        }
    return {
        "slot": stored.slot,
        "blockTime": block_time,
        "version": 0 if hasattr(transaction.message, "address_table_lookups") else "legacy",
        "transaction": body,
        "meta": _meta_json(stored, keys),
    }


def _message_json(transaction: VersionedTransaction, keys: list[str]) -> Json:
    message = transaction.message
    return {
        "accountKeys": keys,
        "header": {
            "numRequiredSignatures": message.header.num_required_signatures,
            "numReadonlySignedAccounts": message.header.num_readonly_signed_accounts,
            "numReadonlyUnsignedAccounts": message.header.num_readonly_unsigned_accounts,
        },
        "recentBlockhash": str(message.recent_blockhash),
        "instructions": [
            {
                "programIdIndex": instruction.program_id_index,
                "accounts": list(instruction.accounts),
                "data": base58(bytes(instruction.data)),
                "stackHeight": 1,
            }
            for instruction in message.instructions
        ],
    }


def _meta_json(stored: StoredTransaction, keys: list[str]) -> Json:
    meta = json.loads(stored.meta)
    err = json.loads(stored.err) if stored.err is not None else None
    return {
        "err": err,
        "status": {"Ok": None} if err is None else {"Err": err},
        "fee": meta["fee"],
        "logMessages": meta["logs"],
        "computeUnitsConsumed": meta["units"],
        "innerInstructions": [
            {"index": index, "instructions": [_inner_json(inner) for inner in group]}
            for index, group in enumerate(meta["inner"])
            if group
        ],
        "preBalances": [balance["lamports"] for balance in meta["pre"]],
        "postBalances": [balance["lamports"] for balance in meta["post"]],
        "preTokenBalances": _token_balances(meta["pre"]),
        "postTokenBalances": _token_balances(meta["post"]),
        "loadedAddresses": {"writable": [], "readonly": []},
        "rewards": [],
    }


def _inner_json(inner: dict[str, object]) -> Json:
    return {**inner, "data": base58(bytes.fromhex(str(inner["data"])))}


def _token_balances(balances: list[dict[str, dict[str, object] | None]]) -> list[Json]:
    rows: list[Json] = []
    for index, balance in enumerate(balances):
        token = balance["token"]
        if token is not None:
            rows.append(
                {
                    "accountIndex": index,
                    "mint": token["mint"],
                    "owner": token["owner"],
                    "programId": token["program"],
                    "uiTokenAmount": {
                        "amount": str(token["amount"]),
                        "decimals": token["decimals"],
                    },
                }
            )
    return rows


def _parsed(account: StoredAccount, decimals: int | None) -> Json | None:
    program = PROGRAM_NAMES.get(account.owner)
    token = token_reading(account)
    if program and token and decimals is not None:
        kind: str = "account"
        info: Json = {
            "mint": token["mint"],
            "owner": token["owner"],
            "state": token["state"],
            "isNative": False,
            "tokenAmount": amount(int(str(token["amount"])), decimals),
        }
    elif program and (own := mint_decimals(account)) is not None:
        kind, info = "mint", _mint_info(account, own)
    else:
        return None
    parsed = {"type": kind, "info": info}
    return {"program": program, "parsed": parsed, "space": len(account.data)}


def _mint_info(account: StoredAccount, decimals: int) -> Json:
    data = account.data
    return {
        "decimals": decimals,
        "supply": str(mint_supply(account)),
        "isInitialized": bool(data[45]),
        "mintAuthority": str(Pubkey.from_bytes(data[4:36])) if data[0] else None,
        "freezeAuthority": str(Pubkey.from_bytes(data[50:82])) if data[46] else None,
    }
