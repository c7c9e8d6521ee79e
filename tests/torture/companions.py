"""Processes beside the house that are started again whatever happens to them."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.house import House
from tests.servers import ROOT

LOOK_SECONDS = 0.2
OFFICERS = """
import sys, django
django.setup()
from tests.torture import officers
officers.main(sys.argv[1])
"""


@asynccontextmanager
async def officers(house: House, name: str) -> AsyncIterator[Path]:
    """Two who mint; nobody stops them at a named moment. Yields where they write each mint."""
    environment = {
        **{key: value for key, value in house.environment.items() if key != "BOURSE_FAULTS_DIR"},
        "DJANGO_SETTINGS_MODULE": "bourse.settings",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "platform")]),
    }
    async with _kept(house, "officers", ["-c", OFFICERS, name], environment) as log:
        yield log


@asynccontextmanager
async def _kept(
    house: House, name: str, argv: list[str], environment: dict[str, str]
) -> AsyncIterator[Path]:
    told, log = (house.var.parent / f"{name}.{ending}" for ending in ("out", "log"))

    def start() -> subprocess.Popen[bytes]:
        with told.open("ab") as output, log.open("ab") as errors:
            return subprocess.Popen(
                [sys.executable, *argv],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=errors,
                start_new_session=True,  # Ctrl-C is for the runner
            )

    process = start()

    async def keep() -> None:
        nonlocal process
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if process.poll() is not None:
                process = start()

    keeping = asyncio.create_task(keep())
    try:
        yield told
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        process.kill()
        await asyncio.to_thread(process.wait)
