"""How a child process is started, so that it never outlives its parent.

Linux tells a child of its parent's death when it asks (PR_SET_PDEATHSIG);
`setpriv --pdeathsig` asks on its behalf. The signal is bound to the *thread*
that started the child, so children are started from a main thread only.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO

NOBODY = 65534


class CannotStart(Exception):
    """A server could not be started; the message is one sentence for a person."""


@dataclass(frozen=True)
class Command:
    """What to run. `user_id` is set when the child must drop to that user."""

    argv: list[str]
    env: Mapping[str, str]
    cwd: Path
    death_signal: signal.Signals = signal.SIGTERM
    # Between unshare and the server: a new user namespace clears the request.
    prefix: list[str] = field(default_factory=list)
    user_id: int | None = None


def spawn(command: Command, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
    """Start it in a session of its own, so that Ctrl-C reaches the supervisor alone."""
    dies_with_us = [_tool("setpriv"), "--pdeathsig", command.death_signal.name[3:]]
    return subprocess.Popen(
        [*command.prefix, *dies_with_us, *command.argv],
        env=dict(command.env),
        cwd=command.cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        user=command.user_id,
        group=command.user_id,
        extra_groups=[] if command.user_id is not None else None,
    )


def wait_until_ready(
    process: subprocess.Popen[bytes], is_ready: Callable[[], bool], name: str, *, seconds: float
) -> None:
    """Return once the server that runs as `process` is ready.

    :raises CannotStart: it ended, or took longer than `seconds`.
    """
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        if is_ready():
            return
        time.sleep(0.02)
    raise CannotStart(f"{name} did not become ready.")


@cache
def unprivileged() -> tuple[list[str], int | None]:
    """How a server that refuses to run as root is started: (prefix, user id).

    Root enters a user namespace in which it looks like nobody, so no file needs
    another owner; where namespaces are forbidden it drops to nobody for real.
    """
    if os.geteuid() != 0:
        return [], None
    prefix = [_tool("unshare"), "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0:
        return prefix, None
    return [], NOBODY


def give_to(user_id: int | None, *paths: Path) -> None:
    """Let the user that a server drops to own these paths."""
    if user_id is not None:
        for path in paths:
            os.chown(path, user_id, user_id)


def is_alive(process_id: int) -> bool:
    """True for a running process, false for a zombie or none."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def works_in(process_id: int, folder: Path) -> bool:
    """True when that process runs and its working directory is `folder`."""
    try:
        there = Path(f"/proc/{process_id}/cwd").resolve() == folder.resolve()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
    return there and is_alive(process_id)


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise CannotStart(f"The program {name} is missing: install util-linux.")
    return path
