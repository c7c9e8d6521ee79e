"""Ports and secrets are made once; what is given from outside is used."""

import json
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bourse.environment import Environment
from bourse.supervisor import addresses as addressing
from bourse.supervisor.addresses import Addresses
from bourse.supervisor.launch import CannotStart
from bourse.supervisor.parts import all_parts, choose
from bourse.supervisor.ports import Reservation

EXTERNAL = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "CELERY_BROKER_URL")
SERVERS = ["postgres", "valkey"]
SANDBOX = ["chain", "custodian", "kyc", "prices"]
OURS = ["web", "engine", "stand-by", "worker", "sealer"]
ALL = [*SERVERS, *SANDBOX, *OURS, "market-maker"]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment in which nothing is set but the var folder."""
    for name in Environment.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("BOURSE_VAR_DIR", str(tmp_path))


@pytest.fixture
def claimed() -> Iterator[list[Addresses]]:
    """Addresses that were claimed; their ports are given back at the end."""
    made: list[Addresses] = []
    yield made
    for addresses in made:
        release(addresses)


def claim(claimed: list[Addresses]) -> Addresses:
    addresses = addressing.claim(Environment())
    claimed.append(addresses)
    return addresses


def release(addresses: Addresses) -> None:
    for reservation in addresses.ports.values():
        reservation.close()


def test_a_second_start_finds_the_same_ports_and_secrets(claimed: list[Addresses]) -> None:
    first = claim(claimed)
    release(first)
    second = claim(claimed)

    assert {n: r.port for n, r in first.ports.items()} == {
        n: r.port for n, r in second.ports.items()
    }
    assert first.secrets == second.secrets


def test_two_checkouts_get_different_ports(
    claimed: list[Addresses], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = claim(claimed)
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("BOURSE_VAR_DIR", str(tmp_path / "other"))
    second = claim(claimed)

    assert not {r.port for r in first.ports.values()} & {r.port for r in second.ports.values()}
    assert first.secrets["valkey_password"] != second.secrets["valkey_password"]


def test_secrets_are_readable_by_their_owner_alone(
    claimed: list[Addresses], tmp_path: Path
) -> None:
    claim(claimed)
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


def test_a_given_url_is_used_and_its_server_not_started(
    claimed: list[Addresses], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://bourse_app:x@db.example/bourse")
    monkeypatch.setenv("SOLANA_RPC_URL", "https://rpc.example")
    addresses = claim(claimed)

    names = [part.name for part in all_parts(addresses)]

    assert "postgres" not in names
    assert "chain" not in names
    assert "valkey" in names
    assert "DATABASE_URL" not in addresses.settings()
    assert addresses.process_environment()["SOLANA_RPC_URL"] == "https://rpc.example"


def test_production_starts_no_sandbox(
    claimed: list[Addresses], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOURSE_ENV", "production")
    for name in EXTERNAL:
        monkeypatch.setenv(name, "postgresql://u:p@server.example/x")

    addresses = claim(claimed)

    assert [part.name for part in all_parts(addresses)] == OURS
    assert "BOURSE_CLOCK" not in addresses.settings()
    assert "SECRET_KEY" not in addresses.settings()


def test_only_brings_what_a_part_needs(claimed: list[Addresses]) -> None:
    parts = all_parts(claim(claimed))

    assert [part.name for part in parts] == ALL
    assert [part.name for part in choose(parts, {"engine"})] == ["postgres", "valkey", "engine"]
    assert [part.name for part in choose(parts, {"kyc"})] == ["kyc"]
    assert [part.name for part in choose(parts, set())] == ALL
    with pytest.raises(CannotStart, match="No part is called bank"):
        choose(parts, {"bank", "web"})


def test_a_sandbox_party_gets_no_password_of_ours(
    claimed: list[Addresses], monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = claim(claimed)
    given: dict[str, dict[str, str]] = {}
    monkeypatch.setattr(
        "bourse.supervisor.parts.spawn",
        lambda command, output: given.setdefault(command.argv[2], dict(command.env)),
    )
    for part in all_parts(addresses):
        if part.name in (*addressing.PARTIES, "market-maker"):
            part.start(None)  # type: ignore[arg-type]

    assert given["sandbox.custodian"]["SANDBOX_SECRET"] == addresses.secrets["custodian_secret"]
    for environment in given.values():
        assert "DATABASE_URL" not in environment
        assert "REDIS_URL" not in environment
        assert addresses.secrets["secret_key"] not in environment.values()


def test_the_run_file_is_private_and_names_every_server(
    claimed: list[Addresses], tmp_path: Path
) -> None:
    from bourse.supervisor.cli import write_run_file

    addresses = claim(claimed)
    write_run_file(addresses)

    run_file = tmp_path / "run.json"
    content = json.loads(run_file.read_text())
    assert stat.S_IMODE(run_file.stat().st_mode) == 0o600
    assert content["web"].startswith("http://localhost:")
    assert content["logins"] == []
    for name in (*EXTERNAL, "SOLANA_RPC_URL", "CUSTODIAN_URL", "KYC_PROVIDER_URL", "PRICES_URL"):
        assert content["env"][name], name


def test_a_port_can_be_reserved_by_one_supervisor_only() -> None:
    with closing(Reservation()) as first, pytest.raises(OSError, match="in use"):
        Reservation(first.port)
