"""Which pool's engine a command is for.

A listing belongs to one pool for good, so symbols are remembered. So is where this
process sent its own orders: a cancel right behind its order asks nobody, and stays
behind it. Only what is not known here is looked up in the database.
"""

import time

from asgiref.sync import sync_to_async
from django.db import connection

from trading.commands import (
    AmendOrder,
    Answer,
    CancelAll,
    CancelAllAfter,
    CancelOrder,
    Command,
    PlaceOrder,
    PlacePair,
    ReplaceOrder,
)
from trading.models import Listing, Order, Pool

# What names a listing or an order that nobody knows goes here: this pool's engine says so.
FIRST_POOL = 1
# A pool that was added is known to every process after that; a listing is at once.
REFRESH_SECONDS = 30.0
ORDERS_MAX = 50_000  # remembered at least; at twice as many the older half is forgotten
EVERYWHERE = (CancelAll, CancelAllAfter)


class PoolRoutes:
    """What one event loop knows of where commands go."""

    def __init__(self) -> None:
        self._by_symbol: dict[str, int] = {}
        self._pools: list[int] = []
        self._looked_at = float("-inf")
        self._new: dict[object, int] = {}
        self._old: dict[object, int] = {}

    async def find_all(self, commands: list[Command]) -> list[list[int]]:
        """For each command the pools that it goes to: one, or every pool."""
        if time.monotonic() - self._looked_at < REFRESH_SECONDS:
            found = [self._find(command) for command in commands]
            if all(found):
                return found
        # Not in the thread that requests share: who waits for this answer may be in it.
        return await sync_to_async(self._look_up_apart, thread_sensitive=False)(commands)

    def _find(self, command: Command) -> list[int]:
        """The pools, when they are known here without asking; else none."""
        symbol = _symbol(command)
        if symbol is not None:
            pool = self._by_symbol.get(symbol)
            if pool is not None and len(self._pools) > 1:
                self._remember(command, pool)
        elif isinstance(command, EVERYWHERE) or len(self._pools) == 1:
            return self._pools
        else:
            key = _order_key(command)
            pool = self._new.get(key, self._old.get(key))
        return [] if pool is None else [pool]

    def _look_up_apart(self, commands: list[Command]) -> list[list[int]]:
        """`_look_up` in a thread of its own, which leaves no connection behind."""
        try:
            return self._look_up(commands)
        finally:
            connection.close()

    def _look_up(self, commands: list[Command]) -> list[list[int]]:
        """Ask the database, for listings and pools that are new here too."""
        self._looked_at = time.monotonic()
        self._by_symbol = dict(Listing.objects.values_list("symbol", "pool_id"))
        self._pools = list(Pool.objects.order_by("id").values_list("id", flat=True))
        return [self._find(command) or [_stored_pool(command)] for command in commands]

    def _remember(self, command: Command, pool: int) -> None:
        if len(self._new) >= ORDERS_MAX:
            self._old, self._new = self._new, {}
        for order in _orders(command):
            self._new[order.id] = pool
            if order.client_order_id is not None:
                self._new[order.investor_id, order.client_order_id] = pool


def merge(answers: list[Answer]) -> Answer:
    """The answers of all pools to one command as one: what was canceled adds up."""
    for answer in answers:
        if answer.code:
            return answer
    first, details = answers[0], {**answers[0].details}
    if "count" in details:
        details["count"] = str(sum(int(answer.details["count"]) for answer in answers))
    others = [view for answer in answers for view in answer.others]
    return Answer(first.command_id, first.order, details=details, others=others)


def _orders(command: Command) -> list[PlaceOrder]:
    """The orders that a command places."""
    if isinstance(command, PlaceOrder):
        return [command]
    if isinstance(command, PlacePair):
        return [command.first, command.second]
    return [command.order] if isinstance(command, ReplaceOrder) else []


def _symbol(command: Command) -> str | None:
    """The listing that the command names, if it names one."""
    if isinstance(command, PlaceOrder | CancelAll):
        return command.listing
    placed = _orders(command)
    return placed[0].listing if placed else None


def _order_key(command: Command) -> object:
    if not isinstance(command, CancelOrder | AmendOrder):
        return None
    return command.order_id or (command.investor_id, command.client_order_id)


def _stored_pool(command: Command) -> int:
    """The pool of the stored order that the command names."""
    if not isinstance(command, CancelOrder | AmendOrder):
        return FIRST_POOL
    orders = Order.objects.filter(investor_id=command.investor_id)
    if command.order_id is not None:
        orders = orders.filter(id=command.order_id)
    else:
        orders = orders.filter(client_order_id=command.client_order_id)
    found: int | None = orders.order_by("-id").values_list("listing__pool_id", flat=True).first()
    return FIRST_POOL if found is None else found
