"""The parties' side, as each reports it; what cannot be read is absent, never 0.

What the custodian has done of an order of ours, and the sweep has not heard yet, is
asked of it order by order: it explains exactly that many shares and dollars.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from django.db.models import Sum

from custody.gateways import chain_keys
from custody.gateways.chain import ACCOUNTS_MAX, ChainError, SolanaChain
from custody.gateways.chain_keys import ChainKeys
from custody.gateways.custodian import PARTY, AlpacaCustodian, CustodianRefused, Order
from custody.ledger_purposes import AssetKind
from custody.models import Asset, BlockOrder, Deposit, DepositAddress
from custody.models.reconciliation import CUSTODIAN_COMPARISONS, Comparison
from custody.operations.tokens import hot_account, issuance_account
from custody.reconciliation.figures import Key, Range, exactly
from custody.states import BlockOrderState, DepositState
from kernel.gateways import GatewaySilent, GatewayUnavailable

logger = logging.getLogger(__name__)

# More of them open at once is a fault somewhere; asking for each would take too long.
ORDERS_ASKED_MAX = 2_000
# A stuck one may be there as well.
NOT_HEARD_OF = [BlockOrderState.NEW, BlockOrderState.SUBMITTED, BlockOrderState.STUCK]


@dataclass(frozen=True, slots=True)
class Parties:
    """What each comparison's party reports, and what it says is under way besides."""

    units: dict[Key, int] = field(default_factory=dict)
    in_flight: dict[Key, Range] = field(default_factory=lambda: defaultdict(Range))


@dataclass(frozen=True, slots=True)
class Sources:
    """Whom to ask, and with which addresses."""

    chain: SolanaChain
    custodian: AlpacaCustodian
    keys: ChainKeys


@contextmanager
def sources_from_settings() -> Iterator[Sources]:
    """This installation's parties, with connections that are closed afterwards."""
    with SolanaChain.from_settings() as chain, AlpacaCustodian.from_settings() as custodian:
        yield Sources(chain, custodian, chain_keys.from_settings())


def read_parties(keys: Sequence[Key], sources: Sources, now: datetime) -> Parties:
    """Ask everybody once. A party that does not answer leaves its figures out."""
    found = Parties()
    assets = Asset.objects.filter(pk__in={key.asset_id for key in keys})
    of_kind = defaultdict(list)
    for asset in assets.select_related("instrument").order_by("code"):
        of_kind[asset.kind].append(asset)
    _read_chain(of_kind[AssetKind.TOKEN], of_kind[AssetKind.STABLECOIN], sources, found)
    if any(key.what in CUSTODIAN_COMPARISONS for key in keys):
        _read_custodian(of_kind[AssetKind.SHARE], of_kind[AssetKind.FIAT], sources, found, now)
    return found


# --- the chain ------------------------------------------------------------------


def _read_chain(
    tokens: Sequence[Asset], coins: Sequence[Asset], sources: Sources, found: Parties
) -> None:
    """What the node says no to is left out; one that is silent is not asked again."""
    readings: list[Callable[[], None]] = [
        partial(_read_supplies, tokens, sources.chain, found),
        *[partial(_read_wallets_of, token, sources, found) for token in tokens],
        *[partial(_read_addresses, coin, sources.chain, found) for coin in coins],
    ]
    for read in readings:
        try:
            read()
        except GatewaySilent as silence:
            logger.warning("the chain is silent: %s", silence)
            return
        except (GatewayUnavailable, ChainError) as failure:
            logger.warning("the chain said no: %s", failure)


def _read_supplies(tokens: Sequence[Asset], chain: SolanaChain, found: Parties) -> None:
    for start in range(0, len(tokens), ACCOUNTS_MAX):
        batch = tokens[start : start + ACCOUNTS_MAX]
        _, supplies = chain.supplies([token.mint_address for token in batch])
        for token, supply in zip(batch, supplies, strict=True):
            # No mint there: a node that lags, or worse. Nobody can say how many circulate.
            if supply is not None:
                found.units[Key(token.pk, Comparison.SUPPLY)] = supply


def _read_wallets_of(token: Asset, sources: Sources, found: Parties) -> None:
    """An account of ours that is not there yet holds nothing."""
    accounts = [str(make(token, sources.keys)) for make in (issuance_account, hot_account)]
    _, units = sources.chain.token_units(accounts, token.mint_address)
    for what, held in zip((Comparison.ISSUANCE_WALLET, Comparison.HOT_WALLET), units, strict=True):
        found.units[Key(token.pk, what)] = held or 0


def _read_addresses(coin: Asset, chain: SolanaChain, found: Parties) -> None:
    """All our addresses of a stablecoin: the investors', and the house's hot wallet."""
    addresses = list(DepositAddress.objects.filter(asset=coin).order_by("id"))
    units: dict[int, int] = {}
    for start in range(0, len(addresses), ACCOUNTS_MAX):
        batch = addresses[start : start + ACCOUNTS_MAX]
        accounts = [address.token_account for address in batch]
        _, held = chain.token_units(accounts, coin.mint_address)
        units |= {each.pk: here or 0 for each, here in zip(batch, held, strict=True)}
    key = Key(coin.pk, Comparison.WALLETS)
    found.units[key] = sum(units.values())
    found.in_flight[key] += exactly(_in_quarantine(coin, units))


def _in_quarantine(coin: Asset, units: dict[int, int]) -> int:
    """What lies on addresses with a deposit in quarantine beyond what was credited there.

    How much really arrived is what the officers still have to find out.
    """
    in_quarantine = DepositAddress.objects.filter(
        asset=coin, deposits__state=DepositState.QUARANTINED
    )
    credited = (
        Deposit.objects.filter(address__in=in_quarantine, state=DepositState.CREDITED)
        .values_list("address")
        .annotate(units=Sum("units"))
    )
    booked = dict(credited)
    ids = in_quarantine.values_list("id", flat=True).distinct()
    return sum(max(units.get(id, 0) - booked.get(id, 0), 0) for id in ids)


# --- the custodian --------------------------------------------------------------


def _read_custodian(
    shares: Iterable[Asset], dollars: Iterable[Asset], sources: Sources, found: Parties,
    now: datetime,
) -> None:  # fmt: skip
    """All of it or nothing: half an answer would not fit together."""
    try:
        held = sources.custodian.shares(now=now)
        cash = sources.custodian.cash_micros()
        done = list(_done_and_not_booked(sources.custodian, now))
    except (GatewayUnavailable, CustodianRefused) as failure:
        logger.warning("the custodian cannot be read: %s", failure)
        return
    for share in shares:
        assert share.instrument is not None
        here = held.get(share.instrument.ticker)
        settled, unsettled = (here.settled_units, here.unsettled_units) if here else (0, 0)
        found.units[Key(share.pk, Comparison.SHARES)] = settled + unsettled
        found.units[Key(share.pk, Comparison.SHARES_SETTLED)] = settled
    for usd in dollars:
        found.units[Key(usd.pk, Comparison.CASH)] = cash
        found.in_flight[Key(usd.pk, Comparison.CASH)] += exactly(sum(each.cash for each in done))
    for each in done:
        found.in_flight[Key(each.asset_id, Comparison.SHARES)] += exactly(each.units)
        found.in_flight[Key(each.asset_id, Comparison.SHARES_SETTLED)] += exactly(each.settled)


@dataclass(frozen=True, slots=True)
class _Done:
    """What an order of ours has moved at the custodian; the ledger has not heard of it."""

    asset_id: int
    units: int
    settled: int
    cash: int


def _done_and_not_booked(custodian: AlpacaCustodian, now: datetime) -> Iterable[_Done]:
    """:raises GatewayUnavailable: as the custodian's, or too many orders are open."""
    blocks = BlockOrder.objects.filter(state__in=NOT_HEARD_OF).order_by("formed_at", "id")
    if blocks.count() > ORDERS_ASKED_MAX:
        raise GatewayUnavailable(PARTY, f"has more than {ORDERS_ASKED_MAX} open orders of ours")
    for block in blocks:
        order = custodian.find(client_order_id=block.id)
        if order is None or not order.filled_units:
            continue
        cash = order.cash_micros(block.side)
        if block.side == BlockOrder.Side.BUY:
            delivered = order.filled_units if _has_settled(order, custodian, now) else 0
            yield _Done(block.asset_id, order.filled_units, delivered, -cash)
        else:
            yield _Done(block.asset_id, -order.filled_units, -order.filled_units, cash)


def _has_settled(order: Order, custodian: AlpacaCustodian, now: datetime) -> bool:
    """A purchase that nobody heard of for days is delivered all the same."""
    traded_at = order.filled_at or order.ended_at
    return traded_at is not None and custodian.settlement_of(traded_at).at <= now
