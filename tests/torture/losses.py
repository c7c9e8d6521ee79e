"""Compare what was promised with what the database says in the end."""

import time
from decimal import Decimal
from typing import Any, LiteralString

import psycopg

from tests.torture.load import Promises

TOKEN_UNITS = 10**8
CREDIT_SECONDS_MAX = 120


def list_losses(database_url: str, promises: Promises) -> list[str]:
    """A sentence for everything that is gone, less than it was, or there twice."""
    with psycopg.connect(database_url, autocommit=True) as database:
        never = promises.never_answered
        return [
            *([f"{never} requests were repeated and never answered"] if never else []),
            *_lost_orders(database, promises),
            *_doubled_orders(database),
            *_lost_deposits(database, promises),
            *_lost_redemptions(database, promises),
        ]


def _lost_orders(database: Any, promises: Promises) -> list[str]:
    query: LiteralString = "SELECT id, status, filled_units FROM trading_order WHERE id = ANY(%s)"
    found = _by_id(database, query, promises.orders)
    losses = []
    for id, promised in promises.orders.items():
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


def _lost_deposits(database: Any, promises: Promises) -> list[str]:
    """Those not credited by CREDIT_SECONDS_MAX after the last fault."""
    deadline = time.monotonic() + CREDIT_SECONDS_MAX
    query = (
        "SELECT signature FROM custody_deposit d JOIN custody_pooltransfer t ON t.id = transfer_id "
        "WHERE d.state = 'credited' AND t.state = 'done' AND signature = ANY(%s)"
    )
    while True:
        credited = {row[0] for row in database.execute(query, [list(promises.deposits)])}
        missing = promises.deposits - credited
        if not missing or time.monotonic() > deadline:
            return [f"deposit {signature} was not credited" for signature in sorted(missing)]
        time.sleep(1)


def _lost_redemptions(database: Any, promises: Promises) -> list[str]:
    query: LiteralString = "SELECT id, state FROM custody_redemption WHERE id = ANY(%s)"
    found = _by_id(database, query, promises.redemptions)
    return [f"redemption {id} is gone" for id in promises.redemptions if id not in found]


def _by_id(database: Any, query: LiteralString, promised: dict[str, Any]) -> dict[str, Any]:
    rows = database.execute(query, [list(promised)])
    return {str(row[0]): row[1:] for row in rows}
