"""One batch in memory: take its commands through the pool, one answer for each.

Between the fence, read before, and the writing, done after. Duplicates,
deadlines and clients' own ids are judged here; the rest is the pool's.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from kernel.refusals import Refusal
from trading.batch_refusals import ClientOrderIdReused, DeadlinePassed, DuplicateCommand
from trading.commands import (
    AmendOrder,
    Answer,
    CancelAll,
    CancelAllAfter,
    CancelOrder,
    Command,
    Envelope,
    OrderView,
    PlaceOrder,
    PlacePair,
    ReplaceOrder,
)
from trading.engine import phases
from trading.engine.book import BookOrder
from trading.engine.effects import Effects
from trading.engine.pool import Pool
from trading.engine.refusals import OrderNotOpen, OrderUnknown
from trading.engine.throttle import Throttle
from trading.order_views import view_of
from trading.recent import REMEMBER_SECONDS, Recent
from trading.states import LIVE_STATUSES

logger = logging.getLogger(__name__)

# No command may wait longer than this, so no id has to be remembered longer.
DEADLINE_MAX_SECONDS = REMEMBER_SECONDS / 2
ONLY_CANCEL = (CancelOrder, CancelAll, CancelAllAfter)


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
    # Further orders of an answer, by its command.
    others: dict[UUID, list[BookOrder]] = field(default_factory=dict)
    taken: set[int] = field(default_factory=set)  # numbers of ids
    accepted: dict[tuple[int, str], BookOrder] = field(default_factory=dict)


def run(pool: Pool, batch: Batch, recent: Recent, throttle: Throttle | None = None) -> None:
    """What time has changed, then every command of the batch; a refusal is that command's own."""
    effects = batch.effects
    if effects.now >= pool.rates.changes_at:
        pool.rates.advance(effects.now)
    phases.advance(pool, effects)
    if pool.fired:
        pool.run_fired(effects)  # what an earlier batch left over
    for envelope in batch.envelopes:
        try:
            _check_turn(envelope, batch, recent)
            if throttle is not None:
                _count(throttle, envelope.command, effects)
            _judge(pool, envelope.command, envelope.reply_to, batch)
        except OrderUnknown as unknown:
            _refuse(batch, envelope, _why_unknown(envelope.command, batch, recent) or unknown)
        except Refusal as refusal:
            _refuse(batch, envelope, refusal)
    phases.settle(pool, effects)


def _judge(pool: Pool, command: Command, reply_to: str, batch: Batch) -> None:
    """Take one command through the pool and note its answer."""
    match command:
        case PlaceOrder(validate_only=True):
            _validate(pool, command, reply_to, batch)
        case PlaceOrder():
            _place(pool, command, reply_to, batch)
        case CancelOrder():
            order = pool.cancel(command, batch.effects)
            batch.answered_orders.append((reply_to, command.id, order))
        case AmendOrder():
            order = pool.amend(command, batch.effects)
            batch.answered_orders.append((reply_to, command.id, order))
        case PlacePair():
            _place_pair(pool, command, reply_to, batch)
        case ReplaceOrder():
            _replace(pool, command, reply_to, batch)
        case CancelAll():
            count = pool.cancel_all(command, batch.effects)
            batch.answers.append((reply_to, _done(command, count=str(count))))
        case CancelAllAfter():
            due = pool.cancel_all_after(command, batch.effects)
            batch.answers.append((reply_to, _done(command, at=f"{due or 0:.3f}")))


def _done(command: Command, **details: str) -> Answer:
    return Answer(command.id, details=details)


def _validate(pool: Pool, command: PlaceOrder, reply_to: str, batch: Batch) -> None:
    effects = batch.effects
    order = pool.validate(command, effects)
    now = datetime.fromtimestamp(effects.now, UTC)
    view = view_of(order, pool.markets_by_id[order.listing_id], effects.batch_no, now)
    batch.answers.append((reply_to, Answer(command.id, view)))


def _check_turn(envelope: Envelope, batch: Batch, recent: Recent) -> None:
    """:raises DeadlinePassed, DuplicateCommand: it must not be executed (again)."""
    command, now = envelope.command, batch.effects.now
    if not now <= envelope.deadline <= now + DEADLINE_MAX_SECONDS:
        raise DeadlinePassed
    # Only the orders' ids are known again after a restart, so they count too.
    _take(command.id, batch, recent)
    if isinstance(command, PlacePair | ReplaceOrder):
        for order in placed_by(command):
            _take(order.id, batch, recent)


def _take(id: UUID, batch: Batch, recent: Recent) -> None:
    number = id.int
    if number in batch.taken or number in recent:
        raise DuplicateCommand
    batch.taken.add(number)


def placed_by(command: Command) -> tuple[PlaceOrder, ...]:
    """The orders that a command would place."""
    if isinstance(command, PlaceOrder):
        return (command,)
    if isinstance(command, PlacePair):
        return (command.first, command.second)
    return (command.order,) if isinstance(command, ReplaceOrder) else ()


def _count(throttle: Throttle, command: Command, effects: Effects) -> None:
    """:raises TooManyMessages: more than the investor may send; never of what only cancels."""
    is_cancel = isinstance(command, ONLY_CANCEL)
    sender = command.first if isinstance(command, PlacePair) else command
    throttle.count(sender.investor_id, effects.now, effects.undo, is_cancel=is_cancel)


def _place(pool: Pool, command: PlaceOrder, reply_to: str, batch: Batch) -> None:
    if command.client_order_id is not None and _answer_known(
        command.id, [command], reply_to, batch
    ):
        return
    try:
        order = pool.place(command, batch.effects)
    except Refusal as refusal:
        pool.refuse(command, refusal, batch.effects)
        raise
    if command.client_order_id is not None:
        _keep_client_id(command, order, batch)
    batch.answered_orders.append((reply_to, command.id, order))


def _place_pair(pool: Pool, command: PlacePair, reply_to: str, batch: Batch) -> None:
    if _answer_known(command.id, [command.first, command.second], reply_to, batch):
        return
    try:
        orders = pool.place_pair(command, batch.effects)
    except Refusal as refusal:
        for each in (command.first, command.second):
            pool.refuse(each, refusal, batch.effects)
        raise
    for each, order in zip((command.first, command.second), orders, strict=True):
        _keep_client_id(each, order, batch)
    batch.answered_orders.append((reply_to, command.id, orders[0]))
    batch.others[command.id] = [orders[1]]


def _replace(pool: Pool, command: ReplaceOrder, reply_to: str, batch: Batch) -> None:
    if _answer_known(command.id, [command.order], reply_to, batch):
        return
    try:
        order, old = pool.replace(command, batch.effects)
    except Refusal as refusal:
        pool.refuse(command.order, refusal, batch.effects)
        raise
    _keep_client_id(command.order, order, batch)
    batch.answered_orders.append((reply_to, command.id, order))
    batch.others[command.id] = [old]


def _keep_client_id(command: PlaceOrder, order: BookOrder, batch: Batch) -> None:
    if command.client_order_id is not None:
        order.body_hash = body_hash(command)
        batch.accepted[command.investor_id, command.client_order_id] = order


def _answer_known(
    command_id: UUID, placed: Sequence[PlaceOrder], reply_to: str, batch: Batch
) -> bool:
    """Whether the clients' ids are known already: the same bodies get the first orders.

    :raises ClientOrderIdReused: another body, or only one of two is known.
    """
    named = [order for order in placed if order.client_order_id is not None]
    found = [known for order in named if (known := _known(order, batch)) is not None]
    if not found:
        return False
    if len(found) < len(named):
        raise ClientOrderIdReused
    first = found[0]
    if isinstance(first, BookOrder):
        batch.answered_orders.append((reply_to, command_id, first))
        batch.others[command_id] = [each for each in found[1:] if isinstance(each, BookOrder)]
    else:
        others = [each for each in found[1:] if isinstance(each, OrderView)]
        batch.answers.append((reply_to, Answer(command_id, first, others=others)))
    return True


def _known(command: PlaceOrder, batch: Batch) -> BookOrder | OrderView | None:
    """The order that the client's id names: of this batch, or as stored.

    :raises ClientOrderIdReused: it was another body.
    """
    assert command.client_order_id is not None
    key = (command.investor_id, command.client_order_id)
    digest = body_hash(command)
    order = batch.accepted.get(key)
    if order is not None:
        if order.body_hash != digest:
            raise ClientOrderIdReused
        return order
    if key not in batch.known:
        return None
    known_hash, view = batch.known[key]
    if known_hash != digest:
        raise ClientOrderIdReused
    return view


def body_hash(command: PlaceOrder) -> bytes:
    """SHA-256 over what an order asks for: all but the id it happens to travel under."""
    body = [getattr(command, name) for name in PlaceOrder.__struct_fields__ if name != "id"]
    return hashlib.sha256(msgspec.msgpack.encode(body)).digest()


def _why_unknown(command: Command, batch: Batch, recent: Recent) -> Refusal | None:
    """That an order is closed, if it was lately; the database knows of the others."""
    if not isinstance(command, CancelOrder | AmendOrder | ReplaceOrder) or not command.order_id:
        return None
    id, effects = command.order_id, batch.effects
    order = effects.new.get(id) or effects.changed.get(id)
    if order is None:
        status = recent.end_of(command.investor_id, id)
    else:
        is_own = order.investor_id == command.investor_id
        status = order.status if is_own and order.status not in LIVE_STATUSES else None
    return None if status is None else OrderNotOpen(status=status)


def _refuse(batch: Batch, envelope: Envelope, refusal: Refusal) -> None:
    details = {name: str(value) for name, value in refusal.details.items()}
    answer = Answer(envelope.command.id, None, refusal.code, refusal.message, details)
    batch.answers.append((envelope.reply_to, answer))


def client_ids(envelopes: Sequence[Envelope]) -> list[tuple[int, str]]:
    """The clients' own ids that orders of these commands carry."""
    return [
        (order.investor_id, order.client_order_id)
        for envelope in envelopes
        for order in placed_by(envelope.command)
        if order.client_order_id is not None
    ]
