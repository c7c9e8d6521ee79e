"""`manage.py run_engine`: the engine of a pool, or its stand-by.

Without Django: an engine reads and writes by SQL alone, and starting without it
takes a third of the time and of the memory. A stand-by is as small until it owns
the pool.
"""

import argparse
import gc
import logging.config
import signal
import sys
import time

from psycopg.conninfo import conninfo_to_dict

from bourse import logs, native, production
from bourse.environment import Environment, EnvironmentWrong, read
from kernel import clock, faults

COLLECT_SECONDS = 60.0
OVERDUE_SECONDS = 600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pool", type=int, default=1, help="the pool to own (1)")


def main(argv: list[str]) -> int:
    """Run until SIGTERM or SIGINT; the exit code. One sentence and 2 when it cannot start."""
    parser = argparse.ArgumentParser(prog="manage.py run_engine", description=__doc__)
    add_arguments(parser)
    options = parser.parse_args(argv)
    try:
        environment = read()
    except EnvironmentWrong as wrong:
        return _refuse(str(wrong))
    production.refuse_unsafe(environment)
    database_url, valkey_url = environment.server("database_url"), environment.server("redis_url")
    if not database_url or not valkey_url:
        return _refuse("No servers: start Bourse with `make run`, or set DATABASE_URL, REDIS_URL.")
    _configure(environment)
    if environment.bourse_native:
        native.install()
    from trading.sequencer import Sequencer  # only now: it imports what may be compiled

    sequencer = Sequencer(
        pool_id=options.pool,
        database=dict(conninfo_to_dict(database_url)),
        valkey_url=valkey_url,
        messages_per_second=environment.messages_per_second,
        between_batches=Collector().look,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sequencer.stop())
    sequencer.run()
    return 0


class Collector:
    """Garbage that holds itself, as after failures, is looked for when nobody waits."""

    def __init__(self) -> None:
        self._due_at = time.monotonic() + COLLECT_SECONDS

    def look(self, is_idle: bool) -> None:
        """Collect when it is due and nobody waits, or when it is long overdue."""
        now = time.monotonic()
        if now >= self._due_at + (0.0 if is_idle else OVERDUE_SECONDS):
            self._due_at = now + COLLECT_SECONDS
            gc.collect()
            gc.freeze()  # what stays is not looked through again, until the pool is won anew


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 2


def _configure(environment: Environment) -> None:
    clock.configure(environment.clock_file)
    faults.configure(environment.bourse_faults_dir)
    in_production = environment.bourse_env == "production"
    logging.config.dictConfig(logs.configure(level=environment.log_level, as_json=in_production))
    # A batch leaves no cycles, so the collector finds nothing; looking for some among what
    # stays held up all that waited, for up to 40 ms every few seconds. See Collector.
    gc.disable()
    # The writer's thread needs the interpreter for moments only, but then at once.
    sys.setswitchinterval(0.0001)
