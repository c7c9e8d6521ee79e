"""An investor's positions with what they cost and what they are worth.

Cost is the average over the trades made here: a buy adds cash and fee, a sell
takes its share of the cost out. Tokens that came otherwise have no cost, and
then no return is shown rather than a wrong one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from custody.pages import Holding, list_holdings
from trading import queries
from trading.models import Listing
from trading.offering import ANYONE
from trading.pages import MarketRow, list_market_rows

ONE_TOKEN = 10**8
# More than this and the cost is not shown at all: half a history would be a wrong cost.
TRADES_READ_MAX = 500


@dataclass(frozen=True, slots=True)
class Position:
    """One token holding; cash amounts in USDC base units, None where unknown."""

    holding: Holding
    row: MarketRow | None
    cost_units: int | None

    @property
    def value_units(self) -> int | None:
        price = self.row.price_units if self.row else None
        return None if price is None else price * self.holding.total_units // ONE_TOKEN

    @property
    def gain_units(self) -> int | None:
        if self.value_units is None or self.cost_units is None:
            return None
        return self.value_units - self.cost_units

    @property
    def gain(self) -> Decimal | None:
        if self.gain_units is None or not self.cost_units:
            return None
        return Decimal(self.gain_units) / Decimal(self.cost_units)


@dataclass(frozen=True, slots=True)
class Portfolio:
    cash: list[Holding]
    positions: list[Position]

    @property
    def cash_units(self) -> int:
        return sum(each.total_units for each in self.cash)

    @property
    def positions_units(self) -> int:
        return sum(each.value_units or 0 for each in self.positions)

    @property
    def total_units(self) -> int:
        return self.cash_units + self.positions_units

    def shares(self) -> list[tuple[str, int, Decimal]]:
        """Allocation as (name, value, ratio), largest first, zero left out."""
        parts = [(each.holding.asset.code, each.value_units or 0) for each in self.positions]
        parts += [(each.asset.code, each.total_units) for each in self.cash]
        total = self.total_units
        return [
            (name, value, Decimal(value) / total)
            for name, value in sorted(parts, key=lambda part: -part[1])
            if value > 0
        ]


def get_portfolio(*, investor_id: int, now: datetime) -> Portfolio:
    """All holdings, priced at the last trade (or the middle of the book)."""
    holdings = list_holdings(investor_id=investor_id)
    rows = {row.asset.pk: row for row in list_market_rows(reader=ANYONE, now=now)}
    costs = _costs(investor_id)
    positions = [
        Position(each, rows.get(each.asset.pk), _known_cost(each, costs))
        for each in holdings
        if each.asset.kind == "token" and each.total_units
    ]
    cash = [each for each in holdings if each.asset.kind == "stablecoin"]
    return Portfolio(cash=cash, positions=positions)


def _known_cost(holding: Holding, costs: dict[int, tuple[int, int]]) -> int | None:
    units, cost = costs.get(holding.asset.pk, (0, 0))
    return cost if units >= holding.total_units and units else None


def _costs(investor_id: int) -> dict[int, tuple[int, int]]:
    """Asset id to (units bought and still there, their cost), by average cost."""
    mine = queries.list_trades(investor_id=investor_id, limit=TRADES_READ_MAX)
    if len(mine) == TRADES_READ_MAX:
        return {}
    assets = _assets_of(mine)
    state: dict[int, tuple[int, int]] = {}
    for trade in reversed(mine):
        asset_id = assets[trade.listing]
        units, cost = state.get(asset_id, (0, 0))
        if trade.side == "buy":
            units, cost = units + trade.quantity_units, cost + trade.cash_units + trade.fee_units
        else:
            gone = min(trade.quantity_units, units)
            cost -= cost * gone // units if units else 0
            units -= gone
        state[asset_id] = (units, cost)
    return state


def _assets_of(trades: Iterable[queries.OwnTrade]) -> dict[str, int]:
    symbols: Sequence[str] = sorted({trade.listing for trade in trades})
    return dict(Listing.objects.filter(symbol__in=symbols).values_list("symbol", "asset_id"))
