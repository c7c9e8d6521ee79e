"""Orders of every kind on a desk, in few words."""

from typing import Any

from tests.desk import BOB, CAROL, TOKEN, USD, Desk
from trading.commands import PlaceOrder
from trading.engine.book import BookOrder
from trading.engine.effects import Effects


def order(investor: int, side: str, kind: str, quantity: float = 1, **fields: Any) -> PlaceOrder:
    """An order by quantity; prices in USD."""
    prices = ("price", "trigger_price", "trail", "limit_offset")
    for name in prices:
        if name in fields:
            fields[f"{name}_units"] = round(fields.pop(name) * USD)
    named = {"listing": "AAPLxUSDC", "investor_id": investor, "side": side, "type": kind}
    return PlaceOrder(**{**named, "quantity_units": round(quantity * TOKEN), **fields})


def place(desk: Desk, *args: Any, **fields: Any) -> BookOrder:
    return desk.pool.place(order(*args, **fields), desk.effects)


def trade_at(desk: Desk, price: float) -> None:
    """Let Bob and Carol trade a token at a price."""
    place(desk, BOB, "sell", "limit", price=price)
    place(desk, CAROL, "buy", "limit", price=price)


def later(desk: Desk, seconds: float) -> None:
    """The next batch."""
    desk.effects = Effects(desk.effects.batch_no + 1, desk.effects.now + seconds)
    desk.pool.end_due(desk.effects)
    desk.pool.run_fired(desk.effects)
