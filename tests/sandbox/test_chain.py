"""The sandbox chain speaks Solana's JSON-RPC and forgets nothing it acknowledged."""

import base64
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from tests.parties import Party, SandboxClock

USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
SLOT_MS = 50
FINAL_SLOTS = 20
SLOW_SLOT_MS = 400
FINAL_SECONDS = (FINAL_SLOTS + 5) * SLOW_SLOT_MS / 1000  # of the slow node
SOL = 10**9


@contextmanager
def started(folder: Path, *, slot_ms: int = SLOT_MS) -> Iterator[Party]:
    options = ["--slot-ms", str(slot_ms), "--final-slots", str(FINAL_SLOTS)]
    party = Party("chain", folder, options).start()
    yield party
    party.kill()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Party]:
    with started(tmp_path_factory.mktemp("chain")) as party:
        yield party


@pytest.fixture
def slow_node(tmp_path: Path) -> Iterator[Party]:
    """Its blockhashes are good for a minute, longer than any restart takes."""
    with started(tmp_path, slot_ms=SLOW_SLOT_MS) as party:
        yield party


@pytest.fixture(autouse=True)
def _no_faults(node: Party) -> None:
    none = dict.fromkeys(("drop", "delay", "delay_slots", "lose_answers", "lag_slots"), 0)
    assert node.post("/sandbox/chain/faults", none).json() == none


def ask(node: Party, method: str, *params: object) -> Any:
    """The whole JSON-RPC answer."""
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": list(params)}
    response = httpx.post(node.url, json=body, timeout=20)
    response.raise_for_status()
    return response.json()


def result(node: Party, method: str, *params: object) -> Any:
    answer = ask(node, method, *params)
    assert "error" not in answer, answer
    return answer["result"]


def signed_payment(node: Party, payer: Keypair, target: Pubkey, lamports: int) -> bytes:
    recent = result(node, "getLatestBlockhash", {"commitment": "confirmed"})["value"]["blockhash"]
    params = TransferParams(from_pubkey=payer.pubkey(), to_pubkey=target, lamports=lamports)
    message = MessageV0.try_compile(
        payer.pubkey(), [transfer(params)], [], Hash.from_string(recent)
    )
    return bytes(VersionedTransaction(message, [payer]))


def send(node: Party, signed: bytes, **config: object) -> Any:
    encoded = base64.b64encode(signed).decode()
    return ask(node, "sendTransaction", encoded, {"encoding": "base64", **config})


def signature_of(signed: bytes) -> str:
    return str(VersionedTransaction.from_bytes(signed).signatures[0])


def lamports(node: Party, owner: Pubkey, commitment: str = "processed") -> int:
    value = result(node, "getBalance", str(owner), {"commitment": commitment})["value"]
    assert isinstance(value, int)
    return value


def status(node: Party, signature: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = result(node, "getSignatureStatuses", [signature])["value"][0]
    return found


def funded(node: Party, sol: int = 10) -> Keypair:
    keypair = Keypair()
    result(node, "requestAirdrop", str(keypair.pubkey()), sol * SOL)
    return keypair


def wait_until_final(node: Party, signature: str) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = status(node, signature)
        if found is not None and found["confirmationStatus"] == "finalized":
            return
        time.sleep(SLOT_MS / 1000)
    raise AssertionError("not final in time")


def test_a_payment_climbs_from_processed_to_finalized(node: Party) -> None:
    payer, target = funded(node), Keypair().pubkey()
    signed = signed_payment(node, payer, target, SOL)

    assert send(node, signed)["result"] == signature_of(signed)

    assert lamports(node, target) == SOL
    assert lamports(node, target, "finalized") == 0
    wait_until_final(node, signature_of(signed))
    assert lamports(node, target, "finalized") == SOL


def test_the_same_bytes_land_once(node: Party) -> None:
    payer, target = funded(node), Keypair().pubkey()
    signed = signed_payment(node, payer, target, SOL)
    send(node, signed)

    again = send(node, signed)

    assert again["error"]["data"]["err"] == "AlreadyProcessed"
    assert "result" in send(node, signed, skipPreflight=True)
    assert lamports(node, target) == SOL


def test_a_blockhash_expires(node: Party) -> None:
    payer, target = funded(node), Keypair().pubkey()
    signed = signed_payment(node, payer, target, SOL)
    SandboxClock(node).advance(seconds=SLOT_MS * 160 / 1000)

    refused = send(node, signed)

    assert refused["error"]["data"]["err"] == "BlockhashNotFound"
    assert "result" in send(node, signed, skipPreflight=True)
    assert lamports(node, target) == 0


def test_a_signature_that_does_not_fit_is_refused(node: Party) -> None:
    payer = funded(node)
    honest = VersionedTransaction.from_bytes(signed_payment(node, payer, Keypair().pubkey(), SOL))
    forged = VersionedTransaction.populate(
        honest.message, [Keypair().sign_message(b"something else")]
    )

    assert send(node, bytes(forged))["error"]["code"] == -32003


def test_a_payment_beyond_the_balance_fails_in_preflight_and_costs_a_fee_without(
    node: Party,
) -> None:
    payer, target = funded(node, sol=1), Keypair().pubkey()
    signed = signed_payment(node, payer, target, 5 * SOL)

    assert send(node, signed)["error"]["code"] == -32002
    assert lamports(node, payer.pubkey()) == SOL
    send(node, signed, skipPreflight=True)

    assert status(node, signature_of(signed))["err"] == {"InstructionError": [0, {"Custom": 1}]}
    assert lamports(node, payer.pubkey()) == SOL - 5000
    assert lamports(node, target) == 0


def test_acknowledged_transactions_survive_kill_9(slow_node: Party) -> None:
    node = slow_node
    payer = funded(node)
    targets = [Keypair().pubkey() for _ in range(20)]
    sent = [signed_payment(node, payer, target, SOL // 10) for target in targets]
    for signed in sent:
        assert "result" in send(node, signed)

    node.kill()
    node.start()

    assert [lamports(node, target) for target in targets] == [SOL // 10] * 20
    history = result(
        node, "getSignaturesForAddress", str(payer.pubkey()), {"commitment": "confirmed"}
    )
    assert {row["signature"] for row in history} >= {signature_of(signed) for signed in sent}
    assert send(node, sent[0])["error"]["data"]["err"] == "AlreadyProcessed"


def test_a_rolled_back_block_takes_its_payments_along(slow_node: Party) -> None:
    node = slow_node
    payer, target = funded(node), Keypair().pubkey()
    SandboxClock(node).advance(seconds=FINAL_SECONDS)  # the payer's funds stay
    before = lamports(node, payer.pubkey())
    signed = signed_payment(node, payer, target, SOL)
    send(node, signed)

    dropped = node.post("/sandbox/chain/rollback", {"slots": FINAL_SLOTS}).json()["dropped"]

    assert dropped == [signature_of(signed)]
    assert status(node, signature_of(signed)) is None
    assert (lamports(node, payer.pubkey()), lamports(node, target)) == (before, 0)


def test_a_rolled_back_transaction_may_land_again(slow_node: Party) -> None:
    node = slow_node
    payer, target = funded(node), Keypair().pubkey()
    signed = signed_payment(node, payer, target, SOL)
    # A blockhash older than what is abandoned.
    SandboxClock(node).advance(seconds=FINAL_SECONDS)
    send(node, signed)

    again = {"slots": FINAL_SLOTS, "requeue": True}
    dropped = node.post("/sandbox/chain/rollback", again).json()["dropped"]

    assert dropped == [signature_of(signed)]
    SandboxClock(node).advance(seconds=FINAL_SECONDS)
    wait_until_final(node, signature_of(signed))
    assert lamports(node, target) == SOL


def test_what_is_final_is_never_rolled_back(node: Party) -> None:
    payer, target = funded(node), Keypair().pubkey()
    signed = signed_payment(node, payer, target, SOL)
    send(node, signed)
    wait_until_final(node, signature_of(signed))

    node.post("/sandbox/chain/rollback", {"slots": 10_000})

    assert lamports(node, target) == SOL


def test_faults_drop_delay_and_lose_answers(node: Party) -> None:
    payer = funded(node)
    dropped, delayed, unanswered = (Keypair().pubkey() for _ in range(3))

    node.post("/sandbox/chain/faults", {"drop": 1})
    assert "result" in send(node, signed_payment(node, payer, dropped, SOL))
    node.post("/sandbox/chain/faults", {"delay": 1, "delay_slots": 4})
    send(node, signed_payment(node, payer, delayed, SOL))
    late = lamports(node, delayed)
    node.post("/sandbox/chain/faults", {"lose_answers": 1})
    with pytest.raises(httpx.HTTPStatusError):
        send(node, signed_payment(node, payer, unanswered, SOL))
    time.sleep(SLOT_MS * 8 / 1000)

    assert late == 0
    assert [lamports(node, each) for each in (dropped, delayed, unanswered)] == [0, SOL, SOL]


def test_a_lagging_node_says_so_by_its_slot(node: Party) -> None:
    ahead = result(node, "getSlot", {"commitment": "confirmed"})
    node.post("/sandbox/chain/faults", {"lag_slots": 50})

    assert result(node, "getSlot", {"commitment": "confirmed"}) < ahead
    refused = ask(node, "getSlot", {"commitment": "confirmed", "minContextSlot": ahead})
    assert refused["error"]["code"] == -32016


def test_the_faucet_sends_usdc_to_a_wallet_and_to_its_token_account(node: Party) -> None:
    owner = str(Keypair().pubkey())

    first = node.post("/faucet", {"address": owner, "usdc": "1000"})
    accounts = result(
        node,
        "getTokenAccountsByOwner",
        owner,
        {"mint": USDC},
        {"encoding": "jsonParsed", "commitment": "processed"},
    )["value"]
    second = node.post("/faucet", {"address": accounts[0]["pubkey"], "usdc": "0.5"})

    assert (first.status_code, second.status_code) == (200, 200)
    balance = result(
        node, "getTokenAccountBalance", accounts[0]["pubkey"], {"commitment": "processed"}
    )
    assert balance["value"]["uiAmountString"] == "1000.5"


@pytest.mark.parametrize(
    ("address", "usdc"),
    [("nonsense", "1"), (USDC[:-1] + "1", "0"), (USDC, "1e3"), (USDC, "-1"), (USDC, "0.0000001")],
)
def test_the_faucet_refuses_what_is_no_address_or_amount(
    node: Party, address: str, usdc: str
) -> None:
    assert node.post("/faucet", {"address": address, "usdc": usdc}).status_code == 422


def test_malformed_calls_get_json_rpc_errors(node: Party) -> None:
    assert ask(node, "getBalance")["error"]["code"] == -32602
    assert ask(node, "getBalance", "no address")["error"]["code"] == -32602
    assert ask(node, "eth_call")["error"]["code"] == -32601
    garbage = httpx.post(node.url, content=b"{", timeout=5)
    assert garbage.json()["error"]["code"] == -32700
    assert send(node, b"not a transaction")["error"]["code"] == -32602


def test_an_idle_node_uses_no_cpu(node: Party) -> None:
    pid = node.pid
    before = cpu_seconds(pid)
    time.sleep(1.5)

    assert cpu_seconds(pid) - before < 0.05


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100
