"""A day with trades, people with names, staff with rights."""

import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission

from accounts.models import Investor, KycCase, User
from accounts.personal_data import PersonalData, TaxResidence, seal_form
from custody.models import Asset
from kernel.ids import uuid7
from reference.models import Instrument
from trading.models import Listing, Trade

DAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NEXT_MORNING = datetime(2026, 3, 3, 6, 0, tzinfo=UTC)
TEST_ISIN = "XS0000000009"


@pytest.fixture
def official_schemas() -> Path:
    """The operator's folder of official schemas; CI must have it."""
    folder = os.environ.get("REGULATORY_SCHEMA_DIR", "")
    if not folder:
        reason = "REGULATORY_SCHEMA_DIR names no folder of official schemas"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return Path(folder)


@pytest.fixture
def schema_dir(official_schemas: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, as the setting of this test."""
    monkeypatch.setattr(settings.ENV, "regulatory_schema_dir", official_schemas)
    return official_schemas


@pytest.fixture
def without_schemas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings.ENV, "regulatory_schema_dir", None)


@pytest.fixture
def real_firm(monkeypatch: pytest.MonkeyPatch) -> str:
    """Settings as a real operator has them."""
    monkeypatch.setattr(settings.ENV, "firm_lei", "529900T8BM49AURSDO55")
    monkeypatch.setattr(settings.ENV, "firm_country", "DE")
    monkeypatch.setattr(settings.ENV, "venue_mic", "XBRS")
    return "529900T8BM49AURSDO55"


@pytest.fixture
def make_listing(db: None) -> Callable[..., Listing]:
    def make(ticker: str, isin: str = "", *, is_test: bool = False) -> Listing:
        quote, _ = Asset.objects.get_or_create(
            code="USDC", defaults={"name": "USD Coin", "kind": "stablecoin", "decimals": 6}
        )
        instrument = Instrument.objects.create(
            ticker=ticker,
            name=ticker,
            kind="stock",
            exchange="XNAS",
            isin={"AAPL": "US0378331005", "MSFT": "US5949181045"}[ticker],
            isin_source="test",
            price_feed_id=uuid7().hex * 2,
            price_source="simulated",
        )
        token = Asset.objects.create(
            code=f"{ticker}x",
            name=ticker,
            kind="token",
            decimals=8,
            instrument=instrument,
            token_isin=isin,
            token_isin_is_test=is_test,
        )
        return Listing.objects.create(
            symbol=f"{ticker}xUSDC",
            wsname=f"{ticker}x/USDC",
            asset=token,
            quote=quote,
            pool_id=1,
            created_at=NOON,
        )

    return make


@pytest.fixture
def make_person(db: None) -> Callable[..., int]:
    def make(given: str, family: str, nationality: str, **tax: str) -> int:
        investor = Investor.objects.create(display_name=given, created_at=NOON)
        case = KycCase.objects.create(
            investor=investor, nationality=nationality, residence_country="DE", opened_at=NOON
        )
        form = PersonalData(
            given_names=given,
            family_names=family,
            birth_date=date(1990, 1, 15),
            street="Hauptstraße 1",
            postal_code="10115",
            city="Berlin",
            tax_residences=[
                TaxResidence(country=country, tax_number=number) for country, number in tax.items()
            ],
        )
        KycCase.objects.filter(id=case.id).update(form_sealed=seal_form(form, case_id=case.id))
        return investor.pk

    return make


@pytest.fixture
def house(db: None) -> int:
    investor = Investor.objects.create(display_name="Maker", is_house=True, created_at=NOON)
    return investor.pk


@pytest.fixture
def make_staff(db: None) -> Callable[..., User]:
    def make(*permissions: str) -> User:
        user = User.objects.create_user(
            email=f"{'-'.join(permissions) or 'none'}@example.org", password="a-long-enough-word"
        )
        User.objects.filter(pk=user.pk).update(is_staff=True)
        for name in permissions:
            user.user_permissions.add(Permission.objects.get(codename=name))
        return User.objects.get(pk=user.pk)

    return make


@pytest.fixture
def make_trade(db: None) -> Callable[..., Trade]:
    def make(listing: Listing, buyer: int, seller: int, at: datetime = NOON, **more: Any) -> Trade:
        number = Trade.objects.filter(listing=listing).count() + 1
        fields = {
            "trade_no": number,
            "price_units": 231_100_000,
            "quantity_units": 350_000,
            "cash_units": 808_850,
            "taker_side": "buy",
            "maker_fee_units": 0,
            "taker_fee_units": 0,
            "batch_no": 1,
        }
        return Trade.objects.create(
            id=uuid7(),
            listing=listing,
            maker_order_id=uuid7(),
            taker_order_id=uuid7(),
            buyer_id=buyer,
            seller_id=seller,
            traded_at=at,
            **fields | more,
        )

    return make
