"""Run the benchmarks: `python -m benchmarks [--only name,name] [--rounds N] [--seconds N]`.

Each prints one JSON line on stdout, progress goes to stderr. See README.md here
for the workloads; what servers a benchmark needs it starts and removes.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "platform"))

from benchmarks.report import Result
from benchmarks.servers import Servers
from bourse import environment, native

ROUNDS_MIN = 5
SECONDS_MIN = 20.0


def matching_core(rounds: int, seconds: float, seed: int) -> Result:
    from benchmarks import matching_core

    return matching_core.run(rounds=rounds, seed=seed)


def engine_durable(rounds: int, seconds: float, seed: int) -> Result:
    from benchmarks import engine_durable

    with Servers() as servers:
        return engine_durable.run(servers, rounds=rounds, seconds=seconds, seed=seed)


def engine_restart(rounds: int, seconds: float, seed: int) -> Result:
    from benchmarks import engine_restart

    with Servers() as servers:
        return engine_restart.run(servers, rounds=rounds, seed=seed)


def order_entry_ws(rounds: int, seconds: float, seed: int) -> Result:
    from benchmarks import order_entry

    with Servers() as servers:
        return order_entry.throughput(servers, rounds=rounds, seconds=seconds, seed=seed)


def order_entry_latency(rounds: int, seconds: float, seed: int) -> Result:
    from benchmarks import order_entry

    with Servers() as servers:
        return order_entry.latency(servers, rounds=rounds, seconds=seconds, seed=seed)


def order_entry_p99(rounds: int, seconds: float, seed: int) -> Result:
    from benchmarks import order_entry

    with Servers() as servers:
        return order_entry.tail(servers, rounds=rounds, seconds=seconds, seed=seed)


def market_data_fanout(rounds: int, seconds: float, seed: int) -> Result:
    from benchmarks import market_data_fanout

    with Servers() as servers:
        return market_data_fanout.run(servers, rounds=rounds, seconds=seconds, seed=seed)


def ledger_post(rounds: int, seconds: float, seed: int) -> Result:
    from benchmarks import ledger_post

    with Servers() as servers:
        return ledger_post.run(servers, rounds=rounds, seconds=seconds, seed=seed)


def verify_ledger(rounds: int, seconds: float, seed: int) -> Result:
    from benchmarks import verify_ledger

    with Servers() as servers:
        return verify_ledger.run(servers, rounds=rounds, seed=seed)


def balance_as_of(rounds: int, seconds: float, seed: int) -> Result:
    from benchmarks import balance_as_of

    with Servers() as servers:
        return balance_as_of.run(servers, rounds=rounds, seed=seed)


BENCHES: dict[str, Callable[[int, float, int], Result]] = {
    "matching_core": matching_core,
    "engine_durable": engine_durable,
    "engine_restart": engine_restart,
    "order_entry_ws": order_entry_ws,
    "order_entry_latency": order_entry_latency,
    "order_entry_p99": order_entry_p99,
    "market_data_fanout": market_data_fanout,
    "ledger_post": ledger_post,
    "verify_ledger": verify_ledger,
    "balance_as_of": balance_as_of,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--only", default="", help="names, separated by commas")
    parser.add_argument("--rounds", type=int, default=ROUNDS_MIN)
    parser.add_argument("--seconds", type=float, default=SECONDS_MIN, help="of each side, a round")
    parser.add_argument("--seed", type=int, default=20_260_101)
    options = parser.parse_args()
    names = [name for name in options.only.split(",") if name] or list(BENCHES)
    unknown = set(names) - set(BENCHES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    if len(names) > 1:
        return max([_in_its_own_process(name, options) for name in names])
    if environment.read().bourse_native:
        native.install()
    result = BENCHES[names[0]](options.rounds, options.seconds, options.seed)
    print(result.as_json(), flush=True)
    return 0 if result.holds else 1


def _in_its_own_process(name: str, options: argparse.Namespace) -> int:
    """Django is set up once a process, for one set of servers."""
    numbers = {"rounds": options.rounds, "seconds": options.seconds, "seed": options.seed}
    arguments = [f"--{option}={number}" for option, number in numbers.items()]
    command = [sys.executable, "-m", "benchmarks", "--only", name, *arguments]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)
    sys.exit(main())
