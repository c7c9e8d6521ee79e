"""The sandbox's clock: real time plus an offset that a tester may move forwards.

The offset lives in one small file that every process reads through
`kernel.clock`; this module alone writes it. Every sandbox party answers
    GET  /sandbox/clock                                {"now", "offset_seconds"}
    POST /sandbox/clock  {"advance_seconds": 3600}     the same, after the step
    POST /sandbox/clock  {"to": "2026-11-27T14:30:00Z"}
Time never goes back: what was booked must not come to lie in the future.
"""

import fcntl
import json
import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

# Ten years: further out no calendar reaches and timers overflow.
ADVANCE_SECONDS_MAX = 10 * 366 * 24 * 3600


class ClockRefused(Exception):
    """The step asked for is not one forwards in time."""


def read_offset(path: Path) -> float:
    """The offset in seconds; 0 when nobody has moved the clock."""
    try:
        return float(json.loads(path.read_text())["offset_seconds"])
    except FileNotFoundError:
        return 0.0


def move(path: Path, command: dict[str, Any]) -> float:
    """Move the clock by `{"advance_seconds"}` or `{"to"}`; the new offset in seconds.

    :raises ClockRefused: not a step forwards, or one beyond ADVANCE_SECONDS_MAX.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        # Several parties are mounted on one file; steps must add up.
        fcntl.flock(lock, fcntl.LOCK_EX)
        offset = read_offset(path)
        step = _step_seconds(command, offset)
        write_json(path, {"offset_seconds": offset + step})
    return offset + step


def write_json(path: Path, content: object) -> None:
    """Replace a small JSON file in one step: a reader sees the old or the new one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)


def routes(path: Path) -> list[Route]:
    """GET and POST /sandbox/clock over one clock file."""

    async def show(request: Request) -> JSONResponse:
        return JSONResponse(_view(await run_in_threadpool(read_offset, path)))

    async def advance(request: Request) -> JSONResponse:
        try:
            command = await request.json()
            offset = await run_in_threadpool(move, path, command)
        except ValueError:
            return JSONResponse({"message": "The body is not JSON."}, status_code=400)
        except ClockRefused as refusal:
            return JSONResponse({"message": str(refusal)}, status_code=422)
        return JSONResponse(_view(offset))

    return [
        Route("/sandbox/clock", show, methods=["GET"]),
        Route("/sandbox/clock", advance, methods=["POST"]),
    ]


def _view(offset_seconds: float) -> dict[str, object]:
    now = datetime.now(UTC) + timedelta(seconds=offset_seconds)
    return {"now": now.isoformat(), "offset_seconds": offset_seconds}


def _step_seconds(command: object, offset: float) -> float:
    match command:
        case {"advance_seconds": int() | float() as seconds} if not isinstance(seconds, bool):
            step = float(seconds)
        case {"to": str() as text}:
            step = (_instant(text) - datetime.now(UTC)).total_seconds() - offset
        case _:
            raise ClockRefused('Send {"advance_seconds": n} or {"to": an instant with its zone}.')
    if not 0 <= step <= ADVANCE_SECONDS_MAX:  # refuses NaN too
        raise ClockRefused("The clock only goes forwards, and at most ten years at once.")
    return step


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ClockRefused("That is not an ISO 8601 instant.") from None
    if instant.tzinfo is None:
        raise ClockRefused("Name the instant's zone, as in 2026-11-27T14:30:00Z.")
    return instant
