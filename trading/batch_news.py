"""What a batch has to tell: the answers to who asked, and the news for every feed."""

from datetime import UTC, datetime
from uuid import UUID

from trading.batches import Batch
from trading.commands import Answer, BatchNews, BookUpdate, OrderView
from trading.engine.effects import Effects
from trading.engine.market import Market
from trading.engine.pool import Pool
from trading.order_views import view_of


def answers_by_process(batch: Batch, views: dict[UUID, OrderView]) -> dict[str, list[Answer]]:
    """Every answer of the batch, by the channel of the process that waits for it."""
    found: dict[str, list[Answer]] = {}
    for reply_to, answer in batch.answers:
        found.setdefault(reply_to, []).append(answer)
    for reply_to, command_id, order in batch.answered_orders:
        others = [views[other.id] for other in batch.others.get(command_id, ())]
        answer = Answer(command_id, views[order.id], others=others)
        found.setdefault(reply_to, []).append(answer)
    return found


def views(pool: Pool, effects: Effects) -> dict[UUID, OrderView]:
    """Every order that the batch touched, as its owner sees it now."""
    now = datetime.fromtimestamp(effects.now, UTC)
    touched = {**effects.new, **effects.changed}
    return {
        id: view_of(order, pool.markets_by_id[order.listing_id], effects.batch_no, now)
        for id, order in touched.items()
    }


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
    return BookUpdate(
        market.rules.symbol, market.book_seq, changed, trades, market.guard.indication
    )
