"""Everything that `make run` starts, started on a test's own database."""

import json
import urllib.request
from typing import Any

import psycopg
from django.conf import settings

from tests.live import Processes


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.loads(answer.read())


def test_every_sandbox_party_answers(sandbox: Processes) -> None:
    for party in ("chain", "custodian", "kyc", "prices"):
        assert get(f"{sandbox.url(party)}/sandbox/health")["party"] == party
    assert settings.ENV.server("solana_rpc_url") == sandbox.url("chain")
    assert settings.ENV.server("custodian_secret") == sandbox.addresses.secrets["custodian_secret"]


def test_web_and_engine_run_on_the_tests_database(
    live_bourse: Processes, cloned_database: str
) -> None:
    answers = get(live_bourse.web.replace("localhost", "127.0.0.1") + "/health/ready")
    assert answers["answers"] == {"database": True, "valkey": True}

    with psycopg.connect(cloned_database) as connection:
        row = connection.execute("SELECT owner <> '' FROM trading_pool").fetchone()
    assert row == (True,)


def test_a_killed_engine_comes_back_with_a_new_epoch(
    live_bourse: Processes, cloned_database: str
) -> None:
    def epoch() -> int:
        with psycopg.connect(cloned_database) as connection:
            row = connection.execute("SELECT epoch FROM trading_pool").fetchone()
        assert row is not None
        return int(row[0])

    before = epoch()
    live_bourse.kill("engine")
    live_bourse.start("engine")

    assert epoch() > before
