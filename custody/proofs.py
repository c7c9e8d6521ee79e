"""Proving to an entry's owner, or to an auditor, that it is sealed; custody/inclusion.py checks."""

from datetime import UTC
from typing import Any

from django.db.models import QuerySet

from custody import inclusion
from custody.as_of import first_seal_covering
from custody.merkle import HASH_BYTES, audit_path, leaf_hash, root_of
from custody.models import JournalEntry, Posting, Seal
from custody.verification.seal_roots import leaf_hashes
from kernel.refusals import NotFound, Refusal

MICROS = 1_000_000


class NotSealedYet(Refusal):
    """This entry waits for its seal: ask again in a few seconds."""

    code = "not_sealed_yet"
    http_status = 409


class EntryContradictsSeal(Refusal):
    """The entry is not what was sealed. Run verify_ledger."""

    code = "entry_contradicts_seal"
    http_status = 500


def prove_entry(*, entry_id: int, investor_id: int | None = None) -> dict[str, Any]:
    """A proof, ready for JSON, that an entry is in its seal.

    To an investor only of an entry that touches their accounts, and with its content
    (what the hash is of) only when no other investor's account is in it: the lines of
    a trade would show the other side. None: to the staff, with the content.

    :raises NotFound: no such entry, or none of this investor's.
    :raises NotSealedYet: it is younger than the last seal.
    :raises EntryContradictsSeal: it, or another row of its seal, was changed.
    """
    entry = _get_entry(entry_id, investor_id)
    postings = Posting.objects.filter(entry_id=entry_id).select_related("account")
    seal = first_seal_covering(entry.xid)
    if seal is None:
        raise NotSealedYet
    stated = _entry(entry)
    index, path = _path(seal, leaf_hash(inclusion.entry_leaf(stated)))
    is_shown = investor_id is None or _is_only_of(postings, investor_id)
    return {
        "format": inclusion.FORMAT,
        "entry": stated,
        "content": _content(entry, postings) if is_shown else None,
        "leaf_index": index,
        "audit_path": [digest.hex() for digest in path],
        "seal": _seal(seal),
    }


def get_own_entry(*, entry_id: int, investor_id: int) -> JournalEntry:
    """:raises NotFound: no such entry, or none of this investor's."""
    return _get_entry(entry_id, investor_id)


def list_own_postings(*, entry_id: int, investor_id: int) -> QuerySet[Posting]:
    """The lines of an entry that touch this investor's accounts."""
    own = Posting.objects.filter(entry_id=entry_id, account__owner_id=investor_id)
    return own.select_related("account__asset").order_by("line_no")


def _get_entry(entry_id: int, investor_id: int | None) -> JournalEntry:
    entry = JournalEntry.objects.filter(id=entry_id).first()
    postings = Posting.objects.filter(entry_id=entry_id)
    if entry is None or not (investor_id is None or _is_of(postings, investor_id)):
        raise NotFound
    return entry


def _path(seal: Seal, leaf: bytes) -> tuple[int, list[bytes]]:
    """Where the leaf is, and the hashes on its way to the root."""
    hashes = leaf_hashes(seal.chain, seal.n, seal.n)[seal.n]
    leaves = [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
    if leaf not in leaves or root_of(hashes) != bytes(seal.merkle_root):
        raise EntryContradictsSeal
    index = leaves.index(leaf)
    return index, audit_path(hashes, index)


def _is_of(postings: QuerySet[Posting], investor_id: int) -> bool:
    return postings.filter(account__owner_id=investor_id).exists()


def _is_only_of(postings: QuerySet[Posting], investor_id: int) -> bool:
    others = postings.filter(account__owner__isnull=False).exclude(account__owner_id=investor_id)
    return not others.exists()


def _entry(entry: JournalEntry) -> dict[str, Any]:
    at = entry.created_at.astimezone(UTC)
    return {
        "id": entry.id,
        "xid": entry.xid,
        "created_at": at.isoformat(timespec="microseconds"),
        "created_at_micros": int(at.replace(microsecond=0).timestamp()) * MICROS + at.microsecond,
        "content_hash": bytes(entry.content_hash).hex(),
    }


def _content(entry: JournalEntry, postings: QuerySet[Posting]) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "key": entry.key,
        "reference": entry.reference,
        "reverses": entry.reverses_id,
        "lines": [
            {"account_id": posting.account_id, "units": posting.units}
            for posting in postings.order_by("line_no")
        ],
    }


def _seal(seal: Seal) -> dict[str, Any]:
    return {
        "chain": seal.chain,
        "n": seal.n,
        "previous_hash": bytes(seal.previous_hash).hex(),
        "merkle_root": bytes(seal.merkle_root).hex(),
        "leaf_count": seal.leaf_count,
        "xid_from": seal.xid_from,
        "xid_to": seal.xid_to,
        "columns": seal.columns,
        "sealed_at": seal.sealed_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "key_id": seal.key_id,
        "signature": bytes(seal.signature).hex(),
    }
