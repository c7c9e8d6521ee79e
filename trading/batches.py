"""One batch in memory: take its commands through the pool, one answer for each.

Between the fence, read before, and the writing, done after. Duplicates,
deadlines and clients' own ids are judged here; the rest is the pool's.
"""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from kernel.refusals import Refusal
from trading.commands import (
    Answer,
    BatchNews,
    BookUpdate,
    CancelAll,
    CancelAllAfter,
    CancelOrder,
    Command,
    Envelope,
    OrderView,
    PlaceOrder,
    PlacePair,
)
from trading.engine.book import BookOrder
from trading.engine.effects import Effects
from trading.engine.market import Market
from trading.engine.pool import Pool
from trading.engine.throttle import Throttle

logger = logging.getLogger(__name__)

# No command may wait longer than this, so no id has to be remembered longer.
DEADLINE_MAX_SECONDS = 60.0
ONLY_CANCEL = (CancelOrder, CancelAll, CancelAllAfter)


class DuplicateCommand(Refusal):
    """This command was taken before; ask for its order by the id."""

    code = "duplicate_command"
    http_status = 409


class DeadlinePassed(Refusal):
    """The command came too late and was not executed."""

    code = "deadline_passed"


class ClientOrderIdReused(Refusal):
    """This client_order_id was used in the last 24 hours, for another order."""

    code = "client_order_id_reused"
    http_status = 409


class CommandFailed(Refusal):
    """The command could not be stored. It was not executed."""

    code = "command_failed"


class RecentIds:
    """Command ids taken lately, in two halves of which the older is forgotten whole."""

    def __init__(self) -> None:
        self._new: set[UUID] = set()
        self._old: set[UUID] = set()
        self._turn_at = 0.0

    def __contains__(self, id: UUID) -> bool:
        return id in self._new or id in self._old

    def discard(self, ids: Iterable[UUID]) -> None:
        """Forget ids of a batch that was undone."""
        self._new.difference_update(ids)
        self._old.difference_update(ids)

    def update(self, ids: Iterable[UUID], now: float) -> None:
        if now >= self._turn_at:
            self._old, self._new = self._new, set()
            # Longer than any deadline, so a half that is forgotten is long past all of its own.
            self._turn_at = now + 2 * DEADLINE_MAX_SECONDS
        self._new.update(ids)


# (investor, client_order_id) -> (hash of the body, the first answer)
KnownIds = dict[tuple[int, str], tuple[bytes | None, OrderView]]


@dataclass(slots=True)
class Batch:
    """Commands with their effects and answers."""

    effects: Effects
    envelopes: Sequence[Envelope]
    known: KnownIds
    answers: list[tuple[str, Answer]] = field(default_factory=list)
    answered_orders: list[tuple[str, UUID, BookOrder]] = field(default_factory=list)
    taken: set[UUID] = field(default_factory=set)
    accepted: dict[tuple[int, str], BookOrder] = field(default_factory=dict)


def run(pool: Pool, batch: Batch, recent: RecentIds, throttle: Throttle | None = None) -> None:
    """Judge every command of the batch; a refusal is that command's own."""
    if batch.effects.now >= pool.rates.changes_at:
        pool.rates.advance(batch.effects.now)
    for envelope in batch.envelopes:
        command = envelope.command
        try:
            _check_turn(envelope, batch, recent)
            if throttle is not None:
                _count(throttle, command, batch.effects)
            if isinstance(command, PlaceOrder):
                _place(pool, command, envelope.reply_to, batch)
            elif isinstance(command, CancelOrder):
                order = pool.cancel(command, batch.effects)
                batch.answered_orders.append((envelope.reply_to, command.id, order))
        except Refusal as refusal:
            _refuse(batch, envelope, refusal)


def _check_turn(envelope: Envelope, batch: Batch, recent: RecentIds) -> None:
    """:raises DeadlinePassed, DuplicateCommand: it must not be executed (again)."""
    id, now = envelope.command.id, batch.effects.now
    if not now <= envelope.deadline <= now + DEADLINE_MAX_SECONDS:
        raise DeadlinePassed
    if id in batch.taken or id in recent:
        raise DuplicateCommand
    batch.taken.add(id)


def _count(throttle: Throttle, command: Command, effects: Effects) -> None:
    """:raises TooManyMessages: more than the investor may send; never of what only cancels."""
    is_cancel = isinstance(command, ONLY_CANCEL)
    sender = command.first if isinstance(command, PlacePair) else command
    throttle.count(sender.investor_id, effects.now, effects.undo, is_cancel=is_cancel)


def _place(pool: Pool, command: PlaceOrder, reply_to: str, batch: Batch) -> None:
    digest = None
    if command.client_order_id is not None:
        digest = body_hash(command)
        key = (command.investor_id, command.client_order_id)
        if _answer_known(key, digest, command.id, reply_to, batch):
            return
    try:
        order = pool.place(command, batch.effects)
    except Refusal as refusal:
        pool.refuse(command, refusal, batch.effects)
        raise
    if command.client_order_id is not None:
        order.body_hash = digest
        batch.accepted[command.investor_id, command.client_order_id] = order
    batch.answered_orders.append((reply_to, command.id, order))


def _answer_known(
    key: tuple[int, str], digest: bytes, command_id: UUID, reply_to: str, batch: Batch
) -> bool:
    """Whether the client's id is known already: the same body gets the first order.

    :raises ClientOrderIdReused: another body.
    """
    if key in batch.accepted:
        first = batch.accepted[key]
        if first.body_hash != digest:
            raise ClientOrderIdReused
        batch.answered_orders.append((reply_to, command_id, first))
        return True
    if key in batch.known:
        known_hash, view = batch.known[key]
        if known_hash != digest:
            raise ClientOrderIdReused
        batch.answers.append((reply_to, Answer(command_id, view)))
        return True
    return False


def body_hash(command: PlaceOrder) -> bytes:
    """SHA-256 over what an order asks for: all but the id it happens to travel under."""
    body = [getattr(command, name) for name in PlaceOrder.__struct_fields__ if name != "id"]
    return hashlib.sha256(msgspec.msgpack.encode(body)).digest()


def _refuse(batch: Batch, envelope: Envelope, refusal: Refusal) -> None:
    details = {name: str(value) for name, value in refusal.details.items()}
    answer = Answer(envelope.command.id, None, refusal.code, refusal.message, details)
    batch.answers.append((envelope.reply_to, answer))


def client_ids(envelopes: Sequence[Envelope]) -> list[tuple[int, str]]:
    """The clients' own ids that orders of these commands carry."""
    commands = (envelope.command for envelope in envelopes)
    return [
        (command.investor_id, command.client_order_id)
        for command in commands
        if isinstance(command, PlaceOrder) and command.client_order_id is not None
    ]


def answers_by_process(batch: Batch, views: dict[UUID, OrderView]) -> dict[str, list[Answer]]:
    """Every answer of the batch, by the channel of the process that waits for it."""
    found: dict[str, list[Answer]] = {}
    for reply_to, answer in batch.answers:
        found.setdefault(reply_to, []).append(answer)
    for reply_to, command_id, order in batch.answered_orders:
        found.setdefault(reply_to, []).append(Answer(command_id, views[order.id]))
    return found


def views(pool: Pool, effects: Effects) -> dict[UUID, OrderView]:
    """Every order that the batch touched, as its owner sees it now."""
    now = datetime.fromtimestamp(effects.now, UTC)
    touched = {**effects.new, **effects.changed}
    return {
        id: _view(order, pool.markets_by_id[order.listing_id], effects.batch_no, now)
        for id, order in touched.items()
    }


def _view(order: BookOrder, market: Market, batch_no: int, now: datetime) -> OrderView:
    is_new = order.batch_no == batch_no
    return OrderView(
        id=order.id,
        listing=market.rules.symbol,
        investor_id=order.investor_id,
        side="buy" if order.is_buy else "sell",
        type=order.type,
        time_in_force=order.time_in_force,
        post_only=order.post_only,
        price_units=order.price,
        protection_price_units=order.protection_price,
        quantity_units=order.quantity,
        cash_units=order.cash,
        filled_units=order.filled,
        filled_cash_units=order.filled_cash,
        fee_units=order.fee,
        held_units=order.held,
        status=order.status,
        reason=order.reason,
        client_order_id=order.client_order_id,
        user_ref=order.user_ref,
        source=order.source,
        batch_no=batch_no,
        accepted_at=now if is_new else datetime.fromtimestamp(order.accepted_at, UTC),
        updated_at=now,
        priority=order.priority,
    )


def news(pool_id: int, effects: Effects, views: dict[UUID, OrderView]) -> BatchNews:
    """What the feeds of the web processes have to know of this batch."""
    balances = [
        (funds.investor_id, funds.asset_id, funds.posted, funds.held)
        for funds in effects.funds_before
    ]
    books = [
        _book_update(effects.markets_before[listing_id][0], levels, effects)
        for listing_id, levels in effects.public_levels.items()
    ]
    restated = sorted(effects.restated)
    return BatchNews(pool_id, effects.batch_no, books, list(views.values()), balances, restated)


def _book_update(
    market: Market, levels: list[tuple[bool, int, int, int]], effects: Effects
) -> BookUpdate:
    changed = [
        ("buy" if is_bids else "sell", price, quantity, count)
        for is_bids, price, quantity, count in levels
    ]
    trades = [
        (
            record.id,
            record.trade_no,
            record.execution.price,
            record.execution.quantity,
            "buy" if record.execution.taker.is_buy else "sell",
            effects.now,
        )
        for record in effects.trades
        if record.market is market
    ]
    return BookUpdate(market.rules.symbol, market.book_seq, changed, trades)
