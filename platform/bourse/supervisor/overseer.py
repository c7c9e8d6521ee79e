"""The supervisor's loop: children are started, read, restarted and stopped here.

One thread does it all. It sleeps in `select` until a child writes, a child
dies or somebody signals, so an idle supervisor costs nothing. Children must be
started by this thread, since they die with it (launch.py).
"""

import fcntl
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import IO, TextIO

from bourse.supervisor.launch import CannotStart
from bourse.supervisor.logfile import LogFile

# Whoever waits notices every tenth; what fails again at once waits longer each time.
RESTART_SECONDS_FIRST = 0.1
RESTART_SECONDS_MAX = 30.0
# A child that ran this long has recovered: its next failure is a first one.
STABLE_SECONDS = 5.0
STOP_SECONDS = 15.0
PENDING_OUTPUT_MAX = 64 * 1024


@dataclass(frozen=True)
class Part:
    """Something that runs: how to start it, and when it may be relied on."""

    name: str
    start: Callable[[IO[bytes]], subprocess.Popen[bytes]]
    is_ready: Callable[[], bool]
    # Before each start: clears what a killed predecessor left.
    prepare: Callable[[], None] = lambda: None
    needs: frozenset[str] = frozenset()
    stop_signal: signal.Signals = signal.SIGTERM
    kill_signal: signal.Signals = signal.SIGKILL
    ready_seconds: float = 90.0


@dataclass
class Child:
    """A part that was started."""

    part: Part
    process: subprocess.Popen[bytes]
    output: int
    log: LogFile
    started_at: float
    failures: int = 0
    restart_at: float | None = None
    pending: bytes = field(default=b"", repr=False)


class Stopped(Exception):
    """Somebody asked the supervisor to stop while it was still starting."""


class Overseer:
    """Starts parts and keeps them running until a signal."""

    def __init__(
        self,
        logs: Callable[[str], LogFile],
        *,
        on_start: Callable[[str, int], None] = lambda name, process_id: None,
        console: TextIO = sys.stdout,
    ) -> None:
        self.children: dict[str, Child] = {}
        self.stopping = False
        self._logs, self._on_start, self._console = logs, on_start, console
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        for end in (self._wake_read, self._wake_write):
            os.set_blocking(end, False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)

    def catch_signals(self) -> None:
        """Stop on Ctrl-C and SIGTERM; wake up at once when a child dies."""
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def start(self, part: Part) -> Child:
        """Start it without waiting for it."""
        child = self._spawn(part)
        self.children[part.name] = child
        return child

    def wait_ready(self, parts: Iterable[Part], on_ready: Callable[[Part, float], None]) -> None:
        """Return when all of them may be relied on.

        :raises CannotStart: one took longer than its `ready_seconds`.
        :raises Stopped: somebody asked us to stop.
        """
        waiting = {part.name: part for part in parts}
        since = time.monotonic()
        while waiting:
            self.look(0.05)
            if self.stopping:
                raise Stopped
            for part in list(waiting.values()):
                took = time.monotonic() - since
                if self.is_running(part.name) and part.is_ready():
                    del waiting[part.name]
                    on_ready(part, took)
                elif took > part.ready_seconds:
                    raise CannotStart(f"{part.name} did not become ready; see its log.")

    def run_to_end(self, part: Part) -> int:
        """Run something that ends by itself; its exit code.

        :raises Stopped: somebody asked us to stop; it was stopped too.
        """
        child = self._spawn(part)
        while child.process.poll() is None:
            self.look(0.2)
            if self.stopping:
                self._end(child)
                raise Stopped
        self._drain(child)
        return child.process.returncode

    def is_running(self, name: str) -> bool:
        child = self.children.get(name)
        return child is not None and child.process.poll() is None

    def watch(self) -> None:
        """Keep everything running until asked to stop."""
        while not self.stopping:
            self.look(self._seconds_to_next_restart())

    def look(self, seconds: float) -> None:
        """Sleep until something happens, at most `seconds`; pass output on; restart the dead."""
        for key, _ in self._selector.select(seconds):
            if key.data is None:
                self._swallow_wakeups()
            else:
                self._read(key.data)
        for child in list(self.children.values()):
            self._tend(child)

    def stop(self, say: Callable[[str], None]) -> None:
        """Stop all children, the last started first."""
        self.stopping = True
        for child in reversed(list(self.children.values())):
            if child.process.poll() is None:
                say(child.part.name)
                self._end(child)
        for child in self.children.values():
            self._drain(child)
        self.children.clear()

    def close(self) -> None:
        """Give the descriptors back; for those who make more than one in a process."""
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _spawn(self, part: Part) -> Child:
        part.prepare()
        read_end, write_end = os.pipe()
        fcntl.fcntl(read_end, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
        with os.fdopen(write_end, "wb", buffering=0) as output:
            process = part.start(output)
        self._on_start(part.name, process.pid)
        os.set_blocking(read_end, False)
        child = Child(part, process, read_end, self._logs(part.name), time.monotonic())
        self._selector.register(read_end, selectors.EVENT_READ, child)
        return child

    def _tend(self, child: Child) -> None:
        """Restart a child that ended, later each time it ends soon."""
        if self.stopping or child.process.poll() is None:
            return
        now = time.monotonic()
        if child.restart_at is None:
            if now - child.started_at > STABLE_SECONDS:
                child.failures = 0
            delay = min(RESTART_SECONDS_FIRST * 2**child.failures, RESTART_SECONDS_MAX)
            child.failures += 1
            child.restart_at = now + delay
            self._drain(child)
            self.write(child.part.name, f"ended ({_ending(child.process)}), again in {delay:g} s")
        elif now >= child.restart_at:
            again = self._spawn(child.part)
            again.failures = child.failures
            self.children[child.part.name] = again

    def _seconds_to_next_restart(self) -> float:
        now = time.monotonic()
        waits = [c.restart_at - now for c in self.children.values() if c.restart_at is not None]
        return max(0.0, min(waits, default=60.0))

    def _end(self, child: Child) -> None:
        """Ask it to stop, then insist."""
        for number, seconds in (
            (child.part.stop_signal, STOP_SECONDS),
            (child.part.kill_signal, STOP_SECONDS),
            (signal.SIGKILL, STOP_SECONDS),
        ):
            child.process.send_signal(number)
            deadline = time.monotonic() + seconds
            while child.process.poll() is None and time.monotonic() < deadline:
                self.look(0.02)
            if child.process.poll() is not None:
                break
        self._drain(child)

    def _read(self, child: Child) -> bool:
        """Pass on what it wrote; False when there was nothing (more) to read."""
        try:
            chunk = os.read(child.output, 64 * 1024)
        except BlockingIOError:
            return False
        if not chunk:
            self._close(child)
            return False
        *lines, child.pending = (child.pending + chunk).split(b"\n")
        if len(child.pending) > PENDING_OUTPUT_MAX:
            lines, child.pending = [*lines, child.pending], b""
        for line in lines:
            self._write_line(child, line)
        return True

    def _drain(self, child: Child) -> None:
        """Pass on what an ended child still wrote; its own children may keep the pipe."""
        while child.output >= 0 and self._read(child):
            pass
        if child.output >= 0:
            self._close(child)

    def _close(self, child: Child) -> None:
        if child.pending:
            self._write_line(child, child.pending)
            child.pending = b""
        self._selector.unregister(child.output)
        os.close(child.output)
        child.output = -1
        child.log.close()

    def _write_line(self, child: Child, line: bytes) -> None:
        child.log.write(line)
        self.write(child.part.name, line.decode(errors="replace"))

    def write(self, name: str, text: str) -> None:
        """One line on the console, with the name of who says it."""
        print(f"{name:<12} | {text}", file=self._console, flush=True)

    def _on_signal(self, number: int, _: object) -> None:
        self.stopping = True

    def _swallow_wakeups(self) -> None:
        try:
            while os.read(self._wake_read, 512):
                pass
        except BlockingIOError:
            pass


def _ending(process: subprocess.Popen[bytes]) -> str:
    code = process.returncode
    return f"by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
