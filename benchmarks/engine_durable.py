"""engine_durable: commands a second that are held, matched, posted and committed.

The engine is the product's own process (`manage.py run_engine`); commands wait
in its Valkey list, as order entry leaves them there, and every answer is
received. 50,000 investors trade, and a million rows tell what was before. Rounds
alternate with the yardstick's, on the same server and socket.
"""

import time
from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import django
import msgspec
import psycopg
import redis
from psycopg.rows import dict_row

from benchmarks import yardsticks
from benchmarks.report import Result, say
from benchmarks.servers import DATABASE, Servers

if TYPE_CHECKING:
    from trading.commands import Command

BOUND = 4.0
IN_FLIGHT_MAX = 4_096
CHUNK = 512
PREPARED_PER_SECOND = 20_000
DEADLINE_SECONDS = 30.0
ANSWER_SECONDS_MAX = 60.0
WARM_UP_SECONDS = 3.0
REPLY_TO = "bourse:answers:benchmark"
ENGINE_SECONDS_MAX = 120.0
ROWS = """
    SELECT (SELECT count(*) FROM custody_ledgeraccount WHERE purpose = 'trading') AS accounts,
           (SELECT count(*) FROM trading_order WHERE status = 'filled') AS orders,
           (SELECT count(*) FROM trading_trade) AS trades,
           (SELECT count(*) FROM trading_bookevent) AS events,
           (SELECT count(*) FROM custody_journalentry WHERE kind = 'trade') AS entries,
           (SELECT count(*) FROM custody_posting JOIN custody_journalentry AS entry
                ON entry.id = entry_id WHERE kind = 'trade') AS postings
"""


def run(servers: Servers, *, rounds: int, seconds: float, seed: int) -> Result:
    """Medians of both sides over the rounds."""
    django.setup()
    from benchmarks import venue
    from benchmarks.workload import Stream

    say(f"engine_durable: seed {seed}, {rounds} rounds of {seconds:.0f} s a side")
    yardsticks.prepare(servers)
    started = time.monotonic()
    traders = venue.build_crowd()
    rows = _settle(servers, accounts=2 * venue.CROWD, history=venue.HISTORY_ROWS)
    say(f"prepared in {time.monotonic() - started:.0f} s: {rows}")
    servers.spawn("run_engine")
    stream = Stream(traders=traders, seed=seed)
    _wait_for_engine(servers, venue.BATCHES)
    feeder = Feeder(servers.valkey.url(), stream)
    feeder.round(WARM_UP_SECONDS)
    values, yardstick_values = [], []
    for number in range(rounds):
        yardstick_values.append(yardsticks.transactions_per_second(servers, seconds))
        values.append(feeder.round(seconds))
        say(f"round {number + 1}: {values[-1]:.0f} commands/s, pgbench {yardstick_values[-1]:.0f}")
    say(f"answers: {dict(feeder.outcomes)}")
    return Result(
        bench="engine_durable",
        unit="commands/s",
        values=values,
        yardstick="pgbench -c 8 -j 2 -s 10, tps",
        yardstick_values=yardstick_values,
        bound=BOUND,
    )


def _settle(servers: Servers, *, accounts: int, history: int) -> dict[str, int]:
    """Leave nothing of the preparation to do while it is measured; the rows that there are."""
    url = servers.postgres.admin_url(DATABASE)
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as server:
        server.execute("VACUUM (ANALYZE)")
        server.execute("CHECKPOINT")
        found = server.execute(ROWS).fetchone()
    assert found is not None
    assert found["accounts"] == accounts == 100_000, found
    assert sum(found.values()) - accounts == history == 1_000_000, found
    return found


def _wait_for_engine(servers: Servers, batches: int) -> None:
    """Until an engine has read all that there is, and committed a batch."""
    deadline = time.monotonic() + ENGINE_SECONDS_MAX
    with psycopg.connect(servers.postgres.admin_url(DATABASE), autocommit=True) as server:
        while (
            server.execute("SELECT FROM trading_pool WHERE batch_no > %s", [batches]).rowcount == 0
        ):
            assert time.monotonic() < deadline, "the engine does not begin"
            time.sleep(0.1)


class Commands(Protocol):
    """Where commands come from, without end."""

    def take(self, count: int) -> "list[Command]": ...


class Feeder:
    """Keeps the engine's list filled, and counts its answers."""

    def __init__(self, valkey_url: str, stream: "Commands") -> None:
        from trading.commands import Answers, commands_key

        self._valkey = redis.Redis.from_url(valkey_url)
        self._answers = self._valkey.pubsub(ignore_subscribe_messages=True)
        self._answers.subscribe(REPLY_TO)
        self._key = commands_key(1)
        self._stream = stream
        self._prepared: deque[msgspec.Raw] = deque()
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Answers).decode
        self.outcomes: Counter[str] = Counter()

    def round(self, seconds: float) -> float:
        """Commands a second over a round, from the first push to the last answer."""
        self.prepare(round(seconds * PREPARED_PER_SECOND))
        return self.send(seconds)

    def send(self, seconds: float) -> float:
        """Commands a second, until the time is over or nothing prepared is left."""
        started = time.monotonic()
        pushed = answered = 0
        while time.monotonic() - started < seconds and self._prepared:
            if pushed - answered <= IN_FLIGHT_MAX - CHUNK:
                pushed += self._push()
                answered += self._receive(0.0)
            else:
                answered += self._receive(0.1)
        while answered < pushed:
            received = self._receive(ANSWER_SECONDS_MAX)
            assert received, "the engine does not answer"
            answered += received
        return answered / (time.monotonic() - started)

    def prepare(self, count: int) -> None:
        """Make commands beforehand: that is no part of what is measured.

        What a round leaves over stays first in line, because the stream has moved on.
        """
        missing = max(0, count - len(self._prepared))
        made = self._stream.take(missing)
        self._prepared.extend(msgspec.Raw(self._encode(command)) for command in made)

    def put(self, command: "Command") -> None:
        """One more behind what is prepared."""
        self._prepared.append(msgspec.Raw(self._encode(command)))

    def ask_until_answered(self, make: "Callable[[], Command]") -> float:
        """Seconds until one of the commands that are asked every tenth is answered."""
        started, answered = time.monotonic(), 0
        while not answered:
            assert time.monotonic() - started < ANSWER_SECONDS_MAX, "no engine answers"
            self.put(make())
            self._push()
            answered = self._receive(0.1)
        seconds = time.monotonic() - started
        while self._receive(0.5):
            pass
        return seconds

    def _push(self) -> int:
        count = min(CHUNK, len(self._prepared))
        deadline = time.time() + DEADLINE_SECONDS
        commands = [self._prepared.popleft() for _ in range(count)]
        packed = [self._encode((command, deadline, REPLY_TO)) for command in commands]
        self._valkey.rpush(self._key, *packed)
        return count

    def _receive(self, timeout_seconds: float) -> int:
        """Take the answers that are there, waiting for the first."""
        message = self._answers.get_message(timeout=timeout_seconds)
        if message is None:
            return 0
        answers = self._decode(message["data"]).answers
        self.outcomes.update(
            answer.order.status if answer.order else answer.code for answer in answers
        )
        return len(answers)
