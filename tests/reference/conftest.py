"""A sandbox price feed of one's own, whose clock a test may move."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from reference.gateways.halts import HaltsGateway
from reference.gateways.prices import PricesGateway

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS_MAX = 30


class FeedParty:
    """The running feed: its address, its clock, its knobs."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=10)

    def now(self) -> datetime:
        return datetime.fromisoformat(self._http.get("/sandbox/clock").json()["now"])

    def step_to(self, instant: datetime) -> None:
        self._post("/sandbox/clock", {"to": instant.isoformat()})

    def step(self, seconds: int) -> None:
        self._post("/sandbox/clock", {"advance_seconds": seconds})

    def halt(self, ticker: str, code: str | None) -> None:
        self._post("/sandbox/halt", {"ticker": ticker, "code": code})

    def freeze(self, ticker: str) -> None:
        self._post("/sandbox/stale", {"ticker": ticker, "stale": True})

    def prices(self) -> PricesGateway:
        return PricesGateway(self.url)

    def halts(self) -> HaltsGateway:
        return HaltsGateway(self.url)

    def close(self) -> None:
        self._http.close()

    def _post(self, path: str, body: dict[str, object]) -> None:
        self._http.post(path, json=body).raise_for_status()
        # kernel.clock looks at the file again after 0.1 s.
        time.sleep(0.15)


@pytest.fixture
def feed_party(tmp_path: Path) -> Iterator[FeedParty]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "sandbox.prices", "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "platform")}
    process = subprocess.Popen(
        [*command, "--state", str(tmp_path / "prices")], env=environment, cwd=ROOT
    )
    party = FeedParty(f"http://127.0.0.1:{port}")
    try:
        _wait_until_it_answers(party)
        yield party
    finally:
        party.close()
        process.terminate()
        process.wait(timeout=10)


def _wait_until_it_answers(party: FeedParty) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            party.now()
        except httpx.TransportError:
            assert time.monotonic() < deadline, "the price feed did not start"
            time.sleep(0.1)
        else:
            return
