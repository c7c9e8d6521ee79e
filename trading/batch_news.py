"""What a batch has to tell: the answers to who asked, and the news for every feed."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from trading.batches import Batch
from trading.commands import Answer, BatchNews, BookUpdate, OrderView
from trading.engine.book import BookOrder
from trading.engine.effects import Effects, TradeRecord
from trading.engine.market import Market
from trading.engine.pool import Pool
from trading.order_views import view_of

# By the order itself: an id's hash is made in Python, each time.
Views = dict[BookOrder, OrderView]


def answers_by_process(batch: Batch, views: Views) -> dict[str, list[Answer]]:
    """Every answer of the batch, by the channel of the process that waits for it."""
    found: dict[str, list[Answer]] = {}
    for reply_to, answer in batch.answers:
        found.setdefault(reply_to, []).append(answer)
    for reply_to, command_id, order in batch.answered_orders:
        others: list[OrderView] = []
        if batch.others:
            others = [views[other] for other in batch.others.get(command_id, ())]
        answer = Answer(command_id, views[order], others=others)
        found.setdefault(reply_to, []).append(answer)
    return found


def views(pool: Pool, effects: Effects) -> Views:
    """Every order that the batch touched, as its owner sees it now."""
    now = datetime.fromtimestamp(effects.now, UTC)
    batch_no, markets = effects.batch_no, pool.markets_by_id
    found: Views = {}
    for touched in (effects.new, effects.changed):
        for order in touched.values():
            found[order] = view_of(order, markets[order.listing_id], batch_no, now)
    return found


def news(pool_id: int, effects: Effects, views: Views) -> BatchNews:
    """What the feeds of the web processes have to know of this batch."""
    balances = [
        (funds.investor_id, funds.asset_id, funds.posted, funds.held)
        for funds in effects.funds_before
    ]
    trades: dict[int, list[TradeRecord]] = {}
    for record in effects.trades:
        trades.setdefault(record.market.rules.id, []).append(record)
    books = [
        _book_update(
            effects.markets_before[listing_id][0], levels, trades.get(listing_id, []), effects.now
        )
        for listing_id, levels in effects.public_levels.items()
    ]
    restated = sorted(effects.restated)
    return BatchNews(pool_id, effects.batch_no, books, list(views.values()), balances, restated)


def _book_update(
    market: Market,
    levels: list[tuple[bool, int, int, int]],
    records: list[TradeRecord],
    now: float,
) -> BookUpdate:
    changed = [
        ("buy" if is_bids else "sell", price, quantity, count)
        for is_bids, price, quantity, count in levels
    ]
    trades: list[tuple[UUID, int, int, int, str, float]] = []
    # msgspec makes UUIDs much faster than their class does.
    ids: list[UUID] = msgspec.convert([record.text for record in records], list[UUID])
    for id, record in zip(ids, records, strict=True):
        execution = record.execution
        side = "buy" if execution.taker.is_buy else "sell"
        trades.append((id, record.trade_no, execution.price, execution.quantity, side, now))
    return BookUpdate(
        market.rules.symbol, market.book_seq, changed, trades, market.guard.indication
    )
