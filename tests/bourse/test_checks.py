"""Unsafe configurations do not start."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bourse import checks
from bourse.environment import UNSAFE_SECRET_KEY, Environment
from tests.servers import ROOT


@pytest.fixture
def safe(tmp_path: Path) -> dict[str, Any]:
    """An environment in which production may start."""
    key_file = tmp_path / "key"
    key_file.write_text("a key")
    return {
        "bourse_env": "production",
        "bourse_var_dir": tmp_path,
        "bourse_clock": "system",
        "secret_key": "k3y" * 20,
        "allowed_hosts": "bourse.example",
        "database_url": "postgresql://bourse_app:a@db.example/bourse",
        "database_owner_url": "postgresql://bourse_owner:b@db.example/bourse",
        "redis_url": "rediss://bourse:c@valkey.example/0",
        "solana_rpc_url": "https://rpc.example",
        "custodian_url": "https://broker.example",
        "custodian_key": "k",
        "custodian_secret": "s",
        "kyc_provider_url": "https://kyc.example",
        "kyc_provider_token": "t",
        "kyc_provider_secret": "s",
        "kyc_webhook_secret": "w",
        "prices_url": "https://prices.example",
        "bourse_pii_keys": "one:" + "A" * 44,
        "bourse_seal_key_file": key_file,
        "bourse_chain_keys_file": key_file,
        "email_url": "smtp+tls://mail.example",
        "firm_lei": "5493001KJTIIGC8Y1R12",
        "firm_country": "DE",
        "venue_mic": "XBRS",
    }


def sentences(values: dict[str, Any]) -> list[str]:
    return [str(problem.msg) for problem in checks.find_unsafe(Environment(**values))]


def test_a_complete_production_environment_is_safe(safe: dict[str, Any]) -> None:
    assert sentences(safe) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("debug", True),
        ("secret_key", UNSAFE_SECRET_KEY),
        ("secret_key", "short"),
        ("bourse_clock", "sandbox"),
        ("allowed_hosts", "*"),
        ("allowed_hosts", "localhost,bourse.example"),
        ("email_url", ""),
        ("messages_per_second", 0),
        ("database_url", ""),
        ("database_owner_url", "postgresql://bourse_app:a@db.example/bourse"),
        ("redis_url", "redis://valkey.example/0"),
        ("solana_rpc_url", "http://127.0.0.1:8899"),
        ("solana_rpc_url", "https://127.1.2.3"),
        ("custodian_url", "https://[::ffff:127.0.0.1]"),
        ("custodian_url", "https://0.0.0.0"),
        ("kyc_provider_url", "https://kyc.localhost"),
        ("prices_url", "https://169.254.169.254"),  # a cloud's own secrets
        ("halts_url", "http://halts.example"),
        ("custodian_url", "https://localhost:9000"),
        ("kyc_provider_url", ""),
        ("prices_url", "http://prices.example"),
        ("custodian_secret", ""),
        ("kyc_webhook_secret", ""),
        ("bourse_pii_keys", ""),
        ("bourse_seal_key_file", None),
        ("bourse_chain_keys_file", Path("/nowhere/key")),
        ("firm_lei", ""),
        ("firm_lei", "5493001KJTIIGC8Y1R13"),
        ("firm_country", "Germany"),
        ("firm_country", ""),
        ("firm_country", "de"),
        ("venue_mic", ""),
    ],
)
def test_one_unsafe_value_is_refused_by_name(safe: dict[str, Any], name: str, value: Any) -> None:
    problems = sentences(safe | {name: value})

    assert len(problems) == 1
    assert name.upper() in problems[0]


def test_development_may_be_unsafe() -> None:
    assert sentences({"bourse_env": "development", "debug": True}) == []


def test_asserts_may_not_be_switched_off() -> None:
    assert checks.refuse_optimized(debug=True) == []
    assert checks.refuse_optimized(debug=False)[0].id == "bourse.E001"


def run(*argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *argv],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_check_command_fails_under_python_o() -> None:
    done = run("-O", "manage.py", "check")
    assert done.returncode != 0
    assert "python -O" in done.stderr


def test_the_web_server_does_not_start_unsafe() -> None:
    done = run(
        "-c",
        "import sys; sys.path.append('platform'); import bourse.asgi",
        BOURSE_ENV="production",
    )
    assert done.returncode == 2
    assert "SECRET_KEY must be" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_engine_does_not_start_unsafe() -> None:
    done = run("manage.py", "run_engine", BOURSE_ENV="production")
    assert done.returncode == 2
    assert "SECRET_KEY must be" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_engine_is_without_django() -> None:
    """So that it, or its stand-by, is there in a moment and is small."""
    program = "import sys; sys.path.append('platform'); import bourse.engine_process"
    done = run("-c", program + "; print('django' in sys.modules)")
    assert done.stdout.strip() == "False", done.stderr


def test_a_wrong_value_is_one_sentence_and_exit_2() -> None:
    done = run("manage.py", "check", BOURSE_CLOCK="sundial")
    assert done.returncode == 2
    assert done.stderr.startswith("The configuration is wrong: BOURSE_CLOCK")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "address", ["", "postgresql://nobody@127.0.0.1:1/none"], ids=["none set", "none answers"]
)
def test_a_command_that_needs_servers_says_so(address: str, tmp_path: Path) -> None:
    done = run("manage.py", "showmigrations", DATABASE_URL=address, BOURSE_VAR_DIR=str(tmp_path))

    assert done.returncode == 2
    assert "start Bourse with `make run`" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_help_needs_no_server(tmp_path: Path) -> None:
    done = run("manage.py", "migrate", "--help", DATABASE_URL="", BOURSE_VAR_DIR=str(tmp_path))
    assert done.returncode == 0
    assert "usage" in done.stdout
