"""balance_as_of: microseconds to read a balance as of a random seal among 1 million postings.

The yardstick reads a row by its primary key over the same connection. See README.md
here for the workload.
"""

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import django

from benchmarks.report import Result, say
from benchmarks.servers import Servers

BOUND = 5.0
READS = 5_000


def run(servers: Servers, *, rounds: int, seed: int) -> Result:
    """Medians of both sides over the rounds, which alternate."""
    django.setup()
    from benchmarks import books
    from custody import time_travel
    from custody.models import LedgerAccount, Seal

    books.fill(servers, seed)
    chance = random.Random(seed)  # noqa: S311 (a workload, not a secret)
    seals = list(Seal.objects.filter(chain="ledger"))
    accounts = _accounts(LedgerAccount)
    _assert_true(accounts, seals, chance)
    values, read = [], []
    for number in range(1, rounds + 1):
        asked = [(chance.choice(accounts), chance.choice(seals)) for _ in range(READS)]
        read.append(_micros(asked, lambda account_id, _: _point_read(account_id)))
        values.append(
            _micros(asked, lambda each, seal: time_travel.get_balance(account_id=each, seal=seal))
        )
        say(f"balance_as_of {number}: {values[-1]:.0f} us beside {read[-1]:.0f} us")
    return Result(
        bench="balance_as_of",
        unit="us",
        values=values,
        yardstick="a ledger account by its primary key, us",
        yardstick_values=read,
        bound=BOUND,
        at_most=True,
    )


def _accounts(model: Any) -> list[int]:
    """Investors' accounts, and as often the fees', which a third of all postings touch."""
    ids = model.objects.values_list("id", flat=True)
    fees = list(ids.filter(purpose="fees"))
    others = list(ids.exclude(purpose="fees"))
    return others + fees * (len(others) // len(fees))


def _micros(asked: Sequence[tuple[int, Any]], read: Callable[[int, Any], int]) -> float:
    started = time.perf_counter()
    for account_id, seal in asked:
        read(account_id, seal)
    return (time.perf_counter() - started) / len(asked) * 1e6


def _point_read(account_id: int) -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT posted_units FROM custody_ledgeraccount WHERE id = %s", [account_id])
        return int(cursor.fetchone()[0])


def _assert_true(accounts: Sequence[int], seals: Sequence[Any], chance: random.Random) -> None:
    """A few of the answers, recomputed from all postings."""
    from django.db import connection

    from custody import time_travel

    for _ in range(10):
        account_id, seal = chance.choice(accounts), chance.choice(seals)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT COALESCE(sum(units), 0) FROM custody_posting"
                "  JOIN custody_journalentry AS entry ON entry.id = entry_id"
                " WHERE account_id = %s AND entry.xid < %s::text::xid8",
                [account_id, str(seal.xid_to)],
            )
            expected = int(cursor.fetchone()[0])
        assert time_travel.get_balance(account_id=account_id, seal=seal) == expected
