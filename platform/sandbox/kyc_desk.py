"""What the sandbox's KYC provider keeps and decides: applicants, reviews, webhooks to send.

All of it lives in one SQLite file, so a restart loses neither a review nor a
webhook that was not delivered yet. Review times go strictly forwards.
"""

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sandbox import disk

DECIDE_AFTER_SECONDS = 1.0
# Between deliveries of one webhook that was not answered with 200; the last one repeats.
RETRY_SECONDS = (1, 2, 5, 15, 60)
ATTEMPTS_MAX = 200
# A given name decides the review, as testers need it; every other name is GREEN.
BY_NAME = {"Retry": "RETRY", "Reject": "RED", "Fraud": "GREEN_THEN_RED", "Hold": ""}
GREEN = {"reviewAnswer": "GREEN"}
RETRY = {
    "reviewAnswer": "RED",
    "reviewRejectType": "RETRY",
    "rejectLabels": ["UNSATISFACTORY_PHOTOS"],
    "moderationComment": "The picture is not sharp. Please take it again.",
    "clientComment": "Blurred.",
}
RED = {
    "reviewAnswer": "RED",
    "reviewRejectType": "FINAL",
    "rejectLabels": ["FORGERY"],
    "moderationComment": "We could not verify your document.",
    "clientComment": "The document was altered.",
}
OUTCOMES: dict[str, list[dict[str, Any]]] = {
    "GREEN": [GREEN],
    "RETRY": [RETRY],
    "RED": [RED],
    "GREEN_THEN_RED": [GREEN, RED],
    "": [],
}
SCHEMA = """
CREATE TABLE IF NOT EXISTS applicant (
    id TEXT PRIMARY KEY, external_id TEXT UNIQUE NOT NULL, fixed_info TEXT NOT NULL,
    status TEXT NOT NULL, requested_at REAL, result TEXT, reviewed_ms INTEGER NOT NULL DEFAULT 0,
    created_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS document (
    id INTEGER PRIMARY KEY, applicant_id TEXT NOT NULL, metadata TEXT NOT NULL,
    bytes_count INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS webhook (
    id INTEGER PRIMARY KEY, body BLOB NOT NULL, due_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, delivered_at REAL);
"""


class UnknownApplicant(Exception):
    """No applicant has that id."""


class ApplicantExists(Exception):
    """There is an applicant with that external id."""


@dataclass
class Knobs:
    """How the desk behaves; turned by POST /sandbox/kyc/knobs, forgotten at a restart."""

    copies: int = 1  # how often each webhook is sent
    hold: bool = False  # keep webhooks back until they are released
    auto: bool = True  # decide by itself; else only when told
    outcomes: list[str] = field(default_factory=list)  # of the next reviews, before names


class Desk:
    def __init__(self, path: Path, now: Callable[[], datetime]) -> None:
        self._db = disk.open_file(path, SCHEMA)
        self._db.row_factory = sqlite3.Row
        self._now = now
        self.knobs = Knobs()

    def create(self, external_id: str, fixed_info: dict[str, Any]) -> sqlite3.Row:
        """:raises ApplicantExists: as it says."""
        ident = os.urandom(12).hex()
        values = (ident, external_id, json.dumps(fixed_info), "init", self._next_ms())
        try:
            self._db.execute(
                "INSERT INTO applicant (id, external_id, fixed_info, status, created_ms)"
                " VALUES (?, ?, ?, ?, ?)",
                values,
            )
        except sqlite3.IntegrityError:
            raise ApplicantExists(external_id) from None
        self._announce(ident, "applicantCreated")
        return self.get(ident)

    def get(self, ident: str) -> sqlite3.Row:
        """:raises UnknownApplicant: as it says."""
        return self._one("SELECT * FROM applicant WHERE id = ?", ident)

    def get_by_external_id(self, external_id: str) -> sqlite3.Row:
        return self._one("SELECT * FROM applicant WHERE external_id = ?", external_id)

    def applicants(self) -> list[sqlite3.Row]:
        return self._db.execute("SELECT * FROM applicant ORDER BY created_ms").fetchall()

    def add_document(self, ident: str, metadata: dict[str, Any], bytes_count: int) -> int:
        self.get(ident)
        cursor = self._db.execute(
            "INSERT INTO document (applicant_id, metadata, bytes_count) VALUES (?, ?, ?)",
            (ident, json.dumps(metadata), bytes_count),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def documents(self, ident: str) -> list[dict[str, Any]]:
        rows = self._db.execute(
            "SELECT metadata FROM document WHERE applicant_id = ? ORDER BY id", (ident,)
        )
        return [json.loads(row["metadata"]) for row in rows]

    def request_check(self, ident: str) -> None:
        self.get(ident)
        self._db.execute(
            "UPDATE applicant SET status = 'pending', requested_at = ? WHERE id = ?",
            (time.time(), ident),
        )
        self._announce(ident, "applicantPending")

    def review(self, ident: str, result: dict[str, Any]) -> None:
        """Decide: the present review from now on, and a webhook that says so."""
        self.get(ident)
        self._db.execute(
            "UPDATE applicant SET status = 'completed', result = ?, reviewed_ms = ? WHERE id = ?",
            (json.dumps(result), self._next_ms(), ident),
        )
        self._announce(ident, "applicantReviewed", {"reviewResult": result})

    def decide_due(self) -> None:
        """Review whoever has waited long enough."""
        if not self.knobs.auto:
            return
        waiting = self._db.execute(
            "SELECT * FROM applicant WHERE status = 'pending' AND requested_at <= ?",
            (time.time() - DECIDE_AFTER_SECONDS,),
        ).fetchall()
        for applicant in waiting:
            for result in OUTCOMES[self._outcome(applicant)]:
                self.review(applicant["id"], result)

    def due_webhooks(self) -> Iterator[sqlite3.Row]:
        if self.knobs.hold:
            return
        yield from self._db.execute(
            "SELECT * FROM webhook WHERE delivered_at IS NULL AND due_at <= ? AND attempts < ?"
            " ORDER BY due_at, id LIMIT 20",
            (time.time(), ATTEMPTS_MAX),
        ).fetchall()

    def webhooks(self) -> list[sqlite3.Row]:
        return self._db.execute("SELECT * FROM webhook ORDER BY id").fetchall()

    def note_delivery(self, webhook: sqlite3.Row, *, is_delivered: bool) -> None:
        now = time.time()
        wait = RETRY_SECONDS[min(webhook["attempts"], len(RETRY_SECONDS) - 1)]
        self._db.execute(
            "UPDATE webhook SET attempts = attempts + 1, due_at = ?, delivered_at = ? WHERE id = ?",
            (now + wait, now if is_delivered else None, webhook["id"]),
        )

    def release(self, *, is_reversed: bool) -> None:
        """Send what was held back, in the order it happened or in the reverse order."""
        self.knobs.hold = False
        held = self._db.execute("SELECT id FROM webhook WHERE delivered_at IS NULL ORDER BY id")
        idents = [row["id"] for row in held]
        if is_reversed:
            idents.reverse()
        start = time.time() - len(idents)
        for place, ident in enumerate(idents):
            self._db.execute(
                "UPDATE webhook SET due_at = ? WHERE id = ?", (start + place * 1e-3, ident)
            )

    def send_raw(self, body: dict[str, Any], copies: int) -> None:
        """Queue a webhook with any content, such as one about nobody or from the past."""
        for _ in range(copies):
            self._queue(json.dumps(body).encode())

    def _outcome(self, applicant: sqlite3.Row) -> str:
        if self.knobs.outcomes:
            return self.knobs.outcomes.pop(0)
        words = str(json.loads(applicant["fixed_info"]).get("firstName", "")).split()
        return BY_NAME.get(words[0] if words else "", "GREEN")

    def _announce(self, ident: str, kind: str, more: dict[str, Any] | None = None) -> None:
        applicant = self.get(ident)
        moment = applicant["reviewed_ms"] if more else self._next_ms()
        body = {
            "applicantId": ident,
            "inspectionId": f"insp-{ident}",
            "correlationId": os.urandom(8).hex(),
            "externalUserId": applicant["external_id"],
            "levelName": "basic-kyc-level",
            "type": kind,
            "reviewStatus": applicant["status"],
            "createdAtMs": format_ms(moment),
            **(more or {}),
        }
        for _ in range(self.knobs.copies):
            self._queue(json.dumps(body).encode())

    def _queue(self, body: bytes) -> None:
        self._db.execute("INSERT INTO webhook (body, due_at) VALUES (?, ?)", (body, time.time()))

    def _next_ms(self) -> int:
        newest = self._db.execute(
            "SELECT max(max(reviewed_ms), max(created_ms)) AS ms FROM applicant"
        ).fetchone()["ms"]
        return max(round(self._now().timestamp() * 1000), (newest or 0) + 1)

    def _one(self, query: str, value: str) -> sqlite3.Row:
        row: sqlite3.Row | None = self._db.execute(query, (value,)).fetchone()
        if row is None:
            raise UnknownApplicant(value)
        return row


def format_ms(milliseconds: int) -> str:
    """ "2026-01-31 13:23:19.321", as the provider writes UTC."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(seconds))}.{rest:03}"
