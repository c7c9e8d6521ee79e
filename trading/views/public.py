"""Public pages of trading: fees, an investor's own among them."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from custody.operations.redemption import fee_e6
from kernel import clock
from kernel.money import ceil_div
from trading import queries
from trading.queries.fees import FeeCard, get_standing, list_fee_cards
from trading.views.markets import reader_of

TOKENS_NAMED_MAX = 6
MICROS_IN_A_CENT = 10_000


@login_not_required
@require_safe
def fees(request: HttpRequest) -> HttpResponse:
    reader, now = reader_of(request), clock.now()
    listings = queries.list_listings(reader=reader, now=now)
    standing = None
    if reader.investor_id is not None:
        standing = get_standing(investor_id=reader.investor_id)
    volume = standing.volume_units if standing else 0
    cards = list_fee_cards(listings=listings, reader=reader, volume_units=volume, now=now)
    context = {
        "standing": standing,
        "cards": [_card(card, volume, len(cards)) for card in cards],
        "minimum": min((each.min_cash_units for each in listings), default=None),
        "redemption_fee_e6": fee_e6(),
    }
    return render(request, "trading/fees.html", context)


def _card(card: FeeCard, volume_units: int, of_cards: int) -> dict[str, Any]:
    """A card as the page shows it: named by its tokens where they differ."""
    named, more = card.tokens[:TOKENS_NAMED_MAX], len(card.tokens) - TOKENS_NAMED_MAX
    words = ", ".join(named) + (f" and {more} more" if more > 0 else "")
    return {
        "title": words if of_cards > 1 else "Trading",
        "tiers": [
            {
                "from": _dollars(tier.volume_from),
                "maker": tier.maker_e6,
                "taker": tier.taker_e6,
                "is_reached": tier == card.reached,
                "missing": _dollars(tier.volume_from - volume_units) if tier == card.next else "",
            }
            for tier in card.tiers
        ],
        "has_next": card.next is not None,
    }


def _dollars(units: int) -> str:
    """ "10,000" or "87,654.33": cents only where there are some; a millionth more counts as one."""
    cents = ceil_div(units, MICROS_IN_A_CENT)
    whole, rest = divmod(cents, 100)
    return f"{whole:,}.{rest:02d}" if rest else f"{whole:,}"
