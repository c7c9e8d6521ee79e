"""What the sandbox broker does with an order: accept, fill at the feed's price, reject."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from sqlite3 import Row
from typing import Any
from uuid import uuid4

import httpx

from sandbox.custodian_book import DOLLAR, SHARE, Book

# An order takes this long to reach the market: its price is one after it was sent.
LATENCY = timedelta(seconds=1)
FEED_TIMEOUT_SECONDS = 5.0
# A market order's cost is unknown until it fills: this much is asked for beforehand.
BUYING_POWER_PERCENT = 102
# The fault "part" fills so much of an order and cancels the rest.
PART_PERCENT = 40
_DECIMAL = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,9}))?", re.ASCII)


class Rejected(Exception):
    """An answer of the broker's own: HTTP status, code and message as Alpaca gives them."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Quote:
    """Micro-dollars a share, and half the spread around it."""

    price: int
    half_spread: int
    published_at: datetime


class Desk:
    """Orders in, fills out, over the book and the price feed."""

    def __init__(self, book: Book, prices_url: str, now: Callable[[], datetime]) -> None:
        self.book = book
        self._feed = httpx.AsyncClient(base_url=prices_url, timeout=FEED_TIMEOUT_SECONDS)
        self._now = now
        self._feed_ids: dict[str, str] = {}

    # --- orders -----------------------------------------------------------------

    async def place(self, body: dict[str, Any]) -> Row:
        """Take an order. :raises Rejected: malformed, a duplicate, or not covered."""
        order = _read_order(body)
        if self.book.order(client_order_id=order["client_order_id"]) is not None:
            raise Rejected(422, 40010001, "client_order_id must be unique")
        await self._check_covered(order)
        now = self._now()
        reject = self.book.strikes("reject")
        order |= {
            "id": str(uuid4()),
            "status": "rejected" if reject else "accepted",
            "reason": "rejected on demand" if reject else "",
            "submitted_at": now.timestamp(),
        }
        with self.book.commit():
            self.book.add_order(order)
        placed = self.book.order(ident=order["id"])
        assert placed is not None
        return placed

    def cancel(self, order: Row) -> None:
        """:raises Rejected: it is not open any more."""
        if order["status"] != "accepted":
            raise Rejected(422, 42210000, f'order is already in "{order["status"]}" state')
        with self.book.commit():
            self.book.end(order["id"], status="canceled", at=self._now())

    async def work(self) -> None:
        """Fill what fell due, in the order it came; expire what missed its day."""
        for order in reversed(self.book.orders(("accepted",))):
            await self._try_fill(order)

    async def _try_fill(self, order: Row) -> None:
        sent = datetime.fromtimestamp(order["submitted_at"], UTC) + LATENCY
        session = self.book.calendar.session_for(sent)
        due, now = max(sent, session.open_at), self._now()
        if due > now:
            return
        quote = await self._quote(order["symbol"], due)
        if quote is not None and quote.published_at < session.close_at:
            self._fill(order, quote, max(due, quote.published_at))
        elif now >= session.close_at:
            with self.book.commit():
                self.book.end(order["id"], status="expired", at=session.close_at)

    def _fill(self, order: Row, quote: Quote, at: datetime) -> None:
        buys = order["side"] == "buy"
        price = quote.price + (quote.half_spread if buys else -quote.half_spread)
        qty = order["qty"] or order["notional"] * SHARE // price
        is_part = self.book.strikes("part")
        qty = qty * PART_PERCENT // 100 if is_part else qty
        cash = -(-qty * price // SHARE) if buys else qty * price // SHARE
        settles = self.book.calendar.settlement(self.book.calendar.session_for(at).date).date
        with self.book.commit():
            if buys and cash > self.book.cash():
                reason = "insufficient buying power"
                self.book.end(order["id"], status="rejected", at=at, reason=reason)
            else:
                self.book.fill(
                    order["id"], at=at, qty=qty, price=price, cash=cash, settles=settles,
                    status="canceled" if is_part else "filled",
                )  # fmt: skip

    async def _check_covered(self, order: dict[str, Any]) -> None:
        symbol = order["symbol"]
        quote = await self._quote(symbol, None)
        if quote is None:
            raise Rejected(422, 42210000, f'asset "{symbol}" is not tradable now')
        if order["side"] == "sell":
            free = self.book.positions().get(symbol, 0) - self.book.promised(symbol)
            if (order["qty"] or order["notional"] * SHARE // quote.price) > free:
                raise Rejected(403, 40310000, "insufficient qty available for order")
            return
        cost = order["notional"] or order["qty"] * quote.price // SHARE
        if cost * BUYING_POWER_PERCENT // 100 > self.book.cash():
            raise Rejected(403, 40310000, "insufficient buying power")

    # --- money and shares in ----------------------------------------------------

    def transfer(self, body: dict[str, Any]) -> Row:
        """A wire of dollars. :raises Rejected: not an incoming amount."""
        if body.get("direction") != "INCOMING":
            raise Rejected(422, 42210000, "direction must be INCOMING")
        cash = _scaled(body.get("amount"), DOLLAR)
        note = str(body.get("additional_information", ""))
        return self._move("wire", "", 0, cash, note)

    async def journal(self, body: dict[str, Any]) -> Row:
        """Shares from the broker's own account, settled at once (JNLS)."""
        symbol = str(body.get("symbol", ""))
        if body.get("entry_type") != "JNLS" or await self._feed_id(symbol) is None:
            raise Rejected(422, 42210000, "entry_type must be JNLS, symbol a known one")
        note = str(body.get("description", ""))
        return self._move("JNLS", symbol, _scaled(body.get("qty"), SHARE), 0, note)

    def _move(self, kind: str, symbol: str, qty: int, cash: int, note: str) -> Row:
        ident = str(uuid4())
        with self.book.commit():
            self.book.add_move(
                ident, kind=kind, symbol=symbol, qty=qty, cash=cash, at=self._now(), note=note
            )
        return next(row for row in self.book.moves(kind) if row["id"] == ident)

    # --- the feed ---------------------------------------------------------------

    async def _quote(self, symbol: str, at: datetime | None) -> Quote | None:
        """The first price at or after `at` (None: the latest), or None when there is none."""
        feed_id = await self._feed_id(symbol)
        if feed_id is None:
            raise Rejected(422, 42210000, f'asset "{symbol}" not found')
        when = "latest" if at is None else str(int(at.timestamp()))
        parsed = await self._ask(f"/v2/updates/price/{when}", {"ids[]": feed_id, "parsed": "true"})
        entries = parsed["parsed"]
        if not entries:
            return None
        price = entries[0]["price"]
        scale = 10 ** (6 + int(price["expo"]))
        published = datetime.fromtimestamp(int(price["publish_time"]), UTC)
        return Quote(int(price["price"]) * scale, int(price["conf"]) * scale, published)

    async def _feed_id(self, symbol: str) -> str | None:
        if symbol not in self._feed_ids:
            query = {"query": symbol.replace(".", "-"), "asset_type": "equity"}
            for feed in await self._ask("/v2/price_feeds", query):
                self._feed_ids[feed["attributes"]["base"]] = feed["id"]
        return self._feed_ids.get(symbol)

    async def _ask(self, path: str, params: dict[str, str]) -> Any:
        try:
            response = await self._feed.get(path, params=params)
            response.raise_for_status()
        except httpx.HTTPError as error:
            raise Rejected(503, 50310000, f"market data is unavailable: {error!r}") from error
        return response.json()


def _read_order(body: dict[str, Any]) -> dict[str, Any]:
    qty, notional = body.get("qty"), body.get("notional")
    if body.get("side") not in ("buy", "sell"):
        raise Rejected(422, 42210000, "side must be buy or sell")
    if body.get("type") != "market" or body.get("time_in_force") != "day":
        raise Rejected(422, 42210000, "only market orders for the day are taken here")
    if (qty is None) == (notional is None):
        raise Rejected(422, 42210000, "qty or notional is required, not both")
    return {
        "symbol": str(body.get("symbol", "")),
        "side": body["side"],
        "qty": None if qty is None else _scaled(qty, SHARE),
        "notional": None if notional is None else _scaled(notional, DOLLAR),
        "client_order_id": str(body.get("client_order_id") or uuid4()),
    }


def _scaled(text: object, scale: int) -> int:
    """A decimal such as "1.5" as an integer of 1/scale; more digits are refused."""
    match = _DECIMAL.fullmatch(str(text))
    places = len(str(scale)) - 1
    if match is None or len(match.group(2) or "") > places:
        raise Rejected(422, 42210000, f"not an amount with at most {places} decimals: {text}")
    units = int(match.group(1)) * scale + int((match.group(2) or "").ljust(places, "0") or "0")
    if units == 0:
        raise Rejected(422, 42210000, "the amount must be more than 0")
    return units
