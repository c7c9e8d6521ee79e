"""Staff look at reference data and change none of it."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from reference import loading
from reference.models import Instrument, ReferencePrice
from reference.states import Session

TABLES = ["instrument", "referenceprice", "referencetick", "tradingday", "countryrule"]


@pytest.fixture
def staff(db, client):
    user = get_user_model().objects.create_superuser(
        email="staff@bourse.example", password="a-long-password-of-the-tests"
    )
    client.force_login(user)
    return client


@pytest.fixture
def price(db):
    loading.load_catalogue(rows=loading.read_catalogue())
    return ReferencePrice.objects.create(
        instrument=Instrument.objects.get(ticker="GLD"),
        price_per_share_micros=385_120_000,
        confidence_micros=10_000,
        published_at=datetime(2026, 11, 24, 15, tzinfo=UTC),
        received_at=datetime(2026, 11, 24, 15, tzinfo=UTC),
        session=Session.REGULAR,
        trade_date="2026-11-24",
    )


@pytest.mark.parametrize("table", TABLES)
def test_each_table_has_a_list_without_an_add_button(staff, price, table):
    answer = staff.get(reverse(f"admin:reference_{table}_changelist"))

    assert answer.status_code == 200
    assert staff.get(reverse(f"admin:reference_{table}_add")).status_code == 403


def test_a_price_is_shown_in_dollars_per_share(staff, price):
    page = staff.get(reverse("admin:reference_referenceprice_changelist")).content.decode()

    assert "385.12 USD" in page


def test_a_price_cannot_be_edited(staff, price):
    url = reverse("admin:reference_referenceprice_change", args=[price.id])

    answer = staff.post(url, {"price_per_share_micros": 1})

    price.refresh_from_db()
    assert answer.status_code == 403
    assert price.price_per_share_micros == 385_120_000
