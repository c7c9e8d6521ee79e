"""Who stops the long fault runs stops their house as well."""

import signal
import subprocess
import sys

import pytest

from tests.servers import ROOT

# The runner itself, over a house that only says what is done to it.
RUNNER = """
import asyncio, sys
from tests.torture import __main__ as runner

class House:
    def __init__(self, var): pass
    def start(self): print("started", flush=True)
    def stop(self): print("house stopped", flush=True)

class Torture:
    def __init__(self, house, seed, plan): pass
    async def run(self):
        print("running", flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            print("load abandoned", flush=True)

runner.House, runner.Torture = House, Torture
sys.argv = ["torture", "--seed", "1", "--runs", "1"]
sys.exit(runner.main())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_load_and_stops_the_house(number: signal.Signals) -> None:
    argv = [sys.executable, "-c", RUNNER]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "running\n":
                break
        process.send_signal(number)
        told, _ = process.communicate(timeout=60)

    assert told.splitlines() == ["load abandoned", "stopped; the house stops", "house stopped"]
    assert process.returncode == 130
