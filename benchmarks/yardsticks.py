"""What the numbers are measured against: PostgreSQL's own pgbench (TPC-B like)."""

import os
import re
import statistics
import subprocess

import psycopg

from benchmarks.servers import Servers

SCALE = 10
CLIENTS, THREADS = 8, 2
DATABASE = "pgbench"


def prepare(servers: Servers) -> None:
    """Make pgbench's tables at scale 10, in a database beside ours on the same server."""
    with psycopg.connect(servers.postgres.admin_url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}")
    _pgbench(servers, "-i", "-q", "-s", str(SCALE))


def transactions_per_second(servers: Servers, seconds: float) -> float:
    """`pgbench -c 8 -j 2` over the same socket as the engine uses."""
    arguments = ["-n", "-c", str(CLIENTS), "-j", str(THREADS), "-T", str(max(1, round(seconds)))]
    found = re.search(r"tps = ([0-9.]+)", _pgbench(servers, *arguments))
    assert found is not None
    return float(found.group(1))


def commit_ms(servers: Servers, seconds: float) -> float:
    """The median time of a transaction of `pgbench -c 1`, from its BEGIN to its commit."""
    prefix = servers.home / "pgbench"
    arguments = ["-n", "-c", "1", "-T", str(max(1, round(seconds)))]
    _pgbench(servers, *arguments, "-l", f"--log-prefix={prefix}")
    logs = list(servers.home.glob("pgbench.*"))
    lines = [line for log in logs for line in log.read_text().splitlines()]
    for log in logs:
        log.unlink()
    return statistics.median(int(line.split()[2]) for line in lines) / 1_000


def _pgbench(servers: Servers, *arguments: str) -> str:
    postgres = servers.postgres
    password = (postgres.home / "admin-password").read_text().strip()
    done = subprocess.run(
        [
            str(postgres.binaries / "pgbench"),
            *("-h", str(postgres.socket_folder), "-p", str(postgres.port), "-U", "postgres"),
            *arguments,
            DATABASE,
        ],
        env={**os.environ, "PGPASSWORD": password},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
