"""The public feed: every level of it, without a gap, resumed at a number, told once made."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from tests.trading.test_websocket import Socket, ask, next_of, socket
from trading import market_data, order_entry, publishing, queries
from trading.commands import CancelOrder
from trading.live_orders import public_id
from trading.queries import history
from trading.queries.market import queues

SYMBOL = "AAPLxUSDC"


@pytest.fixture(autouse=True)
async def _close_clients() -> Any:
    yield
    await order_entry.close()
    await market_data.close()


async def listen(channel: str, **options: Any) -> tuple[Socket, dict[str, Any]]:
    connection = socket()
    await connection.connect()
    first = await ask(connection, type="subscribe", channel=channel, listing=SYMBOL, **options)
    return connection, first


async def cast(venue: Any) -> tuple[int, int]:
    alice = await sync_to_async(venue.investor)("Alice", usd=100_000)
    bob = await sync_to_async(venue.investor)("Bob", tokens=1_000)
    return alice, bob


async def place(venue: Any, investor: int, side: str, quantity: float, price: float) -> Any:
    return await order_entry.place(venue.order(investor, side, quantity=quantity, price=price))


async def trade_at_random(venue: Any, alice: int, bob: int, count: int, seed: int = 1) -> None:
    dice = random.Random(seed)
    resting: list[Any] = []
    for _ in range(count):
        if resting and dice.random() < 0.3:
            order = resting.pop()
            command = CancelOrder(investor_id=order.investor_id, order_id=order.id)
            await order_entry.cancel(command)
            continue
        side = dice.choice(["buy", "sell"])
        investor = alice if side == "buy" else bob
        order = await place(venue, investor, side, dice.randint(1, 9) / 10, dice.randint(98, 102))
        if order.status == "open" and order.filled_units == 0:
            resting = [*resting, order][-3:]


class Book:
    """What a reader makes of snapshots and updates."""

    def __init__(self) -> None:
        self.levels: dict[tuple[str, str], list[Any]] = {}
        self.seq = -1

    def take(self, message: dict[str, Any]) -> None:
        if message["type"] == "snapshot":
            self.levels = {}
        elif message["type"] == "update":
            assert message["seq"] == self.seq + 1, "no gap, no repeat"
        else:
            assert message["type"] == "resumed"
            self.seq = message["from_seq"]
            return
        self.seq = message["seq"]
        for side in ("bids", "asks"):
            for price, *rest in message[side]:
                self.levels[side, price] = rest
                if rest[0] == "0":
                    del self.levels[side, price]


def committed(venue: Any) -> tuple[int, set[tuple[str, int, int, int]]]:
    depth = queries.depth(listing_id=venue.listing.pk)
    levels = {("bids", x.price_units, x.quantity_units, x.orders) for x in depth.bids}
    return depth.seq, levels | {
        ("asks", x.price_units, x.quantity_units, x.orders) for x in depth.asks
    }


def as_units(book: Book) -> set[tuple[str, int, int, int]]:
    return {
        (side, round(float(price) * 10**6), round(float(quantity) * 10**8), orders)
        for (side, price), (quantity, orders) in book.levels.items()
    }


async def follow(connection: Socket, book: Book, upto: int) -> None:
    while book.seq < upto:
        book.take(await connection.receive_json_from())


async def test_a_reader_that_resumes_hears_every_update_that_it_missed(
    venue: Any, engine: Any
) -> None:
    alice, bob = await cast(venue)
    first, snapshot = await listen("book")
    book = Book()
    book.take(snapshot)
    await trade_at_random(venue, alice, bob, 5)
    await follow(first, book, 3)
    await first.disconnect()
    left_at = book.seq
    await trade_at_random(venue, alice, bob, 25, seed=2)

    # By the process that heard it all, and by a new one, from the database.
    for _ in range(2):
        again, resumed = await listen("book", from_seq=left_at)
        assert (resumed["type"], resumed["from_seq"]) == ("resumed", left_at)
        second = Book()
        second.levels = dict(book.levels)
        second.take(resumed)
        seq, levels = await sync_to_async(committed)(venue)
        assert resumed["seq"] == seq
        await follow(again, second, seq)
        assert as_units(second) == levels
        await place(venue, alice, "buy", 1, 90)
        assert (await again.receive_json_from())["seq"] == seq + 1
        await again.disconnect()
        await market_data.close()


async def test_resuming_too_far_back_or_ahead_is_answered_with_a_snapshot(
    venue: Any, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, _ = await cast(venue)
    for price in range(90, 96):
        await place(venue, alice, "buy", 1, price)
    monkeypatch.setattr(history, "RESUMED_MAX", 3)

    for seq, kind in ((6, "resumed"), (3, "resumed"), (2, "snapshot"), (7, "snapshot")):
        connection, answer = await listen("book", from_seq=seq)
        assert (answer["type"], answer["seq"]) == (kind, 6), seq
        await connection.disconnect()


async def test_trades_resume_at_a_trades_number(venue: Any, engine: Any) -> None:
    alice, bob = await cast(venue)
    for _ in range(5):
        await place(venue, bob, "sell", 1, 100)
        await place(venue, alice, "buy", 1, 100)

    connection, resumed = await listen("trades", from_seq=2)

    assert (resumed["type"], resumed["seq"]) == ("resumed", 5)
    missed = await connection.receive_json_from()
    assert [trade["trade_no"] for trade in missed["trades"]] == [3, 4, 5]
    await connection.disconnect()
    connection, answer = await listen("trades", from_seq=99)
    assert answer["type"] == "snapshot"
    await connection.disconnect()


async def test_a_from_seq_that_is_no_number_of_the_feed_is_malformed(
    venue: Any, valkey_url: str
) -> None:
    for from_seq in (-1, "7", 1.5, True, 2**63):
        connection, answer = await listen("book", from_seq=from_seq)

        assert answer["code"] == "malformed_message", from_seq
        await connection.disconnect()


async def test_news_that_never_came_is_found_and_told_as_updates(
    venue: Any, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that dies between its commit and its news; readers see no gap."""
    monkeypatch.setattr(market_data, "HEADS_SECONDS", 0.05)
    monkeypatch.setattr(market_data, "NEWS_SECONDS", 0.05)
    alice, _ = await cast(venue)
    connection, snapshot = await listen("book")
    send = publishing.send

    def answers_alone(valkey: Any, mail: publishing.Mail) -> None:
        others = [each for each in mail.messages if each[0] != publishing.NEWS_CHANNEL]
        send(valkey, publishing.Mail(others))

    monkeypatch.setattr(publishing, "send", answers_alone)
    for price in (90, 91, 92):
        await place(venue, alice, "buy", 1, price)

    told = [await connection.receive_json_from() for _ in range(3)]
    assert [message["type"] for message in told] == ["update"] * 3
    assert [message["seq"] for message in told] == [snapshot["seq"] + n for n in (1, 2, 3)]
    assert [message["bids"][0][0] for message in told] == ["90.00", "91.00", "92.00"]
    await connection.disconnect()


async def test_one_lost_message_is_made_good_when_the_next_one_comes(
    venue: Any, engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, _ = await cast(venue)
    books, _ = await listen("book")
    orders, _ = await listen("level3")
    send = publishing.send
    monkeypatch.setattr(
        publishing, "send", lambda valkey, mail: send(valkey, publishing.Mail(mail.messages[:-1]))
    )
    await place(venue, alice, "buy", 1, 90)
    monkeypatch.setattr(publishing, "send", send)
    await place(venue, alice, "buy", 1, 91)

    assert [(await books.receive_json_from())["seq"] for _ in range(2)] == [1, 2]
    snapshot = await orders.receive_json_from()
    assert (snapshot["type"], snapshot["seq"]) == ("snapshot", 2)
    assert [row[1] for row in snapshot["bids"]] == ["91.00", "90.00"]
    await books.disconnect()
    await orders.disconnect()


async def test_level_3_shows_each_order_and_follows_the_book(venue: Any, engine: Any) -> None:
    alice, bob = await cast(venue)
    await place(venue, alice, "buy", 1, 99)
    connection, message = await listen("level3")
    await trade_at_random(venue, alice, bob, 30, seed=4)
    entries: dict[str, tuple[str, str, int]] = {}
    found = await sync_to_async(lambda: queues(listing_id=venue.listing.pk))()
    seq = message["seq"] - 1

    while True:
        assert message["seq"] == seq + 1
        seq = message["seq"]
        for side in ("bids", "asks"):
            for id, price, quantity, priority in message[side]:
                entries[id] = (price, quantity, priority)
                if quantity == "0":
                    del entries[id]
        if seq == found.seq:
            break
        message = await connection.receive_json_from()

    assert set(entries) == {public_id(order.id, order.priority) for order in found.orders}
    assert len(entries) > 2
    await connection.disconnect()


async def test_level_3_gives_nobody_away(venue: Any, engine: Any) -> None:
    alice, _ = await cast(venue)
    orders = [await place(venue, alice, "buy", 1, 99) for _ in range(2)]
    connection, snapshot = await listen("level3")

    ids = [row[0] for row in snapshot["bids"]]
    assert len(set(ids)) == 2
    said = str(snapshot)
    for order in orders:
        assert str(order.id) not in said
        assert order.id.hex[:12] not in said, "its time neither"
    assert "investor" not in said
    await connection.disconnect()


async def test_an_iceberg_shows_its_slice_in_every_level(venue: Any, engine: Any) -> None:
    alice, bob = await cast(venue)
    books, _ = await listen("book")
    queue, _ = await listen("level3")
    iceberg = venue.order(bob, "sell", quantity=10, price=100, display_units=3 * 10**8)
    await order_entry.place(iceberg)
    assert (await books.receive_json_from())["asks"] == [["100.00", "3", 1]]
    (first,) = (await queue.receive_json_from())["asks"]
    assert first[1:3] == ["100.00", "3"]

    await place(venue, alice, "buy", 1, 100)
    assert (await books.receive_json_from())["asks"] == [["100.00", "2", 1]]
    (same,) = (await queue.receive_json_from())["asks"]
    assert (same[0], same[2]) == (first[0], "2")

    await place(venue, alice, "buy", 2, 100)
    assert (await books.receive_json_from())["asks"] == [["100.00", "3", 1]]
    gone, fresh = (await queue.receive_json_from())["asks"]
    assert (gone[0], gone[2]) == (first[0], "0")
    assert fresh[2] == "3"
    assert fresh[0] != first[0], "nobody sees that it is the same order"
    assert fresh[3] > first[3], "behind all others"

    depth = await sync_to_async(lambda: queries.depth(listing_id=venue.listing.pk))()
    assert [(level.quantity_units, level.orders) for level in depth.asks] == [(3 * 10**8, 1)]
    await books.disconnect()
    await queue.disconnect()


async def test_candles_come_live_and_are_what_the_database_says(venue: Any, engine: Any) -> None:
    alice, bob = await cast(venue)
    await place(venue, bob, "sell", 1, 100)
    await place(venue, alice, "buy", 1, 100)
    connection, snapshot = await listen("candles", interval_seconds=86_400)
    assert (snapshot["type"], snapshot["interval_seconds"]) == ("snapshot", 86_400)
    assert [candle["trades"] for candle in snapshot["candles"]] == [1]

    await place(venue, bob, "sell", 2, 103)
    await place(venue, alice, "buy", 2, 103)

    update = await connection.receive_json_from()
    assert (update["type"], update["seq"]) == ("update", 2)
    (candle,) = update["candles"][-1:]
    assert (candle["open"], candle["high"], candle["low"], candle["close"]) == (
        "100.00", "103.00", "100.00", "103.00",
    )  # fmt: skip
    assert (candle["volume"], candle["cash"], candle["vwap"]) == ("3", "306.00", "102.00")
    await connection.send_json_to({"type": "unsubscribe", "channel": "candles", "listing": SYMBOL})
    again, snapshot = await listen("candles", interval_seconds=86_400)
    assert snapshot["candles"][-1] == candle
    await connection.disconnect()
    await again.disconnect()


async def test_an_interval_without_candles_is_malformed(venue: Any, valkey_url: str) -> None:
    for interval in (61, "60", 60.0, True, None, [60]):
        connection, answer = await listen("candles", interval_seconds=interval)

        assert answer["code"] == "malformed_message", interval
        await connection.disconnect()


async def test_a_ticker_has_the_best_prices_and_the_day(venue: Any, engine: Any) -> None:
    alice, bob = await cast(venue)
    await place(venue, bob, "sell", 1, 100)
    await place(venue, alice, "buy", 1, 100)
    await place(venue, bob, "sell", 2, 103)
    connection, ticker = await listen("ticker")
    assert (ticker["bid"], ticker["ask"], ticker["ask_quantity"]) == (None, "103.00", "2")
    assert (ticker["last"], ticker["vwap_24h"], ticker["change_24h"]) == (
        "100.00",
        "100.00",
        "0.00",
    )

    await place(venue, alice, "buy", 1, 103)

    told = await next_of(connection, type="update", channel="ticker", last="103.00")
    assert (told["change_24h"], told["vwap_24h"]) == ("3.00", "101.50")
    await connection.disconnect()


async def test_stored_updates_page_back_without_gap_or_repeat_while_more_come_in(
    venue: Any, engine: Any
) -> None:
    alice, bob = await cast(venue)
    await trade_at_random(venue, alice, bob, 20)
    newest = (await sync_to_async(committed)(venue))[0]
    pages: list[list[Any]] = []
    cursor: int | None = None
    for number in range(100):
        page, cursor = await sync_to_async(history.updates_page)(
            listing_id=venue.listing.pk, symbol=SYMBOL, before=cursor, limit=3
        )
        pages.append(page)
        await place(venue, alice, "buy", 1, 80 - number)
        if cursor is None:
            break

    seqs = [update.seq for page in pages for update in page]
    assert seqs == list(range(newest, 0, -1))
    numbers = sorted(trade[1] for page in pages for update in page for trade in update.trades)
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers


def test_rows_of_before_updates_were_stored_resume_nobody(
    venue: Any, start_engine: Callable[[], Any]
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO trading_bookevent (listing_id, batch_no, first_event_seq, event_seq,"
            " book_seq, trade_no, events, created_at) VALUES (%s, 1, 1, 1, 1, 0, '[]', now())",
            [venue.listing.pk],
        )

    find = history.updates_after
    assert find(listing_id=venue.listing.pk, symbol=SYMBOL, seq=0) is None
    assert find(listing_id=venue.listing.pk, symbol=SYMBOL, seq=1) == []
    assert find(listing_id=venue.listing.pk, symbol=SYMBOL, seq=2) is None
