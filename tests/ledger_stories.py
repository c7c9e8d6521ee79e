"""The ledger's verbs for tests: books kept by account names that an accountant reads.

    books.book("deposit", {"chain USDC": "-1000", "alice main USDC": "+1000"})
    assert books["alice main USDC"] == "1000"

An account is "[investor] purpose asset"; what names no investor is the house's or an
outside party's. Pools: `trading` and `transit` and `fees` accounts lie in pool 1.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count

from django.db import connection, transaction

from accounts.models import Investor
from custody import ledger
from custody.ledger import Entry, Line
from custody.ledger_purposes import POOL_PURPOSES, AssetKind, Purpose
from custody.models import Asset, LedgerAccount
from kernel.money import format_units, parse_units
from reference.models import Instrument

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
POOL = 1
_keys = count(1)


def make_investor(name: str) -> Investor:
    return Investor.objects.create(display_name=name, created_at=NOON)


def make_instrument(ticker: str = "AAPL") -> Instrument:
    return Instrument.objects.create(
        ticker=ticker,
        name=f"{ticker} Inc.",
        kind="stock",
        exchange="XNAS",
        isin="US0378331005",
        isin_source="test",
        price_feed_id="0" * 64,
        price_source="simulated",
    )


def make_assets() -> dict[str, Asset]:
    """USDC, AAPLx, AAPL and USD, by code."""
    instrument = make_instrument()
    rows = [
        ("USDC", AssetKind.STABLECOIN, 6, None),
        ("USD", AssetKind.FIAT, 6, None),
        ("AAPLx", AssetKind.TOKEN, 8, instrument),
        ("AAPL", AssetKind.SHARE, 9, instrument),
    ]
    return {
        code: Asset.objects.create(
            code=code, name=code, kind=kind, decimals=decimals, instrument=of
        )
        for code, kind, decimals, of in rows
    }


class Books:
    """Ledger accounts by name, amounts as text."""

    def __init__(self) -> None:
        self.assets = make_assets()
        self.investors = {name: make_investor(name) for name in ("alice", "bob")}

    def account_id(self, name: str) -> int:
        *owner, purpose, code = name.split()
        investor = self.investors[owner[0]] if owner else None
        pool = POOL if Purpose(purpose) in POOL_PURPOSES else 0
        return ledger.get_account_id(investor and investor.id, self.assets[code].id, purpose, pool)

    def units(self, name: str, amount: str) -> int:
        """ "-1.5" in base units of the account's asset."""
        sign = -1 if amount.startswith("-") else 1
        decimals = self.assets[name.rsplit(maxsplit=1)[-1]].decimals
        return sign * parse_units(amount.lstrip("+-"), decimals)

    def entry(
        self, kind: str, moves: Mapping[str, str], *, key: str = "", reference: str = ""
    ) -> Entry:
        lines = tuple(
            Line(self.account_id(name), self.units(name, amount)) for name, amount in moves.items()
        )
        return Entry(kind, key or f"{kind}:{next(_keys)}", reference, lines)

    def book(self, kind: str, moves: Mapping[str, str], *, key: str = "") -> int:
        """Post one entry as everybody but the engine does; returns its id."""
        return ledger.post([self.entry(kind, moves, key=key)], NOON)[0]

    def give(self, name: str, amount: str) -> int:
        """Units from the chain; tokens with the shares that back them."""
        code = name.rsplit(maxsplit=1)[-1]
        moves = {f"chain {code}": f"-{amount}", name: f"+{amount}"}
        if code.endswith("x"):
            share = code.removesuffix("x")
            moves |= {
                f"custodian_settled {share}": f"-{amount}",
                f"shares_backing {share}": f"+{amount}",
            }
        return self.book("given", moves)

    def give_to_trade(self, name: str, amount: str) -> None:
        """Units in `trading`, by way of transit as they always come."""
        transit = f"transit {name.rsplit(maxsplit=1)[-1]}"
        self.give(transit, amount)
        self.book_as_engine("pool in done", {transit: f"-{amount}", name: f"+{amount}"})

    def book_as_engine(self, kind: str, moves: Mapping[str, str]) -> int:
        """Post one entry as the engine of the pool does."""
        entry = self.entry(kind, moves)
        with transaction.atomic(), connection.cursor() as cursor:
            ledger.claim_pool(cursor, POOL)
            ids = ledger.write_entries(cursor, [entry], NOON)
            cursor.execute("SELECT set_config('bourse.pool', '', true)")
        return ids[0]

    def row(self, name: str) -> LedgerAccount:
        return LedgerAccount.objects.get(id=self.account_id(name))

    def __getitem__(self, name: str) -> str:
        """What is posted, as text."""
        row = self.row(name)
        return format_units(row.posted_units, row.asset.decimals)

    def trial_balance(self) -> dict[str, str]:
        """Per asset the sum over all accounts: zero, always."""
        sums = dict.fromkeys(self.assets, 0)
        for row in LedgerAccount.objects.select_related("asset"):
            sums[row.asset.code] += row.posted_units
        return {code: str(units) for code, units in sums.items()}
