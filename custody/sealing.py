"""Sealing: once a second, a signed Merkle root over what was written since the last one.

Writers do not chain anything; the sealer takes what finished transactions wrote
(below the oldest running one, `pg_snapshot_xmin`), so no row can appear behind a
seal. Each seal names the hash of the one before it and is signed by a key that the
database does not have. What is sealed cannot be changed unnoticed, not even by
whoever owns the database: see docs/ledger.md, and custody/verification for the check.

Nothing to seal, nothing written. Killed at any point, it loses nothing: the seal is
one transaction, and the heads file catches up from the database.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from custody.merkle import Tree
from custody.models.seals import Seal, SealChain
from custody.seal_message import message
from custody.sealing_heads import HeadsFile
from custody.sealing_keys import SealKey, load_or_create
from custody.sealing_leaves import (
    Columns,
    Rows,
    current_columns,
    end_of_slice,
    list_sources,
)
from kernel import faults

FIRST_PREVIOUS_HASH = bytes(32)
# A seal after a long pause takes a part of the arrears; the next one goes on.
ROWS_PER_SOURCE_MAX = 50_000
HEADS_AT_ONCE_MAX = 10_000


class HeadsDisagree(Exception):
    """The heads file and the database tell different stories: somebody must look."""


@dataclass
class Sealer:
    """The process that seals; `directory` is where the heads are kept."""

    key: SealKey
    directory: Path
    _seen_xmin: int = -1

    def start(self) -> None:
        """Bring the heads files up to date.

        :raises HeadsDisagree: a file names a seal that the database does not have so.
        """
        for chain in SealChain.values:
            catch_up(HeadsFile(self.directory, chain), chain)

    def seal(self, now: datetime) -> list[Seal]:
        """Seal both chains, if any transaction finished since the last call."""
        xmin = oldest_running_xid()
        if xmin == self._seen_xmin:
            return []
        seals = [seal for chain in SealChain.values if (seal := self._seal(chain, xmin, now))]
        if all(seal.xid_to == xmin for seal in seals):
            self._seen_xmin = xmin
        return seals

    def _seal(self, chain: str, xmin: int, now: datetime) -> Seal | None:
        seal = seal_chain(chain, xmin, self.key, now)
        if seal is not None:
            faults.reach("sealer.after_commit")
            catch_up(HeadsFile(self.directory, chain), chain)
            faults.reach("sealer.after_head")
        return seal


def sealer() -> Sealer:
    """The sealer as the settings have it; makes the key on first use."""
    return Sealer(load_or_create(key_file()), heads_directory())


def key_file() -> Path:
    return settings.ENV.bourse_seal_key_file or settings.VAR_DIR / "keys" / "seal.pem"


def heads_directory() -> Path:
    return Path(settings.VAR_DIR) / "seals"


def oldest_running_xid() -> int:
    """Every transaction below it is finished and can write nothing more."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        return int(cursor.fetchone()[0])


@transaction.atomic
def seal_chain(chain: str, xid_to: int, key: SealKey, now: datetime) -> Seal | None:
    """Seal what transactions below `xid_to` wrote since the chain's last seal."""
    with connection.cursor() as cursor:
        # Two sealers queue here; the second finds nothing left to seal.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"seal {chain}"])
    last = Seal.objects.filter(chain=chain).order_by("-n").first()
    xid_from = last.xid_to if last else 0
    if xid_to <= xid_from:
        return None
    sources = list_sources(chain)
    xid_to = end_of_slice(sources, xid_from, xid_to, ROWS_PER_SOURCE_MAX)
    columns = current_columns(sources)
    tree, columns = build_tree(
        [Rows(source, xid_from, xid_to) for source in sources], xid_to, columns
    )
    if tree.leaf_count == 0:
        return None
    seal = Seal(
        chain=chain,
        n=last.n + 1 if last else 1,
        previous_hash=seal_hash(last) if last else FIRST_PREVIOUS_HASH,
        merkle_root=tree.root(),
        leaf_count=tree.leaf_count,
        xid_from=xid_from,
        xid_to=xid_to,
        columns=columns,
        sealed_at=now,
        key_id=key.key_id,
    )
    seal.signature = key.sign(message(seal))
    seal.save(force_insert=True)
    faults.reach("sealer.before_commit")
    return seal


def build_tree(sources: list[Rows], xid_to: int, columns: Columns) -> tuple[Tree, dict[str, Any]]:
    """The tree over all next rows below `xid_to`, and the columns of the tables they are in."""
    tree = Tree()
    used = {}
    for rows in sources:
        for row in rows.below(xid_to):
            tree.append(rows.source.leaf(row, columns))
            if rows.source.table in columns:
                used[rows.source.table] = list(columns[rows.source.table])
    return tree, used


def seal_hash(seal: Seal) -> bytes:
    """What the next seal names as its previous one."""
    return hashlib.sha256(message(seal)).digest()


def head(seal: Seal) -> dict[str, Any]:
    """A seal's line in the heads file: enough to check it without the database."""
    return {
        "chain": seal.chain,
        "n": seal.n,
        "hash": seal_hash(seal).hex(),
        "merkle_root": bytes(seal.merkle_root).hex(),
        "sealed_at": seal.sealed_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "key_id": seal.key_id,
        "signature": bytes(seal.signature).hex(),
    }


def catch_up(file: HeadsFile, chain: str) -> None:
    """Append the heads that the file lacks.

    :raises HeadsDisagree: the file's last head is not the database's seal of that number.
    """
    last = file.last()
    if last is not None:
        seal = Seal.objects.filter(chain=chain, n=last["n"]).first()
        if seal is None or seal_hash(seal).hex() != last["hash"]:
            raise HeadsDisagree(
                f"{file.path} ends with {chain} seal {last['n']}, which the database does not have."
            )
    missing = Seal.objects.filter(chain=chain, n__gt=last["n"] if last else 0).order_by("n")
    while heads := [head(seal) for seal in missing[:HEADS_AT_ONCE_MAX]]:
        file.append(heads)
        missing = missing.filter(n__gt=heads[-1]["n"])
