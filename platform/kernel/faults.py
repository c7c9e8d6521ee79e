"""Named moments at which a process can be made to stand still, so that it can be killed there.

For the fault runs alone (`make torture`), and nothing but a check of one variable
otherwise. The moments are those at which a death is most telling: before and after
something was written, committed, published or answered. A runner asks for one by a
file of its name in the directory; the first process that comes by takes the file
and stops itself (SIGSTOP). What happens then is the runner's to decide: kill it,
kill a server, or let it go on after a while. `docs/faults.md` lists the moments.
"""

import os
import signal
from pathlib import Path

POINTS = frozenset(
    {
        # The engine, around a batch's transaction and what it tells.
        "engine.before_write",
        "engine.after_write",
        "engine.before_commit",
        "engine.in_commit",
        "engine.after_commit",
        "engine.before_publish",
        "engine.after_publish",
        # A web process, around a command on its way and its answer.
        "web.before_push",
        "web.after_push",
        "web.before_answer",
        "web.after_answer",
        # The ledger outside the engine, in whichever process posts.
        "ledger.before_write",
        "ledger.after_write",
        # The worker, around one step of one row, and around what leaves the house.
        "worker.before_step",
        "worker.after_step",
        "chain.after_sign",
        "chain.before_send",
        "chain.after_send",
        "custodian.before_order",
        "custodian.after_order",
        # The sealer, around a seal's transaction and its head on the disk.
        "sealer.before_commit",
        "sealer.after_commit",
        "sealer.after_head",
    }
)


class _Wishes:
    directory: Path | None = None


def configure(directory: Path | None) -> None:
    """Look for wishes in this directory; None: never."""
    _Wishes.directory = directory


def reach(point: str) -> None:
    """Pass a named moment; stop there if somebody asked for it."""
    if _Wishes.directory is not None:
        _stop_if_wanted(_Wishes.directory, point)


def _stop_if_wanted(directory: Path, point: str) -> None:
    assert point in POINTS, f"{point} is no named moment"
    try:
        # Of several processes that come by, one gets the file.
        os.rename(directory / point, directory / f"{point}.{os.getpid()}.reached")
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGSTOP)
