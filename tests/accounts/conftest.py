import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings

from accounts.gateways.kyc_provider import SumsubProvider
from accounts.models import User
from bourse.environment import BASE_DIR
from tests.accounts.stories import make_officer, serve_germany

TOKEN, SECRET, WEBHOOK_SECRET = "app-token", "app-secret", "webhook-secret"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents of a test lie in its own folder."""
    monkeypatch.setattr(settings, "VAR_DIR", tmp_path)


@pytest.fixture
def germany(db: None) -> None:
    serve_germany()


@pytest.fixture
def olga(db: None) -> User:
    """A compliance officer."""
    return make_officer("olga")


@pytest.fixture
def omar(db: None) -> User:
    """Another one."""
    return make_officer("omar")


@dataclass(frozen=True)
class Party:
    """The sandbox's KYC provider, running."""

    url: str

    @property
    def provider(self) -> SumsubProvider:
        return SumsubProvider(url=self.url, token=TOKEN, secret=SECRET)

    def turn(self, **knobs: Any) -> None:
        httpx.post(f"{self.url}/sandbox/kyc/knobs", json=knobs).raise_for_status()

    def review(self, external_id: object, outcome: str) -> None:
        body = {"external_id": str(external_id), "outcome": outcome}
        httpx.post(f"{self.url}/sandbox/kyc/review", json=body).raise_for_status()

    def webhooks(self, external_id: object) -> list[dict[str, Any]]:
        """What it has to say about one applicant, in the order it happened."""
        said = httpx.get(f"{self.url}/sandbox/kyc/webhooks").json()
        bodies: list[dict[str, Any]] = [one["body"] for one in said]
        return [body for body in bodies if body["externalUserId"] == str(external_id)]


@pytest.fixture(scope="session")
def running_party(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Party]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = [sys.executable, "-m", "sandbox.kyc", "--port", str(port)]
    argv += ["--state", str(tmp_path_factory.mktemp("kyc")), "--webhook-url", "http://127.0.0.1:1/"]
    environment = {
        "PYTHONPATH": f"{BASE_DIR}:{BASE_DIR / 'platform'}", "KYC_PROVIDER_TOKEN": TOKEN,
        "KYC_PROVIDER_SECRET": SECRET, "KYC_WEBHOOK_SECRET": WEBHOOK_SECRET,
    }  # fmt: skip
    process = subprocess.Popen(argv, env=environment, cwd=BASE_DIR)
    party = Party(url=f"http://127.0.0.1:{port}")
    try:
        _await(party)
        yield party
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture
def party(running_party: Party, monkeypatch: pytest.MonkeyPatch) -> Party:
    """It holds its webhooks back and decides when told; our settings name it."""
    running_party.turn(hold=True, auto=False, copies=1, outcomes=[])
    monkeypatch.setattr(settings.ENV, "kyc_provider_url", running_party.url)
    monkeypatch.setattr(settings.ENV, "kyc_provider_token", TOKEN)
    monkeypatch.setattr(settings.ENV, "kyc_provider_secret", SECRET)
    monkeypatch.setattr(settings.ENV, "kyc_webhook_secret", WEBHOOK_SECRET)
    return running_party


def _await(party: Party) -> None:
    for _ in range(200):
        try:
            httpx.get(f"{party.url}/sandbox/health").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the sandbox's KYC provider did not start")
