"""market_data_fanout: one busy book to 200 sockets, against the same bytes from a bare uvicorn.

The product's own web process and engine on one side; on the other an ASGI application
that does nothing but send (benchmarks.fanout_yardstick). On both sides another process
moves the book, or asks for the next bytes, and counts what arrives
(benchmarks.fanout_client).
"""

import json
import os
import socket
import subprocess
import sys
from typing import Any

import django

from benchmarks.report import Result, say
from benchmarks.servers import ROOT, Servers
from bourse.supervisor.launch import wait_until_ready
from bourse.supervisor.ports import LOOPBACK, Reservation

SOCKETS = 200
WARM_UP_SECONDS = 2.0
BOUND = 0.4


def run(servers: Servers, *, rounds: int, seconds: float, seed: int) -> Result:
    """Medians of both sides over the rounds."""
    say(f"market_data_fanout: seed {seed}, {rounds} rounds of {seconds:.0f} s a side")
    web = servers.claim_web()
    django.setup()
    from benchmarks import venue

    investors, listings = venue.build(listings=1, investors=4)
    servers.spawn("run_engine")
    venue.wait_for_funds()
    os.environ.pop("DATABASE_POOL_MAX")  # the web process has its own, as in production
    product = {
        "url": web.start().replace("http://", "ws://") + "/ws/v1",
        "valkey_url": servers.valkey.url(),
        "listing": listings[0].symbol,
        "investors": investors,
        "seed": seed,
    }
    said = listen(product, WARM_UP_SECONDS)["messages"]
    bare = {"url": _start_yardstick(servers, said)}
    listen(bare, WARM_UP_SECONDS)
    values, yardstick_values = [], []
    for number in range(rounds):
        yardstick_values.append(listen(bare, seconds)["per_second"])
        values.append(listen(product, seconds)["per_second"])
        say(f"round {number + 1}: {values[-1]:.0f} messages/s, bare {yardstick_values[-1]:.0f}")
    return Result(
        bench="market_data_fanout",
        unit="messages/s",
        values=values,
        yardstick="bare uvicorn WebSocket, 200 sockets, the same bytes, messages/s",
        yardstick_values=yardstick_values,
        bound=BOUND,
    )


def listen(side: dict[str, Any], seconds: float) -> dict[str, Any]:
    """A round of the client, and what it saw."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fanout_client"],
        cwd=ROOT,
        input=json.dumps({**side, "sockets": SOCKETS, "seconds": seconds}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def _start_yardstick(servers: Servers, messages: list[str]) -> str:
    reserved = Reservation()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "uvicorn", "benchmarks.fanout_yardstick:application"),
            *("--host", LOOPBACK, "--port", str(reserved.port), "--ws", "websockets-sansio"),
            *("--no-access-log", "--log-level", "warning", "--lifespan", "off"),
        ],
        cwd=ROOT,
        env={**os.environ, "FANOUT_MESSAGES": json.dumps(messages)},
    )
    servers.watch(process)
    wait_until_ready(process, lambda: _listens(reserved.port), "yardstick", seconds=30.0)
    reserved.close()
    return f"ws://{LOOPBACK}:{reserved.port}/"


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
