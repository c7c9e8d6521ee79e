"""The feed of one web process: one subscription, any number of sockets.

Books live in memory, loaded from PostgreSQL on first use and kept up by the
engine's news. A message is encoded once and given to every socket that wants it.
What was missed (an update, a connection to Valkey, the news of an engine that
died after its commit) is read from the stored updates and told in its order;
only what is too long ago for that makes every reader's snapshot new.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import Any, Final
from weakref import WeakKeyDictionary

import msgspec
from asgiref.sync import sync_to_async
from django.conf import settings
from redis import RedisError
from redis.asyncio import Redis

from kernel import clock
from trading import feed_reads, feed_shapes, queries, resuming
from trading.commands import NEWS_CHANNEL, BatchNews, BookUpdate, OrderView
from trading.live_book import LiveBook
from trading.live_orders import LiveOrders
from trading.mailbox import Mailbox
from trading.market_state import read_states
from trading.queries import ListingView, history
from trading.queries.listings import views_by_symbol
from trading.subscriptions import Subscriptions

logger = logging.getLogger(__name__)

PUBLIC_CHANNELS: Final = ("book", "level3", "trades", "ticker", "candles")
PRIVATE_CHANNELS: Final = ("orders", "balances")
RESUMED_CHANNELS: Final = ("book", "trades")
RECONNECT_SECONDS = 0.2
# Balances of a busy investor are read once for several batches.
BALANCES_PAUSE_SECONDS = 0.1
# The day's statistics lose what is older than 24 hours only when they are read again.
STATISTICS_REFRESH_SECONDS = 60.0
# A reference grows old without anybody saying so, and news of a halt can be lost.
STATES_REFRESH_SECONDS = 5.0
# How often it is asked whether a committed update was never told, and how late news may be.
HEADS_SECONDS, NEWS_SECONDS = 2.0, 0.5
OPEN_ORDERS_SENT_MAX = 500


def candle_channel(interval_seconds: int) -> str:
    """Candles are a channel for each interval."""
    return f"candles {interval_seconds}"


def _interval_of(channel: str) -> int:
    return int(channel.partition(" ")[2])


class Feed:
    """All subscriptions of one event loop."""

    def __init__(self) -> None:
        self._valkey = Redis.from_url(settings.REDIS_URL, socket_timeout=None, retry=None)
        self._books: dict[str, LiveBook] = {}
        self._orders: dict[str, LiveOrders] = {}
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._missed: dict[str, list[tuple[BookUpdate, list[OrderView]]]] = {}
        self._readers = Subscriptions()
        self._stale_balances: set[int] = set()
        self._views: dict[str, ListingView] = {}
        self._states_lock = asyncio.Lock()
        self._connected = asyncio.Event()
        self._was_connected = False
        self._tasks = {
            asyncio.create_task(self._listen()),
            asyncio.create_task(self._repeat("STATISTICS_REFRESH_SECONDS", self._count_again)),
            asyncio.create_task(self._repeat("STATES_REFRESH_SECONDS", self._look_at_states)),
            asyncio.create_task(self._repeat("HEADS_SECONDS", self._look_at_heads)),
        }

    # Subscribing.

    async def subscribe(
        self, mailbox: Mailbox, channel: str, view: ListingView, from_seq: int | None = None
    ) -> None:
        """Send a snapshot of a public channel, or what followed `from_seq`; then every update."""
        symbol = view.symbol
        self._views[symbol] = view
        await self._load(symbol, channel)
        missed = None
        if from_seq is not None and channel in RESUMED_CHANNELS:
            if channel == "book" and from_seq > self._books[symbol].seq:
                await self._repair(symbol)  # told by a process that heard more
            missed = await resuming.missed_since(lambda: self._books[symbol], channel, from_seq)
        # No await from here on: nothing can come between the snapshot and the updates.
        for text in [self._snapshot(channel, symbol)] if missed is None else missed:
            mailbox.put(text)
        self._readers.add(mailbox, (channel, symbol))

    async def subscribe_own(self, mailbox: Mailbox, channel: str, investor_id: int) -> None:
        """Send a snapshot of an investor's own orders or balances, then every update."""
        await self._connected.wait()
        # Updates that come while the snapshot is read are newer than it: they wait.
        later, topic = Mailbox(), (channel, investor_id)
        self._readers.add(later, topic)
        try:
            mailbox.put(await self._own_snapshot(channel, investor_id))
        finally:
            self._readers.remove(later, topic)
        for message in later.waiting():
            mailbox.deliver(message)
        self._readers.add(mailbox, topic)

    def unsubscribe(self, mailbox: Mailbox, channel: str, key: str | int) -> None:
        self._readers.remove(mailbox, (channel, key))

    def forget(self, mailbox: Mailbox) -> None:
        """Drop every subscription of a socket that is gone."""
        self._readers.forget(mailbox)

    def _snapshot(self, channel: str, symbol: str) -> str:
        book = self._books[symbol]
        if channel == "book":
            return feed_shapes.book_snapshot(book)
        if channel == "level3":
            return feed_shapes.level3_snapshot(self._orders[symbol])
        if channel == "trades":
            return feed_shapes.trades("snapshot", book.trades, book.view)
        if channel == "ticker":
            return feed_shapes.ticker("snapshot", book)
        return feed_shapes.candles("snapshot", book, _interval_of(channel))

    async def _own_snapshot(self, channel: str, investor_id: int) -> str:
        if channel == "balances":
            holdings = await sync_to_async(feed_reads.read_holdings)(investor_id)
            return feed_shapes.balances("snapshot", holdings)
        orders = await sync_to_async(queries.list_orders)(
            investor_id=investor_id, open_only=True, limit=OPEN_ORDERS_SENT_MAX
        )
        return await self._orders_text("snapshot", orders, 0)

    # Loading a book. News of it waits while it is read: an update is in what is read, or heard.

    @contextlib.asynccontextmanager
    async def _holding_news(self, symbol: str) -> AsyncIterator[None]:
        async with self._locks[symbol]:
            self._missed[symbol] = []
            try:
                # First listen, then read.
                await self._connected.wait()
                yield
            finally:
                for update, orders in self._missed.pop(symbol):
                    self._take_book(update, orders)

    async def _load(self, symbol: str, channel: str) -> None:
        """Have what a channel's snapshot is made of."""
        while symbol not in self._books:
            async with self._holding_news(symbol):
                await self._read_again(symbol)
        if channel == "level3":
            while symbol not in self._orders:
                async with self._holding_news(symbol):
                    await self._read_orders(symbol)
        elif channel.startswith("candles"):
            interval = _interval_of(channel)
            while not self._books[symbol].knows_candles(interval):
                found = await sync_to_async(feed_reads.read_candles)(self._views[symbol], interval)
                self._books[symbol].begin_candles(interval, found)

    async def _read_again(self, symbol: str) -> None:
        book = await sync_to_async(feed_reads.read_book)(self._views[symbol])
        before = self._books.get(symbol)
        self._books[symbol] = book
        for interval in before.intervals() if before is not None else ():
            found = await sync_to_async(feed_reads.read_candles)(book.view, interval)
            book.begin_candles(interval, found)

    async def _read_orders(self, symbol: str) -> None:
        self._orders[symbol] = await sync_to_async(feed_reads.read_orders)(self._views[symbol])

    async def _repair(self, symbol: str) -> None:
        """Take and tell what was missed; what is too long ago makes the snapshots new."""
        async with self._holding_news(symbol):
            book = self._books[symbol]
            found = await sync_to_async(feed_reads.read_updates)(book.view, book.seq)
            if found is None:
                await self._read_again(symbol)
                self._tell_snapshots(symbol)
            for update in found or ():
                self._advance(book, update)
            orders = self._orders.get(symbol)
            if orders is not None and orders.seq != self._books[symbol].seq:
                await self._read_orders(symbol)
                self._tell("level3", symbol, self._snapshot("level3", symbol))

    def _tell_snapshots(self, symbol: str) -> None:
        for channel, key in self._readers:
            if key == symbol and channel != "level3":
                self._tell(channel, symbol, self._snapshot(channel, symbol))

    # News.

    async def _listen(self) -> None:
        """Hear the engine's news for ever; after a lost connection what was missed is read."""
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
        for symbol in list(self._books):
            await self._repair(symbol)
        for channel, key in self._readers:
            if channel in PRIVATE_CHANNELS:
                text = await self._own_snapshot(channel, int(key))
                self._tell(channel, key, text)

    async def _take(self, news: BatchNews) -> None:
        for update in news.books:
            orders: list[OrderView] = []
            if update.listing in self._orders or update.listing in self._missed:
                orders = [order for order in news.orders if order.listing == update.listing]
            self._take_book(update, orders)
        if restated := set(news.restated) & self._books.keys():
            self._spawn(self._send_states(restated))
        await self._take_orders(news)
        touched = {balance[0] for balance in news.balances}
        for investor_id in touched - self._stale_balances:
            if ("balances", investor_id) in self._readers:
                self._stale_balances.add(investor_id)
                self._spawn(self._send_balances(investor_id))

    def _take_book(self, update: BookUpdate, orders: list[OrderView]) -> None:
        symbol = update.listing
        if symbol in self._missed:
            self._missed[symbol].append((update, orders))
            return
        book = self._books.get(symbol)
        if book is None or update.seq > book.seq + 1:
            if book is not None:
                logger.warning("%s: from %s to %s, reading", symbol, book.seq, update.seq)
                self._spawn(self._repair(symbol))
            return
        if update.seq == book.seq + 1:
            self._advance(book, update)
        live = self._orders.get(symbol)
        if live is not None and update.seq == live.seq + 1:
            changes = live.apply(update.seq, orders)
            text = feed_shapes.level3_update(update.seq, changes, book.view)
            self._tell("level3", symbol, text)

    def _advance(self, book: LiveBook, update: BookUpdate) -> None:
        """Take the next update and tell the readers of whatever it changes."""
        symbol = update.listing
        before = (book.best_level("buy"), book.best_level("sell"), book.indication)
        trades = book.apply(update)
        if ("book", symbol) in self._readers:
            self._tell("book", symbol, feed_shapes.book_update(update, book.view))
        if trades:
            if ("trades", symbol) in self._readers:
                self._tell("trades", symbol, feed_shapes.trades("update", trades, book.view))
            for interval in book.intervals():
                channel = candle_channel(interval)
                if (channel, symbol) in self._readers:
                    self._tell(channel, symbol, feed_shapes.candles("update", book, interval))
        after = (book.best_level("buy"), book.best_level("sell"), book.indication)
        if (trades or before != after) and ("ticker", symbol) in self._readers:
            self._tell("ticker", symbol, feed_shapes.ticker("update", book))

    async def _take_orders(self, news: BatchNews) -> None:
        by_investor: dict[int, list[OrderView]] = {}
        for order in news.orders:
            if ("orders", order.investor_id) in self._readers:
                by_investor.setdefault(order.investor_id, []).append(order)
        for investor_id, orders in by_investor.items():
            text = await self._orders_text("update", orders, news.batch_no)
            self._tell("orders", investor_id, text)

    async def _orders_text(self, kind: str, orders: list[OrderView], seq: int) -> str:
        unknown = {order.listing for order in orders} - self._views.keys()
        if unknown:
            self._views.update(await sync_to_async(views_by_symbol)(unknown))
        pairs = [(order, self._views[order.listing]) for order in orders]
        return feed_shapes.orders(kind, pairs, seq)

    async def _send_balances(self, investor_id: int) -> None:
        await asyncio.sleep(BALANCES_PAUSE_SECONDS)
        self._stale_balances.discard(investor_id)
        holdings = await sync_to_async(feed_reads.read_holdings)(investor_id)
        self._tell("balances", investor_id, feed_shapes.balances("update", holdings))

    # Looking by itself.

    async def _repeat(self, seconds: str, look: Callable[[], Awaitable[None]]) -> None:
        """`seconds` names a constant of this module."""
        while True:
            await asyncio.sleep(globals()[seconds])
            try:
                await look()
            except Exception:
                # A watch that died of an outage would leave every page with what is old.
                logger.exception("the feed could not look at the database")

    def _read_by(self, channel: str) -> list[LiveBook]:
        """Books that somebody reads by this channel."""
        symbols = {key for each, key in self._readers if each == channel}
        return [self._books[str(symbol)] for symbol in symbols if symbol in self._books]

    async def _count_again(self) -> None:
        if books := self._read_by("ticker"):
            ids = [book.view.id for book in books]
            found = await sync_to_async(queries.statistics)(listing_ids=ids, now=clock.now())
            for book in books:
                book.statistics = found[book.view.id]

    async def _look_at_states(self) -> None:
        await self._send_states({book.view.symbol for book in self._read_by("ticker")})

    async def _look_at_heads(self) -> None:
        """Find committed updates of which no news came, though Valkey was there."""
        books = {book.view.id: book for book in self._books.values()}
        if not books or not self._connected.is_set():
            return
        heads = await sync_to_async(history.heads)(list(books))
        behind = [book for id, book in books.items() if book.seq < heads.get(id, 0)]
        if behind:
            await asyncio.sleep(NEWS_SECONDS)
        for book in behind:
            if book.seq < heads[book.view.id]:
                await self._repair(book.view.symbol)

    async def _send_states(self, symbols: Iterable[str]) -> None:
        """Read states anew and tell the ticker's readers of those that have changed."""
        async with self._states_lock:  # one after the other, so that the newest is told last
            found = await sync_to_async(read_states)(symbols, now=clock.now()) if symbols else {}
            for symbol, state in found.items():
                book = self._books.get(symbol)
                if book is not None and book.state != state:
                    book.state = state
                    if not feed_reads.gathers(state):
                        book.indication = None
                    self._tell("ticker", symbol, feed_shapes.ticker("update", book))

    def _tell(self, channel: str, key: str | int, text: str) -> None:
        self._readers.tell((channel, key), text)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._valkey.aclose()


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
