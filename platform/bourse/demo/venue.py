"""What can be traded here: reference data, assets, listings, disclosures."""

from datetime import datetime

import httpx
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts import approvals
from accounts.operations.disclosures import publish
from bourse.demo import Say
from bourse.demo.people import get_officer
from custody.ledger_purposes import AssetKind
from custody.models import Asset
from reference.models import Instrument
from reference.states import InstrumentKind
from reference.tasks import poll_prices
from trading.engine.rates import Tier
from trading.fees import Draft, propose_schedule
from trading.models import FeeSchedule, Listing
from trading.operations import block_country, create_listing

SHARE_DECIMALS = 9
TOKEN_DECIMALS = 8
DOLLAR_DECIMALS = 6
NODE_TIMEOUT_SECONDS = 10
# An export needs one token with an ISIN; this one is made up and says so wherever it shows.
TEST_ISIN = {"AAPLx": "ZZTEST000004"}
# One listing that is not offered everywhere, so that this can be seen.
BLOCKED = {"GLDx": {"FR": "Commodity-backed products are not offered in France."}}
# How far trades may run: funds are in the first tier, shares in the second.
BANDS_E6 = {InstrumentKind.ETF: 50_000, InstrumentKind.STOCK: 100_000}
# From a 30-day volume in millionths of a dollar on: maker, taker in millionths.
FEE_TIERS = (
    Tier(0, 1_000, 2_500),
    Tier(10_000 * 10**6, 800, 2_000),
    Tier(100_000 * 10**6, 500, 1_500),
    Tier(1_000_000 * 10**6, 200, 1_000),
)
DISCLOSURE = """\
{code} is a token on a blockchain. Each token in circulation is backed by shares of {name}
({ticker}, ISIN {isin}) that a custodian broker holds for the holders of tokens.

You do not become a shareholder. You have no vote. Dividends are reinvested: they raise the number
of shares that a token stands for, not the number of your tokens.

The price of {code} here may differ from the price of the share, above all when the US market is
closed. You may redeem tokens: they are sold at the custodian in the next session and paid in USDC,
at the price of that sale, not the price you see when you ask.

You may lose what you invest. If the custodian, the issuer or this venue fails, it may take long
until you are paid, and less may be paid than the shares are worth.

This is a demonstration. Nothing here is offered to you, and nothing here has a value.
"""


def load_reference(*, say: Say) -> None:
    """Countries, the calendar, the catalogue, the sanctions lists, and first prices."""
    for command in ("load_countries", "load_calendar", "load_catalogue"):
        call_command(command, verbosity=0)
    try:
        call_command("load_sanctions", verbosity=0)
    except CommandError as problem:
        # Without lists nobody is approved by themselves: each case waits for two officers.
        say(f"the sanctions lists could not be loaded: {problem}")
    poll_prices()
    say(f"{Instrument.objects.count()} instruments with prices")


def load_assets(*, say: Say, now: datetime) -> list[Asset]:
    """USDC, the broker's dollars, and a share and a token for each instrument."""
    Asset.objects.get_or_create(
        code="USDC",
        defaults={
            "name": "USD Coin",
            "kind": AssetKind.STABLECOIN,
            "decimals": DOLLAR_DECIMALS,
            "mint_address": _usdc_mint(),
        },
    )
    Asset.objects.get_or_create(
        code="USD",
        defaults={
            "name": "US dollar at the custodian",
            "kind": AssetKind.FIAT,
            "decimals": DOLLAR_DECIMALS,
        },
    )
    tokens = [_load_pair(instrument) for instrument in Instrument.objects.order_by("ticker")]
    for token in tokens:
        _load_listing(token, now)
    say(f"{len(tokens)} share tokens, {Listing.objects.count()} listings")
    return tokens


def load_fees(*, say: Say, now: datetime) -> None:
    """Everybody's tiers, proposed by one market operator and confirmed by the other."""
    if FeeSchedule.objects.exists():
        return
    proposal = propose_schedule(
        draft=Draft(name="Standard", tiers=FEE_TIERS),
        maker=get_officer("market operator"),
        reason="The demo's fees.",
        now=now,
    )
    approvals.confirm(
        proposal_id=proposal.id,
        checker=get_officer("second market operator"),
        body_hash=proposal.body_hash,
        now=now,
    )
    say(f"fees in {len(FEE_TIERS)} tiers")


def _usdc_mint() -> str:
    """The address of the sandbox chain's own USDC."""
    url = settings.ENV.server("solana_rpc_url").rstrip("/") + "/sandbox/chain"
    return str(httpx.get(url, timeout=NODE_TIMEOUT_SECONDS).raise_for_status().json()["usdc_mint"])


def _load_pair(instrument: Instrument) -> Asset:
    Asset.objects.get_or_create(
        code=instrument.ticker,
        defaults={
            "name": instrument.name,
            "kind": AssetKind.SHARE,
            "decimals": SHARE_DECIMALS,
            "instrument": instrument,
        },
    )
    code = f"{instrument.ticker}x"
    token, _ = Asset.objects.get_or_create(
        code=code,
        defaults={
            "name": f"{instrument.name} (token)",
            "kind": AssetKind.TOKEN,
            "decimals": TOKEN_DECIMALS,
            "instrument": instrument,
            "token_isin": TEST_ISIN.get(code, ""),
            "token_isin_is_test": code in TEST_ISIN,
        },
    )
    return token


def _load_listing(token: Asset, now: datetime) -> None:
    instrument = token.instrument
    assert instrument is not None
    publish(
        subject=token.code,
        title=f"What {token.code} is, and what can go wrong",
        body=DISCLOSURE.format(
            code=token.code,
            name=instrument.name,
            ticker=instrument.ticker,
            isin=instrument.isin,
        ),
        now=now,
    )
    usdc = Asset.objects.get(code="USDC")
    if not Listing.objects.filter(asset=token, quote=usdc).exists():
        band_e6 = BANDS_E6[InstrumentKind(instrument.kind)]
        listing = create_listing(asset_id=token.pk, quote_id=usdc.pk, now=now, band_e6=band_e6)
        for country, reason in BLOCKED.get(token.code, {}).items():
            block_country(listing_id=listing.pk, country=country, reason=reason)
