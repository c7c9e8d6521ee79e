"""A day's trades, split into what is reported and what is not, with the reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from kernel.money import to_decimal
from kernel.refusals import Refusal
from reporting import rts22
from reporting.parties import Unnamed, name_parties
from trading.models import Trade

TRADES_PER_FILE_MAX = 100_000
# Prices are in a stablecoin; the report knows only currencies (docs/exports.md says so).
CURRENCIES = {"USDC": "USD", "USDT": "USD"}


class TooManyTrades(Refusal):
    """The day has more trades than one file may hold."""

    code = "too_many_trades"
    http_status = 409


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A trade that the file does not hold."""

    trade_id: UUID
    listing_symbol: str
    traded_at: datetime
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class DayTransactions:
    """What a day's file is made of."""

    transactions: list[rts22.Transaction]
    left_out: list[LeftOut]
    has_test_isin: bool


def collect(*, day: date, firm_lei: str, now: datetime) -> DayTransactions:
    """The trades of one UTC day, oldest first.

    :raises TooManyTrades: more than TRADES_PER_FILE_MAX.
    """
    trades = _trades_of(day)
    reportable = [trade for trade in trades if _missing_instrument(trade) is None]
    investor_ids = {each for trade in reportable for each in (trade.buyer_id, trade.seller_id)}
    parties = name_parties(investor_ids=investor_ids, firm_lei=firm_lei, now=now)
    found = DayTransactions([], [], any(t.listing.asset.token_isin_is_test for t in reportable))
    for trade in trades:
        outcome = _missing_instrument(trade) or _transaction(trade, parties, firm_lei)
        if isinstance(outcome, rts22.Transaction):
            found.transactions.append(outcome)
        else:
            found.left_out.append(_left_out(trade, outcome))
    return found


NO_ISIN = Unnamed("token_isin_missing", "The token has no ISIN of its own.")
SAME_OWNER = Unnamed("no_change_of_owner", "The house is on both sides: nothing was acquired.")
NO_CURRENCY = Unnamed("currency_unknown", "The quote asset stands for no ISO 4217 currency.")


def _trades_of(day: date) -> Sequence[Trade]:
    start = datetime.combine(day, time(0), UTC)
    found = Trade.objects.filter(traded_at__gte=start, traded_at__lt=start + timedelta(days=1))
    related = ("listing__asset", "listing__quote")
    trades = list(
        found.select_related(*related).order_by("traded_at", "id")[: TRADES_PER_FILE_MAX + 1]
    )
    if len(trades) > TRADES_PER_FILE_MAX:
        raise TooManyTrades
    return trades


def _missing_instrument(trade: Trade) -> Unnamed | None:
    if not trade.listing.asset.token_isin:
        return NO_ISIN
    if trade.listing.quote.code not in CURRENCIES:
        return NO_CURRENCY
    return None


def _transaction(
    trade: Trade, parties: dict[int, rts22.Party | Unnamed], firm_lei: str
) -> rts22.Transaction | Unnamed:
    buyer, seller = parties[trade.buyer_id], parties[trade.seller_id]
    if isinstance(buyer, Unnamed):
        return buyer
    if isinstance(seller, Unnamed):
        return seller
    if buyer == seller:
        return SAME_OWNER
    asset, quote = trade.listing.asset, trade.listing.quote
    is_own = rts22.Firm(firm_lei) in (buyer, seller)
    return rts22.Transaction(
        trade_id=trade.id,
        traded_at=trade.traded_at,
        isin=asset.token_isin,
        quantity=to_decimal(trade.quantity_units, asset.decimals),
        price=to_decimal(trade.price_units, quote.decimals),
        currency=CURRENCIES[quote.code],
        buyer=buyer,
        seller=seller,
        capacity="DEAL" if is_own else "AOTC",
    )


def _left_out(trade: Trade, why: Unnamed) -> LeftOut:
    return LeftOut(trade.id, trade.listing.symbol, trade.traded_at, why.code, why.reason)
