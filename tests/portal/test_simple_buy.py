"""The preview of a simple buy: sized as the engine sizes it, signed, short-lived."""

import pytest
from django.urls import reverse

from accounts.models import Investor
from tests.portal.conftest import TOKEN, USD, House, client_of
from trading import queries
from trading.models import Listing
from trading.offering import Reader
from trading.queries import Depth, PriceLevel
from trading.views.buy import NothingOffered, preview


def book(*asks: tuple[int, int]) -> Depth:
    """Asks as (price in USDC, quantity in hundredths of a token)."""
    return Depth(1, [], [PriceLevel(price * USD, size * TOKEN // 100, 1) for price, size in asks])


def listing(house: House) -> queries.ListingView:
    return queries.get_listing(symbol=house.listing.symbol, reader=Reader(country="DE"))


def test_the_preview_never_costs_more_than_the_amount(house: House) -> None:
    for cash in (1 * USD, 5 * USD, 333 * USD, 1_000 * USD):
        shown = preview(
            listing=listing(house), book=book((200, 100), (201, 300), (202, 900)), cash_units=cash
        )
        worst = shown.quantity_units * shown.limit_price_units // TOKEN
        assert worst + worst * 2_500 // 1_000_000 <= cash
        assert shown.about_units <= cash
        assert shown.limit_price_units % house.listing.tick_units == 0


def test_the_preview_walks_the_book_level_by_level(house: House) -> None:
    shown = preview(listing=listing(house), book=book((200, 100), (300, 900)), cash_units=400 * USD)

    assert shown.limit_price_units == 300_600_000
    assert 200 * USD < shown.average_price_units < 300 * USD


def test_more_than_the_book_holds_is_refused(house: House) -> None:
    with pytest.raises(NothingOffered):
        preview(listing=listing(house), book=book((200, 1)), cash_units=1_000 * USD)
    with pytest.raises(NothingOffered):
        preview(listing=listing(house), book=book(), cash_units=USD)


@pytest.mark.parametrize("amount", ["0", "-1", "1e3", "1,5", "1.0000001", " ", "abc"])
def test_an_amount_in_another_spelling_is_refused_under_its_field(
    amount: str, alice: Investor
) -> None:
    answer = client_of(alice).get(reverse("buy", args=["AAPLxUSDC"]), {"cash": amount})

    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()
    assert "At most" not in answer.content.decode()


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("0.999999", "Spend at least 1.00 USDC."),
        ("1000.000001", "You have 1,000.00 USDC available."),
        ("50", "Nobody offers enough right now."),
    ],
)
def test_less_than_the_minimum_and_more_than_one_has_are_refused_before_the_preview(
    amount: str, words: str, alice: Investor
) -> None:
    page = client_of(alice).get(reverse("buy", args=["AAPLxUSDC"]), {"cash": amount})

    assert words in page.content.decode()
    assert "Never more than" not in page.content.decode()


@pytest.mark.parametrize(
    ("state", "words"), [("halted", "Halted"), ("reduce_only", "Selling only")]
)
def test_a_listing_that_sells_nothing_now_says_so_instead_of_asking_how_much(
    state: str, words: str, alice: Investor, house: House
) -> None:
    Listing.objects.update(state=state, state_reason="News are pending.")

    page = client_of(alice).get(reverse("buy", args=["AAPLxUSDC"])).content.decode()

    assert words in page
    assert "News are pending." in page
    assert "How much do you want to spend?" not in page
