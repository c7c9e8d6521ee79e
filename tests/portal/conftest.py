"""A small house for the pages: one listed token, a cast, noon on a trading day.

alice    verified, lives in Germany, has read AAPLx's disclosure, funded
bob      verified as alice, another login
charlie  signed up, nothing more
olga     staff
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from accounts import eligibility
from accounts.models import Investor, User
from accounts.operations import disclosures
from custody import ledger
from custody.gateways import chain_keys
from custody.ledger import Entry, Line, Purpose
from custody.models import Asset
from kernel import clock
from kernel.ids import uuid7
from reference.models import CountryRule, Instrument, ReferencePrice
from trading.models import Listing

NOON = datetime(2026, 3, 4, 17, 0, tzinfo=UTC)  # a Wednesday, regular hours in New York
USD = 1_000_000
TOKEN = 10**8


@dataclass
class House:
    """What the tests of the pages talk about."""

    instrument: Instrument
    token: Asset
    cash: Asset
    listing: Listing

    def sign_up(self, name: str, **fields: object) -> User:
        user = User.objects.create_user(f"{name}@example.com", "a long enough password", **fields)
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
        return user

    def verified(self, name: str, *, country: str = "DE") -> Investor:
        investor = Investor.objects.create(
            user=self.sign_up(name),
            display_name=name.capitalize(),
            kyc_status="approved",
            first_approved_at=NOON,
            residence_country=country,
            created_at=NOON,
        )
        eligibility.refresh(investor_id=investor.pk, now=NOON)
        return investor

    def accept(self, investor: Investor) -> None:
        text = disclosures.publish(subject="AAPLx", title="AAPLx", body="A token.", now=NOON)
        disclosures.accept(investor_id=investor.pk, disclosure_id=text.pk, ip=None, now=NOON)

    def fund(self, investor: Investor, asset: Asset, units: int) -> None:
        """Units from the chain straight into the balance one trades with."""
        chain = ledger.get_account_id(None, asset.pk, Purpose.CHAIN)
        main = ledger.get_account_id(investor.pk, asset.pk, Purpose.MAIN)
        key = f"test:{uuid7()}"
        lines = [Line(chain, -units), Line(main, units)]
        if asset == self.token:  # no token without its share: nine decimals against eight
            share = Asset.objects.get(code="AAPL")
            settled = ledger.get_account_id(None, share.pk, Purpose.CUSTODIAN_SETTLED)
            backing = ledger.get_account_id(None, share.pk, Purpose.SHARES_BACKING)
            lines += [Line(settled, -10 * units), Line(backing, 10 * units)]
        ledger.post([Entry("given", key, "", lines)], NOON)


def client_of(who: Investor | User) -> Client:
    client = Client()
    user = who.user if isinstance(who, Investor) else who
    assert user is not None
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOON)


@pytest.fixture(scope="session", autouse=True)
def _chain_keys() -> None:
    """Deposit addresses are derived from this installation's keys."""
    if not chain_keys.path_from_settings().exists():
        chain_keys.create(chain_keys.path_from_settings())


@pytest.fixture
def house(db: None) -> House:
    for code, name, status in (("DE", "Germany", "allowed"), ("US", "United States", "blocked")):
        CountryRule.objects.get_or_create(
            country=code, defaults={"name": name, "status": status, "reason": "law"}
        )
    instrument = Instrument.objects.create(
        ticker="AAPL",
        name="Apple Inc.",
        kind="stock",
        exchange="XNAS",
        isin="US0378331005",
        isin_source="test",
        price_feed_id="a" * 64,
        price_source="simulated",
    )
    ReferencePrice.objects.create(
        instrument=instrument,
        price_per_share_micros=238 * USD,
        confidence_micros=10_000,
        published_at=NOON - timedelta(seconds=7),
        received_at=NOON,
        session="regular",
        trade_date=NOON.date(),
    )
    cash = Asset.objects.create(
        code="USDC",
        name="USD Coin",
        kind="stablecoin",
        decimals=6,
        mint_address="EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
    )
    token = Asset.objects.create(
        code="AAPLx", name="Apple token", kind="token", decimals=8, instrument=instrument
    )
    Asset.objects.create(
        code="AAPL", name="Apple share", kind="share", decimals=9, instrument=instrument
    )
    listing = Listing.objects.create(
        symbol="AAPLxUSDC",
        wsname="AAPLx/USDC",
        asset=token,
        quote=cash,
        pool_id=1,
        created_at=NOON,
    )
    return House(instrument, token, cash, listing)


@pytest.fixture
def alice(house: House) -> Investor:
    investor = house.verified("alice")
    house.accept(investor)
    house.fund(investor, house.cash, 1_000 * USD)
    house.fund(investor, house.token, 2 * TOKEN)
    return investor


@pytest.fixture
def bob(house: House) -> Investor:
    return house.verified("bob")


@pytest.fixture
def charlie(house: House) -> User:
    return house.sign_up("charlie")


@pytest.fixture
def olga(house: House) -> User:
    return house.sign_up("olga", is_staff=True, is_superuser=True)


__all__ = ["NOON", "TOKEN", "USD", "House", "client_of"]
