"""Rows that wait for the tasks of accounts, reference data and reporting."""

import json
from datetime import timedelta

from accounts import eligibility
from accounts.models import Investor, KycCase
from accounts.operations.provider import receive_webhook
from kernel import clock
from kernel.ids import uuid7
from reference.loading import feed_id_of
from reference.models import CountryRule, Instrument, ReferenceTick
from sandbox.kyc import sign_webhook
from tests.accounts.conftest import WEBHOOK_SECRET, Party
from tests.ledger_stories import Books
from trading.models import Listing, Trade


def bring_webhooks(provider: Party, case: KycCase) -> None:
    """Each of them twice, as providers do."""
    for body in provider.webhooks(case.id):
        raw = json.dumps(body).encode()
        for _ in range(2):
            signed = {
                name.lower(): value for name, value in sign_webhook(raw, WEBHOOK_SECRET).items()
            }
            receive_webhook(body=raw, headers=signed, now=clock.now())


def make_french_investor(name: str) -> Investor:
    CountryRule.objects.update_or_create(
        country="FR", defaults={"name": "France", "status": "allowed", "reason": ""}
    )
    investor = Investor.objects.create(
        display_name=name, residence_country="FR", created_at=clock.now()
    )
    eligibility.refresh(investor_id=investor.pk, now=clock.now())
    return investor


def make_price_history(books: Books) -> None:
    Instrument.objects.filter(ticker="AAPL").update(price_feed_id=feed_id_of("AAPL"))
    long_ago = clock.now().replace(year=2020, day=1)
    for minute in range(3):
        ReferenceTick.objects.create(
            instrument=Instrument.objects.get(ticker="AAPL"),
            price_per_share_micros=100_000_000,
            confidence_micros=1,
            published_at=long_ago + timedelta(minutes=minute),
            received_at=long_ago,
            session="regular",
        )


def make_trade_of_yesterday(books: Books) -> Trade:
    at = clock.now() - timedelta(days=1)
    token, cash = books.assets["AAPLx"], books.assets["USDC"]
    listing = Listing.objects.create(
        symbol="AAPLxUSDC", wsname="AAPLx/USDC", asset=token, quote=cash, pool_id=1, created_at=at
    )
    return Trade.objects.create(
        id=uuid7(), listing=listing, trade_no=1, price_units=231_100_000, quantity_units=350_000,
        cash_units=808_850, taker_side="buy", maker_fee_units=0, taker_fee_units=0, batch_no=1,
        maker_order_id=uuid7(), taker_order_id=uuid7(), buyer_id=books.investors["alice"].pk,
        seller_id=books.investors["bob"].pk, traded_at=at,
    )  # fmt: skip
