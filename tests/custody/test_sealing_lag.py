"""An entry that waits too long for its seal is an alert on the desk."""

from datetime import timedelta

from bourse.admin_desk import _alerts as desk_alerts
from custody import sealing, sealing_lag
from tests.ledger_stories import NOON, Books
from tests.sealing_stories import seal_all

DEPOSIT = {"chain USDC": "-100", "alice main USDC": "+100"}


def alerts(seconds: float) -> list[str]:
    """What the desk says of sealing, some seconds after noon."""
    return [
        alert for alert in desk_alerts(NOON + timedelta(seconds=seconds)) if "their seal" in alert
    ]


def test_five_seconds_are_patience_and_more_is_an_alert_until_it_is_sealed(books: Books) -> None:
    sealer = sealing.sealer()
    sealer.start()
    assert alerts(3600) == []  # nothing is booked
    books.book("deposit", DEPOSIT)

    assert alerts(5) == []
    assert alerts(6) == [
        "Journal entries have waited 6 seconds for their seal. The sealer stands still, or a "
        "transaction stays open."
    ]
    seal_all(sealer)
    assert alerts(3600) == []
    books.book("deposit", DEPOSIT)
    assert sealing_lag.unsealed_for(now=NOON + timedelta(seconds=61)) == timedelta(seconds=61)
    assert len(alerts(61)) == 1


def test_an_entry_dated_by_a_clock_ahead_has_waited_for_nothing(books: Books) -> None:
    books.book("deposit", DEPOSIT)

    assert sealing_lag.unsealed_for(now=NOON - timedelta(seconds=1)) == timedelta(0)
