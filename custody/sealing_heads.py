"""The heads of the seals, kept outside the database: one line of JSON a seal.

A database that was rolled back, or rewritten together with its seals, contradicts
the file. It is appended to after the commit; a sealer that was killed in between
catches up when it starts.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TAIL_BYTES = 8192  # longer than any line


class HeadsFile:
    """The heads file of one chain."""

    def __init__(self, directory: Path, chain: str) -> None:
        self.path = directory / f"{chain}.jsonl"

    def last(self) -> dict[str, Any] | None:
        """The last complete head; what a kill left half written is cut off."""
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return None
        with self.path.open("rb+") as file:
            start = max(0, size - TAIL_BYTES)
            file.seek(start)
            tail = file.read()
            complete = tail[: tail.rfind(b"\n") + 1]
            if len(complete) < len(tail):
                file.truncate(start + len(complete))
        lines = complete.splitlines()
        return json.loads(lines[-1]) if lines else None

    def append(self, heads: list[dict[str, Any]]) -> None:
        """Write heads and wait until they are on the disk."""
        if not heads:
            return
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = "".join(json.dumps(head) + "\n" for head in heads)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """All complete heads, first to last; none when there is no file."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:
            for line in file:
                if line.endswith(b"\n"):
                    yield json.loads(line)
