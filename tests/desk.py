"""A pool in memory: one listing, a cast with funds, verbs in whole units."""

from typing import Any
from uuid import UUID

from kernel.ids import uuid7
from trading.commands import CancelOrder, PlaceOrder
from trading.engine.book import BookOrder
from trading.engine.effects import Effects
from trading.engine.market import Eligibility, Funds, Rules
from trading.engine.pool import Pool

USD, TOKEN = 1_000_000, 10**8
CASH_ID, TOKEN_ID = 1, 2
ALICE, BOB, CAROL = 1, 2, 3
RULES: dict[str, Any] = {
    "id": 1,
    "symbol": "AAPLxUSDC",
    "base_id": TOKEN_ID,
    "base_code": "AAPLx",
    "quote_id": CASH_ID,
    "instrument_id": 1,
    "tick": 10_000,
    "lot": 100,
    "min_cash": USD,
    "maker_fee_e6": 1_000,
    "taker_fee_e6": 2_500,
    "protection_e6": 50_000,
    "collar_e6": 500_000,
    "state": "online",
}


class Desk:
    """A pool and one running batch."""

    def __init__(self, **rules: Any) -> None:
        self.pool = Pool()
        self.market = self.pool.add_market(Rules(**{**RULES, **rules}))
        for investor in (ALICE, BOB, CAROL):
            self.allow(investor)
            for asset, units in ((CASH_ID, 10_000 * USD), (TOKEN_ID, 100 * TOKEN)):
                self.pool.funds[investor, asset] = Funds(investor, asset, units, account_id=1)
        self.effects = Effects(1, 1_000.0)

    def allow(self, investor: int, **facts: Any) -> None:
        facts = {"may_buy": True, "may_sell": True, "country": "DE", **facts}
        facts.setdefault("accepted", frozenset(["AAPLx"]))
        facts.setdefault("owner_group", UUID(int=investor))
        self.pool.eligibility[investor] = Eligibility(snapshot_id=investor, **facts)

    def place(self, investor: int, side: str, **fields: Any) -> BookOrder:
        if "quantity" in fields:
            fields["quantity_units"] = round(fields.pop("quantity") * TOKEN)
        if "price" in fields:
            fields["price_units"] = round(fields.pop("price") * USD)
        if "cash" in fields:
            fields["cash_units"] = round(fields.pop("cash") * USD)
        kind = "limit" if "price_units" in fields else "market"
        named = {"listing": "AAPLxUSDC", "investor_id": investor, "side": side, "type": kind}
        return self.pool.place(PlaceOrder(**{**named, "id": uuid7(), **fields}), self.effects)

    def cancel(self, order: BookOrder) -> BookOrder:
        command = CancelOrder(investor_id=order.investor_id, order_id=order.id)
        return self.pool.cancel(command, self.effects)

    def cash(self, investor: int) -> tuple[int, int]:
        funds = self.pool.funds[investor, CASH_ID]
        return funds.posted, funds.held

    def tokens(self, investor: int) -> tuple[int, int]:
        funds = self.pool.funds[investor, TOKEN_ID]
        return funds.posted, funds.held
