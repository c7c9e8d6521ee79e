"""Seals: what they cover, that tampering is named, that a killed sealer goes on."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection

from accounts.models import KycCase, ScreeningHit
from custody import seal_message, sealing, sealing_keys
from custody.models import Seal
from custody.models.seals import SealChain
from custody.sealing_heads import HeadsFile
from custody.verification import run
from tests import servers
from tests.ledger_stories import NOON, Books, make_investor
from tests.sealing_stories import as_superuser, seal_all, wait_for_others

# These tests rewrite history on purpose; the verifiers are what is tested.
LEDGER_IS_TAMPERED_WITH = True
TOLD_SEALER = [sys.executable, "manage.py", "seal", "-v", "2"]
DEPOSIT = {"chain USDC": "-100", "alice main USDC": "+100"}


def differences(chain: str = "ledger") -> str:
    report = run.verify_ledger() if chain == "ledger" else run.verify_audit()
    return "\n".join(str(difference) for difference in report.differences)


def test_a_seal_covers_accounts_and_entries_once(books: Books, sealer: sealing.Sealer) -> None:
    books.book("deposit", DEPOSIT)

    first = {seal.chain: seal for seal in seal_all(sealer)}
    nothing_new = seal_all(sealer, 1)
    books.book("deposit", DEPOSIT)
    (second,) = seal_all(sealer, 2)

    assert first[SealChain.LEDGER].leaf_count == 3  # two accounts, one entry
    assert first[SealChain.AUDIT].leaf_count > 0  # assets, investors, countries
    assert nothing_new == []
    assert (second.chain, second.n, second.leaf_count) == (SealChain.LEDGER, 2, 1)
    assert second.xid_from == first[SealChain.LEDGER].xid_to
    assert bytes(second.previous_hash) == sealing.seal_hash(first[SealChain.LEDGER])
    assert differences() == ""
    assert differences("audit") == ""


def test_what_a_running_transaction_writes_waits_for_its_end(
    books: Books, sealer: sealing.Sealer, cloned_database: str
) -> None:
    books.book("deposit", DEPOSIT)
    seal_all(sealer)
    with psycopg.connect(cloned_database) as slow:
        slow.execute("SELECT pg_current_xact_id()")
        books.book("deposit", DEPOSIT)  # later, and committed first
        early = [seal for seal in sealer.seal(NOON) if seal.chain == SealChain.LEDGER]
        slow.commit()
    late = [seal for seal in seal_all(sealer, 2) if seal.chain == SealChain.LEDGER]

    assert early == []
    assert [seal.leaf_count for seal in late] == [1]


def test_the_key_and_the_heads_lie_outside_the_database(
    books: Books, sealer: sealing.Sealer, tmp_path: Path
) -> None:
    books.book("deposit", DEPOSIT)
    seal_all(sealer)

    assert stat.S_IMODE(os.stat(tmp_path / "keys" / "seal.pem").st_mode) == 0o600
    heads = list(HeadsFile(tmp_path / "seals", SealChain.LEDGER))
    seal = Seal.objects.get(chain=SealChain.LEDGER)
    assert [head["hash"] for head in heads] == [sealing.seal_hash(seal).hex()]
    public = sealing_keys.load_public(tmp_path / "keys" / "seal.pem")[seal.key_id]
    assert sealing_keys.is_signed(public, bytes(seal.signature), seal_message.message(seal))


def test_arrears_are_sealed_in_parts(
    books: Books, sealer: sealing.Sealer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "ROWS_PER_SOURCE_MAX", 3)
    for _ in range(10):
        books.book("deposit", DEPOSIT)

    wait_for_others()
    while sealer.seal(NOON):
        pass

    counts = [seal.leaf_count for seal in Seal.objects.filter(chain=SealChain.LEDGER)]
    assert sum(counts) == 12
    assert len(counts) > 2
    assert differences() == ""


TAMPERINGS: list[tuple[LiteralString, str]] = [
    ("UPDATE custody_journalentry SET reference = 'x' WHERE id = %(entry)s", "entry {entry}"),
    ("UPDATE custody_journalentry SET created_at = now() WHERE id = %(entry)s", "ledger seal 1"),
    ("UPDATE custody_journalentry SET xid = '3' WHERE id = %(entry)s", "ledger seal 1"),
    ("UPDATE custody_posting SET units = units * 2 WHERE entry_id = %(entry)s", "entry {entry}"),
    (
        "UPDATE custody_posting SET account_id = %(bob)s"
        " WHERE entry_id = %(entry)s AND account_id = %(alice)s",
        "entry {entry}",
    ),
    ("DELETE FROM custody_posting WHERE entry_id = %(entry)s", "entry {entry}"),
    (
        "WITH gone AS (DELETE FROM custody_posting WHERE entry_id = %(entry)s)"
        " DELETE FROM custody_journalentry WHERE id = %(entry)s",
        "ledger seal 1",
    ),
    (
        "UPDATE custody_ledgeraccount SET posted_units = posted_units + 1 WHERE id = %(alice)s",
        "ledger account {alice}",
    ),
    (
        "UPDATE custody_ledgeraccount SET held_units = 1 WHERE id = %(alice)s",
        "ledger account {alice}",
    ),
    ("UPDATE custody_ledgeraccount SET owner_id = %(thief)s WHERE id = %(alice)s", "seal 1"),
    ("UPDATE custody_seal SET leaf_count = leaf_count - 1 WHERE chain = 'ledger'", "ledger seal 1"),
    ("UPDATE custody_seal SET sealed_at = now() WHERE chain = 'ledger'", "ledger seal 1"),
    ("DELETE FROM custody_seal WHERE chain = 'ledger'", "ledger heads file"),
    ("ALTER TABLE custody_posting DISABLE TRIGGER custody_book_postings", "custody_book_postings"),
    ("GRANT UPDATE (units) ON custody_posting TO bourse_app", "UPDATE on custody_posting"),
]


@pytest.mark.parametrize(("statement", "named"), TAMPERINGS)
def test_tampering_with_the_ledger_is_found_and_named(
    books: Books, sealer: sealing.Sealer, statement: LiteralString, named: str
) -> None:
    params = {
        "entry": books.book("deposit", DEPOSIT),
        "alice": books.account_id("alice main USDC"),
        "bob": books.account_id("bob main USDC"),
        "thief": make_investor("thief").id,
    }
    seal_all(sealer)
    assert differences() == ""

    as_superuser(statement, **params)

    assert named.format(**params) in differences()
    with pytest.raises(SystemExit) as left:
        call_command("verify_ledger", stdout=StringIO())
    assert left.value.code == 1


def test_a_consistent_rewrite_of_an_old_entry_still_contradicts_its_seal(
    books: Books, sealer: sealing.Sealer
) -> None:
    """Postings, balances and content hash all changed alike: only the seal knows."""
    entry_id = books.book("deposit", DEPOSIT, key="deposit:1")
    seal_all(sealer)
    alice, chain = books.account_id("alice main USDC"), books.account_id("chain USDC")
    content = f"deposit\ndeposit:1\n\n\n{chain}:-200,{alice}:200"

    as_superuser(
        "UPDATE custody_posting SET units = sign(units) * 200 WHERE entry_id = %(entry)s",
        "UPDATE custody_ledgeraccount SET posted_units = sign(posted_units) * 200"
        " WHERE posted_units <> 0",
        "UPDATE custody_sealedbalance SET posted_units = sign(posted_units) * 200",
        "UPDATE custody_journalentry SET content_hash = sha256(convert_to(%(content)s, 'UTF8'))"
        " WHERE id = %(entry)s",
        entry=entry_id,
        content=content,
    )

    found = differences().splitlines()
    assert len(found) == 1
    assert found[0].startswith("sealed rows: ledger seal 1, rows of transactions")


def test_an_entry_slipped_in_behind_a_seal_is_found(books: Books, sealer: sealing.Sealer) -> None:
    entry_id = books.book("deposit", DEPOSIT)
    seal_all(sealer)

    as_superuser(
        "INSERT INTO custody_journalentry"
        " (id, kind, key, reference, content_hash, created_at, xid)"
        " SELECT 5, kind, 'slipped in', '', content_hash, created_at, xid"
        " FROM custody_journalentry WHERE id = %(entry)s",
        entry=entry_id,
    )

    assert "ledger seal 1" in differences()


def test_a_forged_seal_is_found_by_its_signature(books: Books, sealer: sealing.Sealer) -> None:
    books.book("deposit", DEPOSIT)
    seal_all(sealer)

    as_superuser(
        "UPDATE custody_seal SET signature = decode(repeat('00', 64), 'hex') WHERE chain = 'ledger'"
    )

    assert "signed by key" in differences()


def test_a_database_behind_the_heads_stops_the_sealer(books: Books, sealer: sealing.Sealer) -> None:
    books.book("deposit", DEPOSIT)
    seal_all(sealer)
    as_superuser("DELETE FROM custody_seal WHERE chain = 'ledger'")

    with pytest.raises(sealing.HeadsDisagree, match="ledger seal 1"):
        sealing.sealer().start()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE custody_assetevent SET name = 'Another name' WHERE code = 'USDC'",
        "DELETE FROM accounts_investorevent WHERE display_name = 'bob'",
        "UPDATE accounts_investorevent SET pgh_created_at = now()",
    ],
)
def test_tampering_with_the_audit_trail_is_found_and_named(
    books: Books, sealer: sealing.Sealer, statement: LiteralString
) -> None:
    seal_all(sealer)
    assert differences("audit") == ""

    as_superuser(statement)

    assert "audit seal 1" in differences("audit")
    with pytest.raises(SystemExit) as left:
        call_command("verify_audit", stdout=StringIO())
    assert left.value.code == 1


def test_a_new_column_in_a_history_table_leaves_old_seals_valid(
    books: Books, sealer: sealing.Sealer
) -> None:
    seal_all(sealer)
    name = connection.settings_dict["NAME"]
    with psycopg.connect(servers.database_url(servers.OWNER_ROLE, name)) as owner:
        owner.execute("ALTER TABLE custody_assetevent ADD COLUMN colour text DEFAULT 'red'")
    books.assets["USDC"].name = "USD Coin"
    books.assets["USDC"].save()

    seal_all(sealer, 1)

    assert differences("audit") == ""
    as_superuser("UPDATE custody_assetevent SET colour = 'blue' WHERE name = 'USD Coin'")
    assert "audit seal 2" in differences("audit")


def test_a_screening_hit_is_sealed_whose_table_has_a_column_named_source(
    books: Books, sealer: sealing.Sealer
) -> None:
    seal_all(sealer)
    case = KycCase.objects.create(investor=make_investor("nicolas"), opened_at=NOON)
    ScreeningHit.objects.create(
        case=case, source="ofac", reference="1", list_date=NOON.date(), primary_name="N. M.",
        matched_name="N. M.", score=97, birth_date="unknown", found_at=NOON,
    )  # fmt: skip

    (seal,) = seal_all(sealer, 1)

    assert (seal.chain, seal.leaf_count) == (SealChain.AUDIT, 3)  # investor, case, hit
    assert differences("audit") == ""
    as_superuser("UPDATE accounts_screeninghitevent SET score = 1")
    assert "audit seal 2" in differences("audit")


def test_a_sealer_is_quiet_unless_asked(books: Books, sealer: sealing.Sealer) -> None:
    """It seals every second: told each time, nothing else could be read beside it."""
    books.book("deposit", DEPOSIT)
    wait_for_others()
    with subprocess.Popen(
        [sys.executable, "manage.py", "seal"], cwd=servers.ROOT, stdout=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + 60
        while not Seal.objects.filter(chain=SealChain.LEDGER).exists():
            assert time.monotonic() < deadline, "nothing was sealed"
            time.sleep(0.05)
        process.terminate()
        told, _ = process.communicate(timeout=10)

    assert told == b""
    books.book("deposit", DEPOSIT)
    wait_for_others()
    out = StringIO()
    call_command("seal", "--once", stdout=out)
    assert "covers 1 rows" in out.getvalue()


def test_the_report_is_json_for_programs(books: Books, sealer: sealing.Sealer) -> None:
    books.book("deposit", DEPOSIT)
    seal_all(sealer)
    out = StringIO()

    call_command("verify_ledger", "--json", stdout=out)

    report = json.loads(out.getvalue())
    assert report["ok"] is True
    assert report["counted"]["custody_journalentry"] == 1
    assert report["differences"] == []


def test_a_killed_sealer_goes_on_where_it_was(books: Books, tmp_path: Path) -> None:
    """Kill -9 again and again while entries arrive; a cut-off head is no harm either."""
    for _ in range(3):
        books.book("deposit", DEPOSIT)
        with subprocess.Popen(TOLD_SEALER, cwd=servers.ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()  # the first seal is made
            process.send_signal(signal.SIGKILL)
    with (tmp_path / "seals" / "ledger.jsonl").open("a") as heads:
        heads.write('{"chain": "ledger", "n"')
    books.book("deposit", DEPOSIT)

    wait_for_others()
    call_command("seal", "--once", stdout=StringIO())

    seals = Seal.objects.filter(chain=SealChain.LEDGER)
    assert sum(seal.leaf_count for seal in seals) == 2 + 4
    heads_file = HeadsFile(tmp_path / "seals", SealChain.LEDGER)
    assert [head["n"] for head in heads_file] == list(range(1, seals.count() + 1))
    assert differences() == ""


def test_the_sealer_leaves_on_request(books: Books) -> None:
    with subprocess.Popen(TOLD_SEALER, cwd=servers.ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        started = time.monotonic()
        process.terminate()
        assert process.wait(timeout=10) == 0
    assert time.monotonic() - started < 3
