"""order_entry_ws, order_entry_latency, order_entry_p99: commands over the WebSocket.

A real web process and a real engine, as the supervisor starts them, on servers of their
own; a third process trades (benchmarks.order_client). An answer comes after the commit.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import django

from benchmarks import yardsticks
from benchmarks.report import Result, say
from benchmarks.servers import ROOT, Servers

CONNECTIONS, IN_FLIGHT = 100, 20
CONNECTIONS_IN_TURN = 10
WARM_UP_SECONDS = 3.0
WS_BOUND, LATENCY_BOUND, P99_BOUND = 1.5, 5.0, 40.0


@dataclass
class Venue:
    """Where orders are sent, and by whom."""

    url: str
    keys: list[tuple[str, str]]
    listings: list[str]
    seed: int

    def trade(
        self, seconds: float, *, connections: int, in_flight: int = 0, per_second: float = 0.0
    ) -> dict[str, Any]:
        """A round of the trading program, and what it saw."""
        self.seed += 1_000
        order = {
            "url": self.url,
            "keys": self.keys[:connections],
            "listings": self.listings,
            "seed": self.seed,
            "seconds": seconds,
            "in_flight": in_flight,
            "per_second": per_second,
        }
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.order_client"],
            cwd=ROOT,
            input=json.dumps(order),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        seen: dict[str, Any] = json.loads(done.stdout)
        say(
            f"  {seen['per_second']:.0f} answers/s, median {seen['median_ms']:.2f} ms,"
            f" p99 {seen['p99_ms']:.2f} ms: {seen['outcomes']}"
        )
        return seen


def open_venue(servers: Servers, seed: int) -> Venue:
    """Servers, engine and web, a funded venue, and a key for each trader."""
    web = servers.claim_web()
    django.setup()
    from accounts import api_keys
    from benchmarks import venue
    from kernel import clock

    yardsticks.prepare(servers)
    investors, listings = venue.build()
    servers.spawn("run_engine")
    venue.wait_for_funds()
    made = [
        api_keys.create(investor_id=investor, kind="native", scopes=["trade"], now=clock.now())
        for investor in investors[:CONNECTIONS]
    ]
    os.environ.pop("DATABASE_POOL_MAX")  # the web process has its own, as in production
    url = web.start().replace("http://", "ws://") + "/ws/v1"
    keys = [(key.key, key.secret) for key in made]
    opened = Venue(url, keys, [rules.symbol for rules in listings], seed)
    opened.trade(WARM_UP_SECONDS, connections=CONNECTIONS, in_flight=IN_FLIGHT)
    return opened


def throughput(servers: Servers, *, rounds: int, seconds: float, seed: int) -> Result:
    """Answers a second with 100 sockets of 20 commands in flight."""
    say(f"order_entry_ws: seed {seed}, {rounds} rounds of {seconds:.0f} s a side")
    venue = open_venue(servers, seed)
    values, yardstick_values = [], []
    for _ in range(rounds):
        yardstick_values.append(yardsticks.transactions_per_second(servers, seconds))
        seen = venue.trade(seconds, connections=CONNECTIONS, in_flight=IN_FLIGHT)
        values.append(seen["per_second"])
        say(f"  pgbench {yardstick_values[-1]:.0f} tps")
    return Result(
        bench="order_entry_ws",
        unit="answers/s",
        values=values,
        yardstick="pgbench -c 8 -j 2 -s 10, tps",
        yardstick_values=yardstick_values,
        bound=WS_BOUND,
    )


def latency(servers: Servers, *, rounds: int, seconds: float, seed: int) -> Result:
    """Median time of an answer, one command in flight."""
    say(f"order_entry_latency: seed {seed}, {rounds} rounds of {seconds:.0f} s a side")
    venue = open_venue(servers, seed)
    values, yardstick_values = [], []
    for _ in range(rounds):
        yardstick_values.append(yardsticks.commit_ms(servers, seconds))
        values.append(venue.trade(seconds, connections=CONNECTIONS_IN_TURN)["median_ms"])
        say(f"  pgbench {yardstick_values[-1]:.3f} ms")
    return _of_times("order_entry_latency", values, yardstick_values, LATENCY_BOUND)


def tail(servers: Servers, *, rounds: int, seconds: float, seed: int) -> Result:
    """The time within which 99 of 100 answers come, at half of the rate there can be."""
    say(f"order_entry_p99: seed {seed}, {rounds} rounds of {seconds:.0f} s a side")
    venue = open_venue(servers, seed)
    fastest = venue.trade(seconds, connections=CONNECTIONS, in_flight=IN_FLIGHT)["per_second"]
    values, yardstick_values = [], []
    for _ in range(rounds):
        yardstick_values.append(yardsticks.commit_ms(servers, seconds))
        seen = venue.trade(seconds, connections=CONNECTIONS, per_second=fastest / 2)
        values.append(seen["p99_ms"])
        say(f"  pgbench {yardstick_values[-1]:.3f} ms")
    return _of_times("order_entry_p99", values, yardstick_values, P99_BOUND)


def _of_times(
    bench: str, values: list[float], yardstick_values: list[float], bound: float
) -> Result:
    return Result(
        bench=bench,
        unit="ms",
        values=values,
        yardstick="pgbench -c 1 -s 10, median transaction, ms",
        yardstick_values=yardstick_values,
        bound=bound,
        at_most=True,
    )
