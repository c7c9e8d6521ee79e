"""The gateway's raw instructions against the real Token-2022 program, over JSON-RPC."""

import base64
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message, MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from custody.gateways import chain as chain_gateway
from custody.gateways import token2022
from custody.gateways.chain import FINALIZED, ChainError, SolanaChain
from custody.gateways.chain_transfers import from_base58
from kernel.gateways import GatewayUnavailable
from kernel.money import UNITS_MAX
from tests.parties import Party

ONE = 10**8


@dataclass
class Issuer:
    """A mint with all extensions, and the keys that rule it."""

    chain: SolanaChain
    authority: Keypair
    compliance: Keypair
    mint: Keypair

    def send(self, *instructions: Instruction, signers: Sequence[Keypair] = ()) -> str:
        """The signature; "" for a transaction that fails on the chain."""
        payer = self.authority
        message = MessageV0.try_compile(
            payer.pubkey(), list(instructions), [], self.chain.latest_blockhash().blockhash
        )
        needed = {str(k) for k in message.account_keys[: message.header.num_required_signatures]}
        known = [payer, self.compliance, self.mint, *signers]
        keys = {str(key.pubkey()): key for key in known if str(key.pubkey()) in needed}
        signed = VersionedTransaction(message, list(keys.values()))
        self.chain.send(bytes(signed))
        return self._outcome(str(signed.signatures[0]))

    def open(self, owner: Keypair) -> Pubkey:
        self.send(
            token2022.open_account(self.authority.pubkey(), owner.pubkey(), self.mint.pubkey())
        )
        return token2022.associated_account(owner.pubkey(), self.mint.pubkey())

    def units(self, account: Pubkey) -> int | None:
        return self.chain.token_units([str(account)], str(self.mint.pubkey()), "processed")[1][0]

    def _outcome(self, signature: str) -> str:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            status = self.chain.statuses([signature])[1][0]
            if status is not None and status.commitment != "processed":
                return "" if status.error else signature
            time.sleep(0.02)
        raise AssertionError("not confirmed in time")


@pytest.fixture
def chain(node: Party) -> Iterator[SolanaChain]:
    with SolanaChain(node.url) as gateway:
        yield gateway


@pytest.fixture
def issuer(node: Party, chain: SolanaChain) -> Issuer:
    made = Issuer(chain, Keypair(), Keypair(), Keypair())
    airdrop = {"jsonrpc": "2.0", "id": 1, "method": "requestAirdrop"}
    node.post("/", {**airdrop, "params": [str(made.authority.pubkey()), 10**10]})
    time.sleep(0.1)
    instructions = token2022.create_mint(
        payer=made.authority.pubkey(),
        mint=made.mint.pubkey(),
        authority=made.authority.pubkey(),
        compliance=made.compliance.pubkey(),
        decimals=8,
        multiplier=1.0,
        rent_lamports=chain.rent_lamports(token2022.MINT_BYTES + token2022.METADATA_BYTES_MAX),
        metadata=token2022.Metadata("Apple tokenized", "AAPLx", "", [("isin", "US0378331005")]),
    )
    assert made.send(*instructions)
    return made


def test_an_account_is_born_frozen_and_takes_tokens_once_thawed(issuer: Issuer) -> None:
    mint, alice = issuer.mint.pubkey(), Keypair()
    account = issuer.open(alice)
    give = token2022.mint_to(mint, account, issuer.authority.pubkey(), 5 * ONE, 8)

    assert issuer.send(give) == ""
    assert issuer.send(token2022.thaw(mint, account, issuer.compliance.pubkey()))
    assert issuer.send(give)

    assert issuer.units(account) == 5 * ONE
    assert issuer.chain.supply(str(mint), "processed")[1] == 5 * ONE
    assert issuer.chain.supplies([str(mint), str(account)], "processed")[1] == [5 * ONE, None]


def test_pausing_stops_transfers_and_the_delegate_may_burn(issuer: Issuer) -> None:
    mint, compliance = issuer.mint.pubkey(), issuer.compliance.pubkey()
    alice, bob = Keypair(), Keypair()
    accounts = issuer.open(alice), issuer.open(bob)
    issuer.send(*(token2022.thaw(mint, account, compliance) for account in accounts))
    issuer.send(token2022.mint_to(mint, accounts[0], issuer.authority.pubkey(), 5 * ONE, 8))
    move = token2022.transfer(
        mint=mint,
        source=accounts[0],
        target=accounts[1],
        authority=alice.pubkey(),
        units=ONE,
        decimals=8,
    )

    issuer.send(token2022.pause(mint, compliance))
    assert issuer.send(move, signers=[alice]) == ""
    issuer.send(token2022.resume(mint, compliance))
    assert issuer.send(move, signers=[alice])
    issuer.send(token2022.freeze(mint, accounts[1], compliance))
    assert issuer.send(token2022.burn(mint, accounts[0], compliance, 3 * ONE, 8))

    assert [issuer.units(account) for account in accounts] == [ONE, ONE]


def test_a_multiplier_changes_and_units_do_not(issuer: Issuer) -> None:
    mint = issuer.mint.pubkey()
    account = issuer.open(Keypair())
    issuer.send(token2022.thaw(mint, account, issuer.compliance.pubkey()))
    issuer.send(token2022.mint_to(mint, account, issuer.authority.pubkey(), ONE, 8))

    assert issuer.send(token2022.update_multiplier(mint, issuer.authority.pubkey(), 2.0, 0))

    assert issuer.units(account) == ONE


def test_a_legacy_transfer_is_read_with_its_position_and_sender(
    node: Party, chain: SolanaChain
) -> None:
    """A wallet may send the old message format and the unchecked Transfer instruction."""
    usdc = Pubkey.from_string("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v")
    payer, target = Keypair(), Keypair().pubkey()
    airdrop = {"jsonrpc": "2.0", "id": 1, "method": "requestAirdrop"}
    node.post("/", {**airdrop, "params": [str(payer.pubkey()), 10**10]})
    for owner in (payer.pubkey(), target):
        node.post("/faucet", {"address": str(owner), "usdc": "10"})
    time.sleep(0.1)
    source, into = (
        token2022.associated_account(owner, usdc, token2022.TOKEN)
        for owner in (payer.pubkey(), target)
    )
    checked = token2022.transfer(
        mint=usdc,
        source=source,
        target=into,
        authority=payer.pubkey(),
        units=2_000_000,
        decimals=6,
        program=token2022.TOKEN,
    )
    plain = Instruction(
        token2022.TOKEN,
        bytes([3]) + (3_000_000).to_bytes(8, "little"),
        [checked.accounts[0], checked.accounts[2], checked.accounts[3]],
    )
    recent = chain.latest_blockhash().blockhash
    message = Message.new_with_blockhash([checked, plain], payer.pubkey(), recent)
    signed = VersionedTransaction(message, [payer])
    chain.send(bytes(signed))
    time.sleep(0.2)

    found = chain.transfers_into(str(signed.signatures[0]), str(into), str(usdc))

    assert found is not None
    assert [(t.instruction_index, t.inner_index, t.units) for t in found.transfers] == [
        (0, -1, 2_000_000),
        (1, -1, 3_000_000),
    ]
    assert {t.sender for t in found.transfers} == {str(payer.pubkey())}
    assert found.reconciles
    time.sleep(0.2)
    final = chain.transfers_into(str(signed.signatures[0]), str(into), str(usdc), FINALIZED)
    assert final == found


def test_a_silent_node_is_unavailable_and_a_refusing_one_says_why(chain: SolanaChain) -> None:
    with SolanaChain("http://127.0.0.1:1") as nobody, pytest.raises(GatewayUnavailable):
        nobody.slot()
    with pytest.raises(ChainError, match="Token mint"):
        chain.supply(str(Keypair().pubkey()))


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00\x00\x01", b"hello", bytes(range(32))])
def test_base58_is_read_as_solana_writes_it(data: bytes) -> None:
    from sandbox.chain_json import base58

    assert from_base58(base58(data)) == data
    if len(data) == 32:
        assert base58(data) == str(Pubkey.from_bytes(data))


def test_units_beyond_what_the_books_count_are_the_most_they_count() -> None:
    """A mint whose key was stolen may say anything; it has to be seen, not to stop the looking."""
    raw = bytes(36) + (2**64 - 1).to_bytes(8, "little") + bytes(38)
    account = {"owner": str(token2022.TOKEN), "data": [base64.b64encode(raw).decode(), "base64"]}

    assert chain_gateway._mint_supply(account) == UNITS_MAX
