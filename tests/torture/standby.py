"""A second engine beside the house's own: it stands by, and takes over."""

import asyncio
import subprocess
import sys

from tests.house import House
from tests.servers import ROOT

LOOK_SECONDS = 0.2


class Standby:
    """Keeps one `manage.py run_engine` running, whatever kills it."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._process: subprocess.Popen[bytes] | None = None
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Standby":
        self._start()
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._watching is not None
        assert self._process is not None
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)
        self._process.kill()
        await asyncio.to_thread(self._process.wait)

    def _start(self) -> None:
        with (self._house.var.parent / "standby.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "manage.py", "run_engine"],
                cwd=ROOT,
                env=self._house.environment,
                stdout=log,
                stderr=log,
            )

    async def _watch(self) -> None:
        while True:
            assert self._process is not None
            if self._process.poll() is not None:
                self._start()
            await asyncio.sleep(LOOK_SECONDS)
