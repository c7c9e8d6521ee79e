"""What staff see of settlement: per token and minute, and what is on its way now."""

import csv
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import Investor, User
from custody import ledger
from custody.models import BlockOrder, CustodianOrder, SettlementLeg
from kernel.ids import uuid7
from reporting.settlement import Minute, Minutes
from tests.ledger_stories import NOON, Books
from trading.models import Listing, Trade

SHARE, TOKEN = 10**9, 10**8
MINUTE = timedelta(minutes=1)


@pytest.fixture
def books(db: None) -> Books:
    return Books()


def sell_from_inventory(books: Books, tokens: str, at: datetime) -> None:
    moves = {"inventory AAPLx": f"-{tokens}", "alice main AAPLx": f"+{tokens}"}
    ledger.post([books.entry("inventory sold", moves)], at)


def buy(books: Books, shares: int, filled_at: datetime, settled_at: datetime | None) -> BlockOrder:
    asset, state = books.assets["AAPL"], "settled" if settled_at else "allocated"
    traded = {
        "asset": asset, "side": "buy", "units": shares * SHARE, "filled_units": shares * SHARE,
        "cash_micros": 1, "price_micros": 1, "filled_at": filled_at, "settled_at": settled_at,
        "settles_at": settled_at or filled_at,
    }  # fmt: skip
    block = BlockOrder.objects.create(state=state, formed_at=filled_at, **traded)
    order_state = "settled" if settled_at else "filled"
    CustodianOrder.objects.create(block=block, state=order_state, requested_at=filled_at, **traded)
    return block


def move(
    books: Books, tokens: int, planned_at: datetime, final_at: datetime | None = None
) -> SettlementLeg:
    leg = SettlementLeg.objects.create(
        asset=books.assets["AAPLx"], direction="out", units=tokens * TOKEN, planned_at=planned_at
    )
    if final_at is not None:
        moves = {"chain_issuance AAPLx": f"+{tokens}", "chain AAPLx": f"-{tokens}"}
        books.book("tokens moved", moves, key=f"tokens_moved:{leg.id}")
        SettlementLeg.objects.filter(id=leg.id).update(state="final", final_at=final_at)
    return leg


def trade(listing: Listing, seller: Investor, buyer: Investor, tokens: int, at: datetime) -> None:
    Trade.objects.create(
        id=uuid7(), listing=listing, trade_no=Trade.objects.count() + 1, price_units=1,
        quantity_units=tokens * TOKEN, cash_units=1, maker_order_id=uuid7(),
        taker_order_id=uuid7(), buyer_id=buyer.pk, seller_id=seller.pk, taker_side="buy",
        maker_fee_units=0, taker_fee_units=0, batch_no=1, traded_at=at,
    )  # fmt: skip


def minted(books: Books, tokens: str = "100") -> Books:
    share = {"custodian_settled AAPL": f"-{tokens}", "shares_backing AAPL": f"+{tokens}"}
    token = {"chain_issuance AAPLx": f"-{tokens}", "inventory AAPLx": f"+{tokens}"}
    books.book("mint", share | token)
    return books


def minutes(books: Books, code: str = "") -> list[Minute]:
    return Minutes(day=NOON.date(), token=books.assets.get(code))[0:100]


def reader(*permissions: str) -> Client:
    officer = User.objects.create_user(email="mia@example.com", is_staff=True)
    for codename in permissions:
        officer.user_permissions.add(Permission.objects.get(codename=codename))
    client = Client()
    client.force_login(officer, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_each_minute_says_what_was_sold_bought_settled_and_is_on_its_way(books: Books) -> None:
    minted(books)
    sell_from_inventory(books, "5", NOON)
    sell_from_inventory(books, "2", NOON + timedelta(seconds=59))
    move(books, 7, NOON + timedelta(seconds=30), final_at=NOON + MINUTE)
    buy(books, 10, NOON - timedelta(days=1), settled_at=NOON + MINUTE)
    buy(books, 4, NOON + MINUTE, settled_at=None)
    sell_from_inventory(books, "1", NOON + timedelta(days=1))  # another day

    second, first = minutes(books)

    assert (first.at, first.sold_units, first.in_transit_units) == (NOON, 7 * TOKEN, 7 * TOKEN)
    assert (first.shares_due_units, first.moved_units) == (10 * SHARE, 0)
    assert (second.shares_bought_units, second.shares_settled_units) == (4 * SHARE, 10 * SHARE)
    assert (second.moved_units, second.in_transit_units) == (7 * TOKEN, 0)
    assert second.shares_due_units == 4 * SHARE
    assert second.share == books.assets["AAPL"]


def test_what_the_houses_traders_sell_each_other_is_not_sold(
    books: Books, make_listing: Callable[..., Listing]
) -> None:
    listing = make_listing("MSFT")
    maker, taker = (
        Investor.objects.create(display_name=name, is_house=True, created_at=NOON)
        for name in ("maker", "taker")
    )
    alice = books.investors["alice"]
    trade(listing, maker, alice, 3, NOON)
    trade(listing, maker, taker, 30, NOON)
    trade(listing, alice, maker, 300, NOON)

    (minute,) = minutes(books)

    assert (minute.token, minute.traded_units) == (listing.asset, 3 * TOKEN)


def test_the_page_and_the_file_say_the_same(books: Books) -> None:
    minted(books)
    for number in range(60):
        sell_from_inventory(books, "0.5", NOON + number * MINUTE)
    leg = move(books, 30, NOON + timedelta(hours=2))
    client = reader("view_settlementleg")
    url, day = reverse("settlement"), {"day": f"{NOON:%Y-%m-%d}"}

    page = client.get(url, day).content.decode()
    second = client.get(url, day | {"page": "2"}).content.decode()
    other = client.get(url, day | {"asset": "AAPLx"}).content.decode()
    answer = client.get(reverse("settlement_csv"), day | {"asset": "AAPLx"})

    assert page.count(">0.5</td>") == other.count(">0.5</td>") == 50
    assert second.count(">0.5</td>") == 10
    assert "Page 1 of 2" in page
    assert ">30 AAPLx</a>" in page
    assert str(leg.pk) in page
    assert 'filename="settlement-2026-03-04-AAPLx.csv"' in answer["Content-Disposition"]
    rows = list(csv.DictReader(answer.getvalue().decode().splitlines()))
    assert len(rows) == 60
    assert rows[-1]["minute_utc"] == "2026-03-04T12:00Z"
    assert (rows[-1]["token"], rows[-1]["sold_from_inventory"]) == ("AAPLx", "0.5")
    assert "Nothing was sold" in client.get(url, {"day": "2020-01-01"}).content.decode()
    assert client.get(url, {"day": "9999-12-31"}).status_code == 200
    malformed = client.get(url, {"day": "soon", "asset": "NOPE", "page": "x"})
    assert (malformed.status_code, "no day or no token" in malformed.content.decode()) == (
        200,
        True,
    )


def test_only_staff_who_may_see_legs_see_settlement(books: Books) -> None:
    client = reader()
    for name in ("settlement", "settlement_csv"):
        assert client.get(reverse(name)).status_code == 403
        assert Client().get(reverse(name)).status_code == 302
