"""Going on at a sequence number: what followed it, from memory or from the database.

Reading takes time, in which the book moves on; so the book is asked for again after it,
and what was read is put together with what came meanwhile. Nothing is awaited after that.
"""

from collections.abc import Callable

from asgiref.sync import sync_to_async

from trading import feed_reads, feed_shapes
from trading.commands import BookUpdate
from trading.live_book import LiveBook
from trading.queries import TradeView

GetBook = Callable[[], LiveBook]


async def missed_since(get_book: GetBook, channel: str, seq: int) -> list[str] | None:
    """That it is resumed, and each update since; None when a snapshot has to do."""
    view, texts = get_book().view, []
    if channel == "trades":
        trades = await _trades_since(get_book, seq)
        if trades is None:
            return None
        last = seq + len(trades)
        if trades:
            texts = [feed_shapes.trades("update", trades, view)]
    else:
        updates = await _updates_since(get_book, seq)
        if updates is None:
            return None
        last = seq + len(updates)
        texts = [feed_shapes.book_update(update, view) for update in updates]
    return [feed_shapes.resumed(channel, view, after=seq, seq=last), *texts]


async def _updates_since(get_book: GetBook, seq: int) -> list[BookUpdate] | None:
    book = get_book()
    found = book.updates_after(seq)
    if found is not None or seq > book.seq:
        return found
    stored = await sync_to_async(feed_reads.read_updates)(book.view, seq)
    if stored is None:
        return None
    book = get_book()
    stored = [update for update in stored if update.seq <= book.seq]
    since = book.updates_after(stored[-1].seq if stored else seq)
    return None if since is None else stored + since


async def _trades_since(get_book: GetBook, trade_no: int) -> list[TradeView] | None:
    stored = await sync_to_async(feed_reads.read_trades)(get_book().view, trade_no)
    book = get_book()
    stored = [trade for trade in stored if trade.trade_no <= book.last_trade_no]
    since = book.trades_after(stored[-1].trade_no if stored else trade_no)
    found = stored + since
    return found if trade_no + len(found) == book.last_trade_no else None
