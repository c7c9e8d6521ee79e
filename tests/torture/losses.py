"""Compare what was promised with what the database says."""

import time
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, LiteralString

import psycopg

from tests.torture.load import Promises

TOKEN_UNITS = 10**8
END_SECONDS_MAX = 180


def list_losses(database_url: str, promises: Promises) -> list[str]:
    """A sentence for everything that is gone, less than it was, or there twice."""
    with psycopg.connect(database_url, autocommit=True) as database:
        return [
            *_lost_orders(database, promises),
            *_doubled_orders(database),
            *_lost_redemptions(database, promises),
        ]


def list_unfinished(database_url: str, promises: Promises) -> list[str]:
    """Once the faults are over: what was not answered, credited or carried out in time."""
    never = promises.never_answered
    with psycopg.connect(database_url, autocommit=True) as database:
        return [
            *([f"{never} requests were repeated and never answered"] if never else []),
            *_missing(database, CREDITED, promises.deposits, "deposit {} was not credited"),
            *_missing(database, ENDED, promises.redemptions, "redemption {} does not end"),
            *_missing(database, MINTED, promises.mints, "mint {} is not minted"),
        ]


CREDITED: LiteralString = """
    SELECT signature FROM custody_deposit d JOIN custody_pooltransfer t ON t.id = transfer_id
     WHERE d.state = 'credited' AND t.state = 'done' AND signature = ANY(%s)
"""
ENDED: LiteralString = """
    SELECT id::text FROM custody_redemption WHERE state IN ('paid', 'refused')
       AND id = ANY(%s::uuid[])
"""

MINTED: LiteralString = """
    SELECT id::text FROM custody_mintrequest WHERE state = 'minted' AND id = ANY(%s::uuid[])
"""


def _lost_orders(database: Any, promises: Promises) -> list[str]:
    known = dict(promises.orders)
    query: LiteralString = "SELECT id, status, filled_units FROM trading_order WHERE id = ANY(%s)"
    found = _by_id(database, query, known)
    losses = []
    for id, promised in known.items():
        if id not in found:
            losses.append(f"order {id} ({promised['status']}) is gone")
            continue
        status, filled_units = found[id]
        if promised["status"] != "open" and status != promised["status"]:
            losses.append(f"order {id} was {promised['status']} and is {status}")
        if filled_units < Decimal(promised["filled_quantity"]) * TOKEN_UNITS:
            losses.append(f"order {id} has lost a part of its fills")
    return losses


def _doubled_orders(database: Any) -> list[str]:
    """One client_order_id, one order, however often it was sent."""
    rows = database.execute(
        "SELECT client_order_id, count(*) FROM trading_order WHERE status <> 'refused' "
        "AND client_order_id LIKE 'torture-%' GROUP BY investor_id, client_order_id "
        "HAVING count(*) > 1"
    )
    return [f"{identity} was executed {count} times" for identity, count in rows]


def _lost_redemptions(database: Any, promises: Promises) -> list[str]:
    known = dict(promises.redemptions)
    query: LiteralString = "SELECT id, state FROM custody_redemption WHERE id = ANY(%s)"
    found = _by_id(database, query, known)
    return [f"redemption {id} is gone" for id in known if id not in found]


def _missing(
    database: Any, query: LiteralString, promised: Iterable[str], sentence: str
) -> list[str]:
    """Those that the query does not find within END_SECONDS_MAX."""
    deadline = time.monotonic() + END_SECONDS_MAX
    while True:
        found = {row[0] for row in database.execute(query, [list(promised)])}
        missing = set(promised) - found
        if not missing or time.monotonic() > deadline:
            return [sentence.format(each) for each in sorted(missing)]
        time.sleep(1)


def _by_id(database: Any, query: LiteralString, promised: dict[str, Any]) -> dict[str, Any]:
    rows = database.execute(query, [list(promised)])
    return {str(row[0]): row[1:] for row in rows}
