"""Why somebody cannot trade a listing right now, and what to do about it.

The engine judges every order again; this only says beforehand, in words, what
it would say.
"""

from dataclasses import dataclass

from django.urls import reverse

from accounts import queries as accounts
from accounts.models import Investor
from kernel.refusals import NotFound
from trading.pages import MarketRow
from trading.queries.stops import find_stop

STATE_WORDS = {
    "online": ("Open", "good"),
    "limit_only": ("Limit orders only", "wait"),
    "post_only": ("Post-only", "wait"),
    "reduce_only": ("Selling only", "wait"),
    "cancel_only": ("Cancel only", "bad"),
    "halted": ("Halted", "bad"),
    "auction": ("Auction", "wait"),
}

# What limits trading in a listing (MarketState.limited_by): title, tone, what is left to do.
# The trade page shows them, and its script when the state changes under it.
LIMITS = {
    "limit_only": ("Limit orders only", "wait", "Market orders are not taken for now."),
    "post_only": (
        "Post-only",
        "wait",
        "Orders that would fill at once are refused; those that wait in the book are taken.",
    ),
    "reduce_only": ("Selling only", "wait", "It can be sold, not bought."),
    "cancel_only": ("Cancel only", "bad", "No new orders are taken. What rests can be canceled."),
    "halted": ("Trading is halted", "bad", "No new orders are taken. What rests can be canceled."),
    "share_halted": (
        "The share is halted at its exchange",
        "bad",
        "No new orders are taken until it trades again. What rests can be canceled.",
    ),
    "reference_stale": (
        "The share's price is old",
        "wait",
        "We have no fresh price of the share: the token's can be far from it. While it stays so, "
        "new orders may have to wait.",
    ),
    "session_closed": (
        "Closed at this hour",
        "wait",
        "This token trades in its share's hours alone. What rests can be canceled.",
    ),
    "auction": (
        "Auction",
        "wait",
        "Limit orders gather; then all that can match is matched at once, at one price.",
    ),
    "limit_state": (
        "At its price limit",
        "wait",
        "The price stands at its band. If it does not come back, trading pauses.",
    ),
    "pause": (
        "Trading is paused",
        "bad",
        "The price moved too fast. Trading goes on with an auction. What rests can be canceled.",
    ),
    "breaker": (
        "The whole market is paused",
        "bad",
        "The market fell too far in one day. No new orders are taken. What rests can be canceled.",
    ),
}


def limits_table() -> dict[str, dict[str, str]]:
    """LIMITS for the page's script."""
    names = ("title", "tone", "help")
    return {key: dict(zip(names, words, strict=True)) for key, words in LIMITS.items()}


# States in which a buy can fill at once.
BUYABLE = ("online", "limit_only")


@dataclass(frozen=True, slots=True)
class Gate:
    """One obstacle: words, and a link that removes it (empty when nothing can)."""

    title: str
    text: str
    url: str = ""
    action: str = ""
    stops_selling: bool = False


def find_gate(*, investor: Investor | None, row: MarketRow, is_signed_in: bool) -> Gate | None:
    """The first obstacle between this person and a buy of this listing, or None."""
    if not is_signed_in:
        return Gate(
            "Sign in to trade",
            "You can look around without an account.",
            f"{reverse('account_login')}?next={reverse('trade', args=[row.listing.symbol])}",
            "Sign in",
            stops_selling=True,
        )
    if investor is None or (not investor.is_house and investor.first_approved_at is None):
        return Gate(
            "Verify who you are first",
            "The law asks us to know every investor. It takes about five minutes.",
            reverse("verification"),
            "Go on with verification",
            stops_selling=True,
        )
    return (
        _gate_of_stop(investor, row)
        or _gate_of_eligibility(investor)
        or _gate_of_offering(row)
        or _gate_of_disclosure(investor, row)
    )


def find_closure(row: MarketRow) -> Gate | None:
    """Why the listing itself fills nothing at once now, for whoever wants to buy; or None."""
    trade = reverse("trade", args=[row.listing.symbol])
    if row.reference is not None and row.reference.is_halted:
        why = row.reference.halt_reason or "The exchange has halted the share."
        return Gate("The share is halted", why, trade, "Look at the market")
    if row.listing.state in BUYABLE:
        return None
    words, _ = STATE_WORDS[row.listing.state]
    return Gate(words, row.listing.state_reason, trade, "Look at the market")


def _gate_of_stop(investor: Investor, row: MarketRow) -> Gate | None:
    words = find_stop(
        investor_id=investor.pk, partner_id=investor.partner_id, listing_id=row.listing.id
    )
    if words is None:
        return None
    return Gate("Trading is stopped", words, reverse("help"), "How to reach us", stops_selling=True)


def _gate_of_eligibility(investor: Investor) -> Gate | None:
    eligibility = accounts.get_eligibility(investor_id=investor.pk)
    if eligibility is None or eligibility.may_buy:
        return None
    if not eligibility.may_sell:
        return Gate(
            "Your account is frozen",
            "Nothing can be bought, sold or moved until the check is over. "
            "Help says how to reach the compliance officer.",
            reverse("help"),
            "How to object",
            stops_selling=True,
        )
    return Gate(
        "You can sell, not buy",
        "Your verification or your country of residence no longer allows purchases. "
        "Selling and redeeming stay open.",
        reverse("verification"),
        "See why",
    )


def _gate_of_offering(row: MarketRow) -> Gate | None:
    if not row.listing.sell_only:
        return None
    code = row.asset.code
    return Gate(
        "You can sell, not buy",
        f"{code} is not offered where you live. You can sell or redeem what you hold, "
        "and cancel what rests.",
        f"{reverse('new_redemption')}?asset={code}",
        f"Redeem {code} instead",
    )


def _gate_of_disclosure(investor: Investor, row: MarketRow) -> Gate | None:
    code = row.asset.code
    try:
        disclosure = accounts.get_current_disclosure(subject=code)
    except NotFound:
        return Gate(
            f"No disclosure for {code} yet",
            "A token is sold only once its disclosure is published.",
        )
    if accounts.has_accepted(investor_id=investor.pk, disclosure_id=disclosure.pk):
        return None
    return Gate(
        f"Read what {code} is before you buy it",
        "One page: what backs the token, what it costs, what can go wrong.",
        f"{reverse('disclosure', args=[code])}?next={reverse('trade', args=[row.listing.symbol])}",
        "Read and accept",
    )
