"""Proofs that an entry is sealed: who gets them, and that a changed bit fails."""

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from custody import proofs, seal_message, sealing
from custody.inclusion import ProofFails, check_proof
from custody.models import Seal
from kernel.refusals import NotFound
from tests.ledger_stories import Books, make_investor
from tests.sealing_stories import as_superuser, seal_all
from tests.servers import ROOT

LEDGER_IS_TAMPERED_WITH = True
DEPOSIT = {"chain USDC": "-100", "alice main USDC": "+100"}
TRANSFER = {"alice main USDC": "-1", "bob main USDC": "+1"}


def public_keys(tmp_path: Path) -> list[str]:
    return (tmp_path / "keys" / "seal.pem.pub").read_text().split()


def as_received(proof: dict[str, Any]) -> dict[str, Any]:
    received: dict[str, Any] = json.loads(json.dumps(proof))
    return received


def test_every_entry_of_a_seal_can_be_proven(
    books: Books, sealer: sealing.Sealer, tmp_path: Path
) -> None:
    ids = [books.book("deposit", DEPOSIT) for _ in range(5)]
    seal_all(sealer)
    ids += [books.book("transfer", TRANSFER) for _ in range(3)]
    seal_all(sealer, 1)

    for entry_id in ids:
        proof = as_received(proofs.prove_entry(entry_id=entry_id))
        proven = check_proof(proof, public_keys(tmp_path))
        assert proven.entry_id == entry_id
        assert proven.seal_n == (1 if entry_id in ids[:5] else 2)
        assert proven.content_is_shown


def flipped(value: Any) -> Iterator[Any]:
    """The value with one thing changed, in every place where something can be."""
    if isinstance(value, dict):
        for name, part in value.items():
            for other in flipped(part):
                yield {**value, name: other}
            yield {other: part for other, part in value.items() if other != name}
    elif isinstance(value, list):
        for number, part in enumerate(value):
            for other in flipped(part):
                yield [*value[:number], other, *value[number + 1 :]]
        yield value[:-1] if value else [0]
    elif isinstance(value, int):
        yield value ^ 1
    elif isinstance(value, str):
        yield value[:-1] + chr(ord(value[-1]) ^ 1) if value else "x"
        yield chr(ord(value[0]) ^ 1) + value[1:] if value else "y"


def test_whatever_bit_of_a_proof_is_changed_it_fails(
    books: Books, sealer: sealing.Sealer, tmp_path: Path
) -> None:
    ids = [books.book("deposit", DEPOSIT) for _ in range(5)]
    seal_all(sealer)
    proof = as_received(proofs.prove_entry(entry_id=ids[2]))
    keys = public_keys(tmp_path)
    # For people; the microseconds beside it are what was sealed.
    del proof["entry"]["created_at"]
    check_proof(proof, keys)

    changed = list(flipped(proof))

    assert len(changed) > 50
    for other in changed:
        with pytest.raises(ProofFails):
            check_proof(other, keys)


def test_a_key_from_elsewhere_must_be_the_one_that_signed(
    books: Books, sealer: sealing.Sealer
) -> None:
    entry_id = books.book("deposit", DEPOSIT)
    seal_all(sealer)
    proof = as_received(proofs.prove_entry(entry_id=entry_id))

    for keys in ([], ["00" * 32], ["not hexadecimal"]):
        with pytest.raises(ProofFails):
            check_proof(proof, keys)


def test_an_owner_gets_a_proof_without_the_other_side(
    books: Books, sealer: sealing.Sealer, tmp_path: Path
) -> None:
    alice, bob = books.investors["alice"].id, books.investors["bob"].id
    deposit = books.book("deposit", DEPOSIT)
    transfer = books.book("transfer", TRANSFER)
    seal_all(sealer)

    own = proofs.prove_entry(entry_id=deposit, investor_id=alice)
    shared = proofs.prove_entry(entry_id=transfer, investor_id=bob)

    assert own["content"]["kind"] == "deposit"
    assert shared["content"] is None
    assert not check_proof(as_received(shared), public_keys(tmp_path)).content_is_shown
    for entry_id, investor in ((deposit, bob), (transfer, make_investor("eve").id), (1, alice)):
        with pytest.raises(NotFound):
            proofs.prove_entry(entry_id=entry_id, investor_id=investor)


def test_what_is_not_sealed_or_not_what_was_sealed_has_no_proof(
    books: Books, sealer: sealing.Sealer
) -> None:
    entry_id = books.book("deposit", DEPOSIT)
    with pytest.raises(proofs.NotSealedYet):
        proofs.prove_entry(entry_id=entry_id)
    seal_all(sealer)
    other = books.book("deposit", DEPOSIT)
    seal_all(sealer, 1)

    as_superuser(
        "UPDATE custody_journalentry SET created_at = created_at + interval '1 day'"
        " WHERE id = %(entry)s",
        entry=entry_id,
    )

    with pytest.raises(proofs.EntryContradictsSeal):
        proofs.prove_entry(entry_id=entry_id)
    assert proofs.prove_entry(entry_id=other)["seal"]["n"] == 2


def test_a_proof_is_checked_without_bourse(
    books: Books, sealer: sealing.Sealer, tmp_path: Path
) -> None:
    """In a process that has no settings and no database; Django is not even imported."""
    entry_id = books.book("deposit", DEPOSIT)
    seal_all(sealer)
    out = StringIO()
    call_command("prove_entry", str(entry_id), "--json", stdout=out)
    (tmp_path / "proof.json").write_text(out.getvalue())
    proof = copy.deepcopy(json.loads(out.getvalue()))
    proof["content"]["lines"][1]["units"] += 1
    (tmp_path / "forged.json").write_text(json.dumps(proof))

    def check(name: str) -> tuple[int, str]:
        code = (
            "import sys; from custody.inclusion import main; left = main(sys.argv[1:]);"
            "assert 'django' not in sys.modules; sys.exit(left)"
        )
        arguments = [sys.executable, "-c", code, str(tmp_path / name)]
        arguments.append(str(tmp_path / "keys" / "seal.pem.pub"))
        done = subprocess.run(
            arguments, cwd=ROOT, env={}, capture_output=True, text=True, check=False
        )
        assert done.stderr == ""
        return done.returncode, done.stdout

    assert check("proof.json") == (0, f"Entry {entry_id} is in ledger seal 1, with its content.\n")
    assert check("forged.json") == (1, "The content is not the one that was sealed.\n")
    told = StringIO()
    call_command("prove_entry", str(entry_id), stdout=told)
    assert f"Entry {entry_id} is leaf 2 of 3 in ledger seal 1 " in told.getvalue()
    with pytest.raises(CommandError, match="no such thing"):
        call_command("prove_entry", "1", stdout=told)


def test_a_seals_message_is_of_all_its_fields(books: Books, sealer: sealing.Sealer) -> None:
    books.book("deposit", DEPOSIT)
    seal_all(sealer)
    seal = Seal.objects.get(chain="ledger")
    first = seal_message.message(seal)

    assert first.decode().splitlines()[:3] == ["bourse seal 1", "ledger", "1"]
    for name in ("n", "leaf_count", "xid_from", "xid_to"):
        other = Seal.objects.get(chain="ledger")
        setattr(other, name, getattr(other, name) + 1)
        assert seal_message.message(other) != first
