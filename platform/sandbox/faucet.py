"""The demo faucet: USDC on the sandbox chain, sent in real transactions.

The mint stands at mainnet's USDC address, so nothing of ours is configured
otherwise in the sandbox; only here does somebody hold its mint authority.
    POST /faucet {"address": "<wallet or token account>", "usdc": "1000"}
"""

import re
import struct

from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from sandbox.chain_node import Node, token_reading
from sandbox.chain_store import Store, StoredAccount

USDC_MINT = Pubkey.from_string("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v")
USDC_DECIMALS = 6
TOKEN = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
ATA = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
SYSTEM = Pubkey.from_string("11111111111111111111111111111111")
FAUCET_LAMPORTS = 10**17
USDC_MAX = 10_000_000_000 * 10**USDC_DECIMALS
_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,10})(?:\.([0-9]{1,6}))?", re.ASCII)


class FaucetRefused(Exception):
    """The faucet does not send that, or not there."""


class Faucet:
    """Holds the sandbox's SOL and the USDC mint authority."""

    def __init__(self, store: Store, node: Node) -> None:
        self._node = node
        seed = store.get("faucet_seed", "")
        self._keypair = Keypair.from_seed(bytes.fromhex(seed)) if seed else Keypair()
        if not seed:
            self._create_genesis(store)

    def airdrop(self, address: str, lamports: int) -> str:
        """Send SOL; the signature. :raises FaucetRefused: not an address or amount."""
        if not 0 < lamports <= 10**15:
            raise FaucetRefused("Ask for 1 to 1000000000000000 lamports.")
        params = TransferParams(
            from_pubkey=self._keypair.pubkey(), to_pubkey=_pubkey(address), lamports=lamports
        )
        return self._send([transfer(params)])

    def send_usdc(self, address: str, usdc: str) -> str:
        """Send USDC to a wallet (its associated account) or to a token account.

        :raises FaucetRefused: not an address or amount.
        """
        units, target = _usdc_units(usdc), _pubkey(address)
        instructions: list[Instruction] = []
        account = self._node.account(address, self._node.tip())
        token = token_reading(account) if account is not None else None
        if token is not None and token["mint"] != str(USDC_MINT):
            raise FaucetRefused("That token account is not one of USDC.")
        if token is None:
            instructions.append(_open_account(self._keypair.pubkey(), target))
            target = associated(target)
        instructions += self._mint_and_transfer(target, units)
        return self._send(instructions)

    def _mint_and_transfer(self, target: Pubkey, units: int) -> list[Instruction]:
        """Issue to the faucet's own account and send from there, as a payer would."""
        me = self._keypair.pubkey()
        mint_to = struct.pack("<BQB", 14, units, USDC_DECIMALS)
        move = struct.pack("<BQB", 12, units, USDC_DECIMALS)
        mine = associated(me)
        return [
            _open_account(me, me),
            Instruction(TOKEN, mint_to, [_rw(USDC_MINT), _rw(mine), _ro(me, signer=True)]),
            Instruction(
                TOKEN, move, [_rw(mine), _ro(USDC_MINT), _rw(target), _ro(me, signer=True)]
            ),
        ]

    def _send(self, instructions: list[Instruction]) -> str:
        slot = self._node.tip()
        # A blockhash that no fork can take away: what is rolled back may land again.
        blockhash = self._node.blockhash(slot - self._node.pace.final_slots)
        # The nonce makes equal requests in one slot two transactions.
        message = MessageV0.try_compile(
            self._keypair.pubkey(),
            [*instructions, _memo(self._node.next_nonce())],
            [],
            blockhash,
        )
        landed = self._node.land(VersionedTransaction(message, [self._keypair]), slot)
        if landed.err is not None:
            raise FaucetRefused(f"The transaction failed on the chain: {landed.err}")
        return landed.signature

    def _create_genesis(self, store: Store) -> None:
        """SOL for the faucet, and the USDC mint with its authority."""
        me = self._keypair.pubkey()
        authority = struct.pack("<I", 1) + bytes(me)
        mint = authority + struct.pack("<QBB", 0, USDC_DECIMALS, 1) + bytes(36)
        with store.commit():
            store.put("faucet_seed", bytes(self._keypair)[:32].hex())
            self._node.create(
                str(me), StoredAccount(FAUCET_LAMPORTS, str(SYSTEM), b"", executable=False)
            )
            self._node.create(
                str(USDC_MINT),
                StoredAccount(self._node.rent(len(mint)), str(TOKEN), mint, executable=False),
            )


def associated(owner: Pubkey) -> Pubkey:
    """The owner's associated USDC account."""
    return Pubkey.find_program_address([bytes(owner), bytes(TOKEN), bytes(USDC_MINT)], ATA)[0]


def _open_account(payer: Pubkey, owner: Pubkey) -> Instruction:
    """Create the associated account unless it is there."""
    metas = [
        _rw(payer, signer=True),
        _rw(associated(owner)),
        _ro(owner),
        _ro(USDC_MINT),
        _ro(SYSTEM),
        _ro(TOKEN),
    ]
    return Instruction(ATA, b"\x01", metas)


def _memo(number: int) -> Instruction:
    program = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")
    return Instruction(program, f"faucet {number}".encode(), [])


def _usdc_units(usdc: object) -> int:
    match = _AMOUNT.fullmatch(usdc) if isinstance(usdc, str) else None
    if match is None:
        raise FaucetRefused('Write the amount as "1000" or "12.50".')
    units: int = int(match.group(1)) * 10**USDC_DECIMALS + int((match.group(2) or "").ljust(6, "0"))
    if not 0 < units <= USDC_MAX:
        raise FaucetRefused("Ask for more than 0 and at most ten billion USDC.")
    return units


def _pubkey(address: object) -> Pubkey:
    try:
        return Pubkey.from_string(str(address))
    except ValueError:
        raise FaucetRefused("That is not a Solana address.") from None


def _rw(key: Pubkey, signer: bool = False) -> AccountMeta:
    return AccountMeta(key, signer, True)


def _ro(key: Pubkey, signer: bool = False) -> AccountMeta:
    return AccountMeta(key, signer, False)
