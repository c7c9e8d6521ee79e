"""How the sandbox broker writes its books: the shapes of Alpaca's Broker API."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from sqlite3 import Row
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.custodian_book import DOLLAR, SHARE, Book, Calendar, instant

NEW_YORK = ZoneInfo("America/New_York")
Json = dict[str, Any]


def decimal(units: int, scale: int) -> str:
    sign, (whole, rest) = "-" if units < 0 else "", divmod(abs(units), scale)
    text = f"{whole}.{rest:0{len(str(scale)) - 1}d}".rstrip("0").rstrip(".")
    return sign + text


def order_json(row: Row) -> Json:
    ended = _at(row["ended_at"])
    status = row["status"]
    return {
        "id": row["id"],
        "client_order_id": row["client_order_id"],
        "created_at": _at(row["submitted_at"]),
        "submitted_at": _at(row["submitted_at"]),
        "filled_at": ended if status == "filled" else None,
        "expired_at": ended if status == "expired" else None,
        "canceled_at": ended if status == "canceled" else None,
        "failed_at": ended if status == "rejected" else None,
        "asset_class": "us_equity",
        "symbol": row["symbol"],
        "qty": None if row["qty"] is None else decimal(row["qty"], SHARE),
        "notional": None if row["notional"] is None else decimal(row["notional"], DOLLAR),
        "filled_qty": decimal(row["filled_qty"], SHARE),
        "filled_avg_price": None if row["price"] is None else decimal(row["price"], DOLLAR),
        "order_class": "",
        "order_type": "market",
        "type": "market",
        "side": row["side"],
        "time_in_force": "day",
        "limit_price": None,
        "stop_price": None,
        "status": status,
        "extended_hours": False,
        "commission": "0",
        "reject_reason": row["reason"] or None,
    }


def activity_json(row: Row, account_id: str) -> Json:
    at = instant(row["ended_at"])
    assert at is not None
    return {
        "id": f"{at:%Y%m%d%H%M%S}000::{row['id']}",
        "account_id": account_id,
        "activity_type": "FILL",
        "transaction_time": at.isoformat(),
        "type": "fill",
        "price": decimal(row["price"], DOLLAR),
        "qty": decimal(row["filled_qty"], SHARE),
        "side": row["side"],
        "symbol": row["symbol"],
        "leaves_qty": decimal((row["qty"] or row["filled_qty"]) - row["filled_qty"], SHARE),
        "order_id": row["id"],
        "cum_qty": decimal(row["filled_qty"], SHARE),
        "order_status": row["status"],
    }


def position_json(symbol: str, qty: int, promised: int) -> Json:
    return {
        "symbol": symbol,
        "exchange": "",
        "asset_class": "us_equity",
        "qty": decimal(qty, SHARE),
        "qty_available": decimal(qty - promised, SHARE),
        "side": "long",
    }


def account_json(account_id: str, book: Book, now: datetime) -> Json:
    cash, unsettled = book.cash(), book.unsettled_cash(now)
    return {
        "id": account_id,
        "account_number": "904837205",
        "status": "ACTIVE",
        "currency": "USD",
        "cash": decimal(cash, DOLLAR),
        "cash_withdrawable": decimal(max(cash - unsettled, 0), DOLLAR),
        "buying_power": decimal(cash, DOLLAR),
        "trading_blocked": False,
    }


def move_json(row: Row, account_id: str) -> Json:
    """A wire transfer or a share journal."""
    if row["kind"] == "JNLS":
        return {
            "id": row["id"],
            "entry_type": "JNLS",
            "to_account": account_id,
            "symbol": row["symbol"],
            "qty": decimal(row["qty"], SHARE),
            "status": "executed",
            "description": row["note"],
            "settle_date": _at(row["at"])[:10],
        }
    return {
        "id": row["id"],
        "account_id": account_id,
        "type": "wire",
        "status": "COMPLETE",
        "amount": decimal(row["cash"], DOLLAR),
        "direction": "INCOMING",
        "created_at": _at(row["at"]),
        "additional_information": row["note"],
    }


def calendar_json(calendar: Calendar, params: Mapping[str, str]) -> list[Json]:
    start = date.fromisoformat(params.get("start", "2000-01-01"))
    end = date.fromisoformat(params.get("end", "2100-01-01"))
    last = calendar.days[-1].date
    return [
        {
            "date": day.date.isoformat(),
            "open": f"{day.open_at.astimezone(NEW_YORK):%H:%M}",
            "close": f"{day.close_at.astimezone(NEW_YORK):%H:%M}",
            "session_open": "0400",
            "session_close": "2000",
            "settlement_date": calendar.settlement(day.date).date.isoformat(),
        }
        for day in calendar.between(start, end)
        if day.date < last
    ]


def clock_json(calendar: Calendar, now: datetime) -> Json:
    day = calendar.session_for(now)
    is_open = day.open_at <= now
    following = calendar.settlement(day.date) if is_open else day
    return {
        "timestamp": now.isoformat(),
        "is_open": is_open,
        "next_open": following.open_at.astimezone(NEW_YORK).isoformat(),
        "next_close": day.close_at.astimezone(NEW_YORK).isoformat(),
    }


def _at(timestamp: float | None) -> Any:
    return None if timestamp is None else datetime.fromtimestamp(timestamp, UTC).isoformat()
