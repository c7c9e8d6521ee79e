"""Reading what a replay needs, and what it is compared with."""

import json
from collections.abc import Iterator

from trading.models import BookEvent, Order, Trade
from trading.replay import CannotReplay, ReplayedBook, ReplayedOrder, StoredRow, canonical
from trading.states import LIVE_STATUSES, OrderStatus

ROWS_AT_ONCE = 1_000


def replay(*, listing_id: int, until_batch: int | None = None) -> ReplayedBook:
    """The book after all batches, or after one of them.

    :raises CannotReplay: the events contradict themselves, or the public book beside them.
    """
    book = ReplayedBook()
    for row in _rows(listing_id, until_batch):
        book.apply(row)
    return book


def _rows(listing_id: int, until_batch: int | None) -> Iterator[StoredRow]:
    found = BookEvent.objects.filter(listing_id=listing_id).order_by("event_seq")
    if until_batch is not None:
        found = found.filter(batch_no__lte=until_batch)
    for row in found.iterator(ROWS_AT_ONCE):
        levels = None if row.levels is None else json.loads(row.levels)
        yield StoredRow(
            row.batch_no,
            row.first_event_seq,
            row.event_seq,
            row.book_seq,
            row.trade_no,
            row.events,
            levels,
        )


def list_stored_orders(*, listing_id: int) -> list[ReplayedOrder]:
    """The live orders as their own table has them."""
    orders = Order.objects.filter(listing_id=listing_id, status__in=LIVE_STATUSES)
    return [_stored(order) for order in orders.select_related("terms")]


def _stored(order: Order) -> ReplayedOrder:
    terms = getattr(order, "terms", None)
    waits = order.status == OrderStatus.UNTRIGGERED
    display = terms.display_units if terms is not None and not waits else None
    return ReplayedOrder(
        id=str(order.id),
        is_buy=order.side == "buy",
        price=order.price_units,
        leaves=order.leaves_units,
        priority=order.priority,
        display=display,
        filled=order.filled_units,
        waits=waits,
    )


def compare(book: ReplayedBook, *, listing_id: int) -> list[str]:
    """Every way in which the whole replay differs from what is stored; none when it is right."""
    differences = _compare_orders(book, listing_id)
    public = {place: level for place, level in book.public.items() if level[1]}
    if book.public and public != book.levels():
        differences.append("the public book's changes come to another book")
    columns = ("trade_no", "maker_order_id", "taker_order_id", "price_units", "quantity_units")
    stored = Trade.objects.filter(listing_id=listing_id).order_by("trade_no")
    rows = stored.values_list(*columns, "cash_units").iterator(ROWS_AT_ONCE)
    trades = [(no, str(maker), str(taker), *rest) for no, maker, taker, *rest in rows]
    if trades != book.trades:
        differences.append(f"{len(trades)} trades are stored, {len(book.trades)} replayed")
    return differences


def _compare_orders(book: ReplayedBook, listing_id: int) -> list[str]:
    stored = list_stored_orders(listing_id=listing_id)
    if canonical(stored) == canonical(book.orders.values()):
        return []
    by_id = {order.id: order for order in stored}
    differences = [
        f"order {id}: stored {_text(by_id.get(id))}, replayed {_text(book.orders.get(id))}"
        for id in sorted(by_id.keys() | book.orders.keys())
        if _text(by_id.get(id)) != _text(book.orders.get(id))
    ]
    return differences or ["the same orders, in another order"]


def _text(order: ReplayedOrder | None) -> str:
    return "nothing" if order is None else json.dumps(order.line()[1:])


__all__ = ["CannotReplay", "compare", "list_stored_orders", "replay"]
