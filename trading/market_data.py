"""The feed of one web process: one subscription, any number of sockets.

Books live in memory, loaded from PostgreSQL on first use and kept up by the
engine's news. A message is encoded once and put into the mailbox of every
socket that wants it. A gap (a missed update, a lost connection to Valkey) is
never papered over: the book is read again and every reader gets a new snapshot.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
from asgiref.sync import sync_to_async
from django.conf import settings
from redis import RedisError
from redis.asyncio import Redis

from custody.pages import Holding, list_holdings
from kernel import clock
from trading import feed_shapes, queries
from trading.commands import NEWS_CHANNEL, BatchNews, BookUpdate, OrderView
from trading.frames import Message
from trading.live_book import TRADES_KEPT, LiveBook
from trading.mailbox import Mailbox
from trading.market_state import read_states
from trading.queries import ListingView
from trading.queries.listings import views_by_symbol

logger = logging.getLogger(__name__)

PUBLIC_CHANNELS = ("book", "trades", "ticker")
PRIVATE_CHANNELS = ("orders", "balances")
RECONNECT_SECONDS = 0.2
# Balances of a busy investor are read once for several batches.
BALANCES_PAUSE_SECONDS = 0.1
# The day's statistics lose what is older than 24 hours only when they are read again.
STATISTICS_REFRESH_SECONDS = 60.0
# A reference grows old without anybody saying so, and news of a halt can be lost.
STATES_REFRESH_SECONDS = 5.0
OPEN_ORDERS_SENT_MAX = 500

Readers = dict[Mailbox, None]  # an ordered set


class Feed:
    """All subscriptions of one event loop."""

    def __init__(self) -> None:
        self._valkey = Redis.from_url(settings.REDIS_URL, socket_timeout=None, retry=None)
        self._books: dict[str, LiveBook] = {}
        self._loading: dict[str, asyncio.Future[None]] = {}
        self._missed: dict[str, list[BookUpdate]] = {}
        self._public: dict[tuple[str, str], Readers] = defaultdict(dict)
        self._private: dict[tuple[str, int], Readers] = defaultdict(dict)
        self._stale_balances: set[int] = set()
        self._views: dict[str, ListingView] = {}
        self._states_lock = asyncio.Lock()
        self._connected = asyncio.Event()
        self._was_connected = False
        self._tasks = {
            asyncio.create_task(self._listen()),
            asyncio.create_task(self._refresh_statistics()),
            asyncio.create_task(self._refresh_states()),
        }

    # Subscribing.

    async def subscribe(self, mailbox: Mailbox, channel: str, view: ListingView) -> None:
        """Send a snapshot of a public channel, then every update."""
        self._views[view.symbol] = view
        while view.symbol not in self._books:
            await self._load(view.symbol)
        # No await from here on: nothing can come between the snapshot and the updates.
        mailbox.put(self._snapshot(channel, self._books[view.symbol]))
        self._public[channel, view.symbol][mailbox] = None

    async def subscribe_own(self, mailbox: Mailbox, channel: str, investor_id: int) -> None:
        """Send a snapshot of an investor's own orders or balances, then every update."""
        await self._connected.wait()
        # Updates that come while the snapshot is read are newer than it: they wait.
        readers, later = self._private[channel, investor_id], Mailbox()
        readers[later] = None
        try:
            mailbox.put(await self._own_snapshot(channel, investor_id))
        finally:
            self.unsubscribe(later, channel, investor_id)
        for message in later.waiting():
            mailbox.deliver(message)
        self._private[channel, investor_id][mailbox] = None

    def unsubscribe(self, mailbox: Mailbox, channel: str, key: str | int) -> None:
        subscriptions: Any = self._private if channel in PRIVATE_CHANNELS else self._public
        readers = subscriptions.get((channel, key))
        if readers is not None:
            readers.pop(mailbox, None)
            if not readers:
                del subscriptions[channel, key]

    def forget(self, mailbox: Mailbox) -> None:
        """Drop every subscription of a socket that is gone."""
        for channel, symbol in list(self._public):
            self.unsubscribe(mailbox, channel, symbol)
        for channel, investor_id in list(self._private):
            self.unsubscribe(mailbox, channel, investor_id)

    def _snapshot(self, channel: str, book: LiveBook) -> str:
        if channel == "book":
            return feed_shapes.book_snapshot(book)
        if channel == "trades":
            return feed_shapes.trades("snapshot", book.trades, book.view)
        return feed_shapes.ticker("snapshot", book)

    async def _own_snapshot(self, channel: str, investor_id: int) -> str:
        if channel == "balances":
            holdings = await sync_to_async(_read_holdings)(investor_id)
            return feed_shapes.balances("snapshot", holdings)
        orders = await sync_to_async(queries.list_orders)(
            investor_id=investor_id, open_only=True, limit=OPEN_ORDERS_SENT_MAX
        )
        return await self._orders_text("snapshot", orders, 0)

    # Loading a book.

    async def _load(self, symbol: str) -> None:
        """Read a book from the database and catch up with what came in meanwhile."""
        loading = self._loading.get(symbol)
        if loading is not None:
            await asyncio.shield(loading)
            return
        done = self._loading[symbol] = asyncio.get_running_loop().create_future()
        self._missed[symbol] = []
        try:
            # First listen, then read: an update is either in what is read, or heard.
            await self._connected.wait()
            book = await sync_to_async(_read_book)(self._views[symbol])
            if self._catch_up(book, self._missed[symbol]):
                self._books[symbol] = book
        finally:
            del self._loading[symbol], self._missed[symbol]
            done.set_result(None)

    def _catch_up(self, book: LiveBook, missed: Iterable[BookUpdate]) -> bool:
        for update in missed:
            if update.seq > book.seq + 1:
                return False
            if update.seq == book.seq + 1:
                book.apply(update, feed_shapes.trades_of(update))
        return True

    async def _reload(self, symbols: Iterable[str]) -> None:
        """Read books again after a gap and give every reader a new snapshot."""
        for symbol in list(symbols):
            self._books.pop(symbol, None)
            while symbol not in self._books:
                await self._load(symbol)
            for channel in PUBLIC_CHANNELS:
                text = self._snapshot(channel, self._books[symbol])
                self._tell(self._public, (channel, symbol), text)

    # News.

    async def _listen(self) -> None:
        """Hear the engine's news for ever; after a lost connection all is read again."""
        decode = msgspec.msgpack.Decoder(BatchNews).decode
        while True:
            with contextlib.suppress(RedisError, OSError):
                async with self._valkey.pubsub() as subscription:
                    await subscription.subscribe(NEWS_CHANNEL)
                    async for message in subscription.listen():
                        if message["type"] == "subscribe":
                            self._connected.set()
                            self._recover_if_lost()
                        elif message["type"] == "message":
                            await self._take(decode(message["data"]))
            self._connected.clear()
            await asyncio.sleep(RECONNECT_SECONDS)

    def _recover_if_lost(self) -> None:
        """Nothing was missed before the first connection."""
        if self._was_connected:
            self._spawn(self._recover())
        self._was_connected = True

    async def _recover(self) -> None:
        await self._reload(self._books)
        for channel, investor_id in list(self._private):
            text = await self._own_snapshot(channel, investor_id)
            self._tell(self._private, (channel, investor_id), text)

    async def _take(self, news: BatchNews) -> None:
        for update in news.books:
            self._take_book(update)
        if restated := set(news.restated) & self._books.keys():
            self._spawn(self._send_states(restated))
        await self._take_orders(news)
        touched = {balance[0] for balance in news.balances}
        wanted = {investor for channel, investor in self._private if channel == "balances"}
        for investor_id in (touched & wanted) - self._stale_balances:
            self._stale_balances.add(investor_id)
            self._spawn(self._send_balances(investor_id))

    def _take_book(self, update: BookUpdate) -> None:
        if update.listing in self._missed:
            self._missed[update.listing].append(update)
            return
        book = self._books.get(update.listing)
        if book is None or update.seq <= book.seq:
            return
        if update.seq != book.seq + 1:
            logger.warning("%s: from %s to %s, reading again", update.listing, book.seq, update.seq)
            self._spawn(self._reload([update.listing]))
            return
        before = (book.best_level("buy"), book.best_level("sell"))
        trades = book.apply(update, feed_shapes.trades_of(update))
        if readers := self._public.get(("book", update.listing)):
            _put(readers, feed_shapes.book_update(update, book.view))
        if trades and (readers := self._public.get(("trades", update.listing))):
            _put(readers, feed_shapes.trades("update", trades, book.view))
        after = (book.best_level("buy"), book.best_level("sell"))
        if (trades or before != after) and (
            readers := self._public.get(("ticker", update.listing))
        ):
            _put(readers, feed_shapes.ticker("update", book))

    async def _take_orders(self, news: BatchNews) -> None:
        by_investor: dict[int, list[OrderView]] = {}
        for order in news.orders:
            if ("orders", order.investor_id) in self._private:
                by_investor.setdefault(order.investor_id, []).append(order)
        for investor_id, orders in by_investor.items():
            text = await self._orders_text("update", orders, news.batch_no)
            self._tell(self._private, ("orders", investor_id), text)

    async def _orders_text(self, kind: str, orders: list[OrderView], seq: int) -> str:
        unknown = {order.listing for order in orders} - self._views.keys()
        if unknown:
            self._views.update(await sync_to_async(views_by_symbol)(unknown))
        pairs = [(order, self._views[order.listing]) for order in orders]
        return feed_shapes.orders(kind, pairs, seq)

    async def _send_balances(self, investor_id: int) -> None:
        await asyncio.sleep(BALANCES_PAUSE_SECONDS)
        self._stale_balances.discard(investor_id)
        holdings = await sync_to_async(_read_holdings)(investor_id)
        text = feed_shapes.balances("update", holdings)
        self._tell(self._private, ("balances", investor_id), text)

    async def _refresh_statistics(self) -> None:
        while True:
            await asyncio.sleep(STATISTICS_REFRESH_SECONDS)
            read = {symbol for channel, symbol in self._public if channel == "ticker"}
            books = [self._books[symbol] for symbol in read if symbol in self._books]
            if books:
                ids = [book.view.id for book in books]
                found = await sync_to_async(queries.statistics)(listing_ids=ids, now=clock.now())
                for book in books:
                    book.statistics = found[book.view.id]

    async def _refresh_states(self) -> None:
        while True:
            await asyncio.sleep(STATES_REFRESH_SECONDS)
            read = {symbol for channel, symbol in self._public if channel == "ticker"}
            try:
                await self._send_states(read & self._books.keys())
            except Exception:
                # A watch that died of an outage would leave every page with an old state.
                logger.exception("the states of listings could not be read")

    async def _send_states(self, symbols: set[str]) -> None:
        """Read states anew and tell the ticker's readers of those that have changed."""
        async with self._states_lock:  # one after the other, so that the newest is told last
            found = await sync_to_async(read_states)(symbols, now=clock.now()) if symbols else {}
            for symbol, state in found.items():
                book = self._books.get(symbol)
                if book is not None and book.state != state:
                    book.state = state
                    self._tell(self._public, ("ticker", symbol), feed_shapes.ticker("update", book))

    def _tell(self, subscriptions: Any, key: tuple[str, Any], text: str) -> None:
        _put(subscriptions.get(key, {}), text)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._valkey.aclose()


def _put(readers: Readers, text: str) -> None:
    message = Message(text)
    for mailbox in readers:
        mailbox.deliver(message)


def _read_book(view: ListingView) -> LiveBook:
    # Trades and statistics may be a batch newer than the depth: LiveBook.apply knows.
    depth = queries.depth(listing_id=view.id, levels=queries.market.DEPTH_LEVELS_MAX)
    trades = queries.recent_trades(listing_id=view.id, limit=TRADES_KEPT)
    now = clock.now()
    statistics = queries.statistics(listing_ids=[view.id], now=now)[view.id]
    state = read_states([view.symbol], now=now)[view.symbol]
    return LiveBook(view, state, depth, statistics, trades[::-1])


def _read_holdings(investor_id: int) -> list[Holding]:
    return list_holdings(investor_id=investor_id)


_feeds: WeakKeyDictionary[asyncio.AbstractEventLoop, Feed] = WeakKeyDictionary()


def get_feed() -> Feed:
    """The feed of the running event loop, opened on first use."""
    loop = asyncio.get_running_loop()
    feed = _feeds.get(loop)
    if feed is None:
        feed = _feeds[loop] = Feed()
    return feed


async def close() -> None:
    """Close this event loop's feed; for tests and orderly ends."""
    feed = _feeds.pop(asyncio.get_running_loop(), None)
    if feed is not None:
        await feed.close()
