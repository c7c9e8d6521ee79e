"""Instructions of the Token-2022 program, byte for byte.

No library builds these extensions in Python, so the bytes are written here: a
tag (the position in the program's `TokenInstruction`), for extensions a
sub-tag, then little-endian fields; an absent key is 32 zero bytes. Source: the
program's own documentation, solana-program.com/docs/token-2022.
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey
from solders.system_program import CreateAccountParams, create_account

TOKEN_2022 = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
TOKEN = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
ASSOCIATED = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
SYSTEM = Pubkey.from_string("11111111111111111111111111111111")

# Bytes of each extension in a mint: type and length (4), then its fields.
MINT_BASE_BYTES = 166
EXTENSION_BYTES = {
    "default_account_state": 1,
    "permanent_delegate": 32,
    "transfer_hook": 64,
    "metadata_pointer": 64,
    "scaled_ui_amount": 56,
    "pausable": 33,
}
MINT_BYTES = MINT_BASE_BYTES + sum(4 + size for size in EXTENSION_BYTES.values())
# The metadata is written after the mint exists, into space that this rent pays for.
METADATA_BYTES_MAX = 600
FROZEN = 2


@dataclass(frozen=True, slots=True)
class Metadata:
    """What wallets show of a token; `fields` are further (key, value) pairs."""

    name: str
    symbol: str
    uri: str
    fields: Sequence[tuple[str, str]] = ()


def associated_account(owner: Pubkey, mint: Pubkey, program: Pubkey = TOKEN_2022) -> Pubkey:
    """The owner's token account of a mint, as every wallet derives it."""
    seeds = [bytes(owner), bytes(program), bytes(mint)]
    return Pubkey.find_program_address(seeds, ASSOCIATED)[0]


def create_mint(
    *,
    payer: Pubkey,
    mint: Pubkey,
    authority: Pubkey,
    compliance: Pubkey,
    decimals: int,
    multiplier: float,
    rent_lamports: int,
    metadata: Metadata,
) -> list[Instruction]:
    """A mint whose accounts are born frozen, with every extension the product uses.

    `authority` mints, scales and writes metadata; `compliance` freezes, pauses
    and is the permanent delegate. The transfer hook's slot is kept, empty.
    """
    account = CreateAccountParams(
        from_pubkey=payer,
        to_pubkey=mint,
        lamports=rent_lamports,
        space=MINT_BYTES,
        owner=TOKEN_2022,
    )
    return [
        create_account(account),
        _token([39, 0, *bytes(authority), *bytes(mint)], _w(mint)),  # metadata pointer
        _token([35, *bytes(compliance)], _w(mint)),  # permanent delegate
        _token([43, 0, *bytes(authority), *struct.pack("<d", multiplier)], _w(mint)),  # scaled
        _token([44, 0, *bytes(compliance)], _w(mint)),  # pausable
        _token([28, 0, FROZEN], _w(mint)),  # default account state
        _token([36, 0, *bytes(authority), *bytes(32)], _w(mint)),  # transfer hook: no program
        _token([20, decimals, *bytes(authority), 1, *bytes(compliance)], _w(mint)),
        *_metadata(mint, authority, metadata),
    ]


def open_account(
    payer: Pubkey, owner: Pubkey, mint: Pubkey, program: Pubkey = TOKEN_2022
) -> Instruction:
    """Create the owner's associated account unless it is there."""
    metas = [
        _w(payer, signs=True),
        _w(associated_account(owner, mint, program)),
        _r(owner),
        _r(mint),
        _r(SYSTEM),
        _r(program),
    ]
    return Instruction(ASSOCIATED, b"\x01", metas)


def mint_to(
    mint: Pubkey, account: Pubkey, authority: Pubkey, units: int, decimals: int
) -> Instruction:
    data = struct.pack("<BQB", 14, units, decimals)
    return _token(data, _w(mint), _w(account), _r(authority, signs=True))


def transfer(
    *,
    mint: Pubkey,
    source: Pubkey,
    target: Pubkey,
    authority: Pubkey,
    units: int,
    decimals: int,
    program: Pubkey = TOKEN_2022,
) -> Instruction:
    """Move units; `authority` is the owner, or the permanent delegate."""
    metas = [_w(source), _r(mint), _w(target), _r(authority, signs=True)]
    return Instruction(program, struct.pack("<BQB", 12, units, decimals), metas)


def burn(
    mint: Pubkey, account: Pubkey, authority: Pubkey, units: int, decimals: int
) -> Instruction:
    data = struct.pack("<BQB", 15, units, decimals)
    return _token(data, _w(account), _w(mint), _r(authority, signs=True))


def freeze(mint: Pubkey, account: Pubkey, compliance: Pubkey) -> Instruction:
    return _token([10], _w(account), _r(mint), _r(compliance, signs=True))


def thaw(mint: Pubkey, account: Pubkey, compliance: Pubkey) -> Instruction:
    return _token([11], _w(account), _r(mint), _r(compliance, signs=True))


def pause(mint: Pubkey, compliance: Pubkey) -> Instruction:
    return _token([44, 1], _w(mint), _r(compliance, signs=True))


def resume(mint: Pubkey, compliance: Pubkey) -> Instruction:
    return _token([44, 2], _w(mint), _r(compliance, signs=True))


def update_multiplier(
    mint: Pubkey, authority: Pubkey, multiplier: float, effective_at: int
) -> Instruction:
    """The displayed amount per unit, from a Unix second on; units never change."""
    data = bytes([43, 1]) + struct.pack("<dq", multiplier, effective_at)
    return _token(data, _w(mint), _r(authority, signs=True))


def _metadata(mint: Pubkey, authority: Pubkey, metadata: Metadata) -> list[Instruction]:
    start = _discriminator("initialize_account") + b"".join(
        _text(part) for part in (metadata.name, metadata.symbol, metadata.uri)
    )
    metas = _w(mint), _r(authority), _r(mint), _r(authority, signs=True)
    return [_token(start, *metas)] + [
        # 3: a key of our own, not one of name, symbol, uri
        _token(
            _discriminator("updating_field") + b"\x03" + _text(key) + _text(value),
            _w(mint),
            _r(authority, signs=True),
        )
        for key, value in metadata.fields
    ]


def _discriminator(name: str) -> bytes:
    return hashlib.sha256(f"spl_token_metadata_interface:{name}".encode()).digest()[:8]


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<I", len(encoded)) + encoded


def _token(data: bytes | list[int], *metas: AccountMeta) -> Instruction:
    return Instruction(TOKEN_2022, bytes(data), list(metas))


def _w(key: Pubkey, *, signs: bool = False) -> AccountMeta:
    return AccountMeta(key, signs, True)


def _r(key: Pubkey, *, signs: bool = False) -> AccountMeta:
    return AccountMeta(key, signs, False)
