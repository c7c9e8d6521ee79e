"""Signs of life between the engine of a pool and those that stand by for it.

A batch may take long, and what it writes is seen only after its commit. So each
engine has a second line, on which a thread asks for nothing a few times a second:
PostgreSQL notes when (pg_stat_activity), which writes no row and waits for no lock.
Of a process that was killed or frozen, or whose packets are dropped, nothing more is
noted, however healthy the rest of its host is.
"""

import contextlib
import threading
import time
from typing import Any

import psycopg

Connection = psycopg.Connection[Any]

POLL_SECONDS = 0.1
BEAT_SECONDS = 0.15
# Six beats in a row are missing: a busy machine delays some, never all of them.
SILENT_SECONDS = 0.9
# A loop that beats but has not gone round for so long hangs; its statements end sooner.
STUCK_SECONDS = 45.0
LOCK_SPACE = 0x626F7572  # "bour": the first half of the advisory lock's key

LOOK = """
    SELECT holder.pid, beat.state_change,
           coalesce(pool.backend_pid = holder.pid AND pool.heartbeat_at
                    < clock_timestamp() - make_interval(secs => %(stuck)s), false)
      FROM pg_locks AS holder
      JOIN pg_database ON pg_database.oid = holder.database
      LEFT JOIN trading_pool AS pool ON pool.id = %(pool)s
      LEFT JOIN pg_stat_activity AS beat
        ON beat.application_name = 'bourse-beat:' || holder.pid
     WHERE holder.locktype = 'advisory' AND holder.granted
       AND pg_database.datname = current_database()
       AND holder.classid = %(space)s AND holder.objid = %(pool)s
"""
END = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE pid = %(pid)s OR application_name = 'bourse-beat:' || %(pid)s
"""


class Beat:
    """Beats for a line until that is closed, from a thread and on a line of its own."""

    def __init__(self, line: Connection, options: dict[str, Any]) -> None:
        self._line = line
        self._options = {**options, "application_name": f"bourse-beat:{line.info.backend_pid}"}
        # Before the line can win anything: an owner is never without it.
        first = psycopg.connect(**self._options)
        threading.Thread(target=self._run, args=(first,), name="engine-beat", daemon=True).start()

    def _run(self, beat: Connection) -> None:
        while not self._line.closed:
            with contextlib.suppress(psycopg.Error):
                if beat.closed:
                    beat = psycopg.connect(**self._options)
                beat.execute("SELECT 1")
            time.sleep(BEAT_SECONDS)
        beat.close()


class Watch:
    """What a stand-by has seen of the owner, by its own clock.

    Only looks that follow closely on each other count: when we did not run, the owner
    may not have run either (a suspended machine, a database that stood still).
    """

    def __init__(self) -> None:
        self._sign: object = None
        self._since = self._looked_at = float("-inf")

    def is_silent(self, sign: object, now: float) -> bool:
        """Whether the same sign has been seen for SILENT_SECONDS on end."""
        if sign != self._sign or now - self._looked_at > BEAT_SECONDS + 2 * POLL_SECONDS:
            self._sign, self._since = sign, now
        self._looked_at = now
        return now - self._since >= SILENT_SECONDS


def end_silent_owner(connection: Connection, pool_id: int, watch: Watch) -> bool:
    """End the backend of an owner of whom nothing is heard; whether there was one.

    A frozen process keeps its lock, its backend need not: without it the process can
    change nothing, and finds out when it wakes.
    """
    parameters = {"pool": pool_id, "space": LOCK_SPACE, "stuck": STUCK_SECONDS}
    row = connection.execute(LOOK, parameters).fetchone()
    if row is None:
        return False
    pid, beat_at, is_stuck = row
    if not watch.is_silent((pid, beat_at), time.monotonic()) and not is_stuck:
        return False
    connection.execute(END, {"pid": pid})
    return True
