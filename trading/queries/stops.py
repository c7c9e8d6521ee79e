"""Whether a kill switch stops an investor in a listing, and what they read then."""

from trading.engine.refusals import TradingStopped
from trading.engine.stops import Stop, Stops
from trading.models import KillSwitch


def find_stop(*, investor_id: int, partner_id: int | None, listing_id: int) -> str | None:
    """The public words, as the engine refuses with; None: nothing stops them."""
    active = KillSwitch.objects.filter(lifted_at__isnull=True)
    rows = active.values_list("id", "scope", "key", "public_words")
    try:
        Stops(Stop(*row) for row in rows).check(investor_id, partner_id, listing_id)
    except TradingStopped as stopped:
        return stopped.message
    return None
