"""The house's bookkeeping as templates: what may be booked by hand, and on which accounts.

A template says for each kind of asset from where to where the units go; nobody can
write down any other lines. See docs/ledger.md for each with figures.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from custody.entry_kinds import EntryKind
from custody.ledger_purposes import INVESTOR_PURPOSES, AssetKind, Purpose


class Move(NamedTuple):
    """Units that leave one account for another; from a contra account they come in."""

    source: Purpose
    target: Purpose
    asset_code: str = ""  # "": the asset that the officer chose


@dataclass(frozen=True, kw_only=True)
class Template:
    """One kind of entry by hand; `means` is what the officer reads."""

    kind: EntryKind
    means: str
    moves: Mapping[AssetKind, tuple[Move, ...]]
    # What an investor gains goes on to where she trades, as her deposits do.
    goes_on_to_trading: bool = False
    # What an investor gives is asked of the engine first, as for a redemption.
    comes_out_of_trading: bool = False

    @property
    def name(self) -> str:
        return str(self.kind).capitalize()

    @property
    def purposes(self) -> frozenset[Purpose]:
        moves = [move for every in self.moves.values() for move in every]
        return frozenset(purpose for move in moves for purpose in move[:2])

    @property
    def names_investor(self) -> bool:
        return bool(self.purposes & INVESTOR_PURPOSES)

    @property
    def names_pool(self) -> bool:
        return Purpose.FEES in self.purposes


USDC, USD = AssetKind.STABLECOIN, AssetKind.FIAT
TOKENS, SHARES = AssetKind.TOKEN, AssetKind.SHARE
# Where the units of an asset are, outside of our books.
OUTSIDE = {
    USDC: Purpose.CHAIN,
    USD: Purpose.CUSTODIAN_CASH,
    SHARES: Purpose.CUSTODIAN_SETTLED,
}


def _same(source: Purpose, target: Purpose, *kinds: AssetKind) -> dict[AssetKind, tuple[Move, ...]]:
    return {kind: (Move(source, target),) for kind in kinds}


def _in(target: Purpose, *kinds: AssetKind) -> dict[AssetKind, tuple[Move, ...]]:
    return {kind: (Move(OUTSIDE[kind], target),) for kind in kinds}


def _out(source: Purpose, *kinds: AssetKind) -> dict[AssetKind, tuple[Move, ...]]:
    return {kind: (Move(source, OUTSIDE[kind]),) for kind in kinds}


CASH = (USDC, USD)
TEMPLATES: Mapping[EntryKind, Template] = {
    template.kind: template
    for template in (
        Template(
            kind=EntryKind.CAPITAL_PAID_IN,
            means="The operator put in money: dollars that arrived at the broker, or USDC that"
            " came to the hot wallet and lies in the treasury.",
            moves=_in(Purpose.EQUITY, USD) | _same(Purpose.TREASURY, Purpose.EQUITY, USDC),
        ),
        Template(
            kind=EntryKind.CAPITAL_ASSIGNED,
            means="Capital is put to work: USDC into the treasury, dollars into prefunding.",
            moves=_same(Purpose.EQUITY, Purpose.TREASURY, USDC)
            | _same(Purpose.EQUITY, Purpose.PREFUNDING, USD),
        ),
        Template(
            kind=EntryKind.CAPITAL_WITHDRAWN,
            means="The operator took out capital; it has left the wallet or the broker.",
            moves=_out(Purpose.EQUITY, *CASH),
        ),
        Template(
            kind=EntryKind.FEES_CLOSED,
            means="Fees earned become part of the result.",
            moves=_same(Purpose.FEES, Purpose.RESULT, *CASH),
        ),
        Template(
            kind=EntryKind.DUST_CLOSED,
            means="What rounding left over: money to the result, shares to those that are free.",
            moves=_same(Purpose.DUST, Purpose.RESULT, *CASH)
            | _same(Purpose.DUST, Purpose.SHARES_FREE, SHARES),
        ),
        Template(
            kind=EntryKind.LOSS_BOOKED,
            means="Less is there than is booked, and it will not come back.",
            moves=_out(Purpose.RESULT, USDC, USD, SHARES),
        ),
        Template(
            kind=EntryKind.COST_BOOKED,
            means="The house paid somebody: it has left the wallet or the broker.",
            moves=_out(Purpose.RESULT, *CASH),
        ),
        Template(
            kind=EntryKind.PROFIT_CARRIED,
            means="A profit becomes capital.",
            moves=_same(Purpose.RESULT, Purpose.EQUITY, *CASH),
        ),
        Template(
            kind=EntryKind.LOSS_COVERED,
            means="Capital covers a loss; shares that back nothing cover one of shares.",
            moves=_same(Purpose.EQUITY, Purpose.RESULT, *CASH)
            | _same(Purpose.SHARES_FREE, Purpose.RESULT, SHARES),
        ),
        Template(
            kind=EntryKind.SUSPENSE_BOOKED,
            means="More is there than is booked, and nobody knows whose it is.",
            moves=_in(Purpose.SUSPENSE, USDC, USD, SHARES),
        ),
        Template(
            kind=EntryKind.SUSPENSE_RETURNED,
            means="It went back to where it came from.",
            moves=_out(Purpose.SUSPENSE, USDC, USD, SHARES),
        ),
        Template(
            kind=EntryKind.SUSPENSE_ATTRIBUTED,
            means="It is this investor's.",
            moves=_same(Purpose.SUSPENSE, Purpose.MAIN, USDC),
            goes_on_to_trading=True,
        ),
        Template(
            kind=EntryKind.DIVIDEND_RECEIVED,
            means="The broker credited a dividend; it is owed to the holders of the tokens.",
            moves=_in(Purpose.DIVIDENDS_PAYABLE, USD),
        ),
        Template(
            kind=EntryKind.TAX_WITHHELD,
            means="Of a dividend received this much is owed to a tax office.",
            moves=_same(Purpose.DIVIDENDS_PAYABLE, Purpose.WITHHOLDING_TAX_PAYABLE, USD),
        ),
        Template(
            kind=EntryKind.TAX_REMITTED,
            means="Withheld tax was paid to the tax office, out of the account at the broker.",
            moves=_out(Purpose.WITHHOLDING_TAX_PAYABLE, USD),
        ),
        Template(
            kind=EntryKind.DIVIDEND_REINVESTED,
            means="The dividend is to buy shares: its dollars become prefunding.",
            moves=_same(Purpose.DIVIDENDS_PAYABLE, Purpose.PREFUNDING, USD),
        ),
        Template(
            kind=EntryKind.DIVIDEND_PAID,
            means="An investor gets a dividend in USDC of the treasury, which keeps its dollars.",
            moves={
                USD: (
                    Move(Purpose.DIVIDENDS_PAYABLE, Purpose.PREFUNDING),
                    Move(Purpose.TREASURY, Purpose.MAIN, "USDC"),
                )
            },
            goes_on_to_trading=True,
        ),
        Template(
            kind=EntryKind.PLEDGE_PLACED,
            means="An investor gives units as security: out of trading, by the engine, then set"
            " aside.",
            moves=_same(Purpose.MAIN, Purpose.PLEDGED, USDC, TOKENS),
            comes_out_of_trading=True,
        ),
        Template(
            kind=EntryKind.PLEDGE_RELEASED,
            means="Units given as security are free again.",
            moves=_same(Purpose.PLEDGED, Purpose.MAIN, USDC, TOKENS),
            goes_on_to_trading=True,
        ),
    )
}
