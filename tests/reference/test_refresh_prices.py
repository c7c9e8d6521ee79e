"""Reference prices from the sandbox's feed, over the real wire."""

from datetime import timedelta

import pytest

from kernel.gateways import GatewayUnavailable
from reference import loading, operations
from reference.gateways.prices import PricesGateway
from reference.models import Instrument, ReferencePrice, ReferenceTick
from reference.queries import get_reference_price, list_reference_prices, list_ticks
from reference.sessions import session_at
from reference.states import PriceSource, Session


@pytest.fixture(autouse=True)
def catalogue(db):
    loading.load_catalogue(rows=loading.read_catalogue())


def refresh(party):
    with party.prices() as prices, party.halts() as halts:
        return operations.refresh_prices(prices=prices, halts=halts, now=party.now())


def view_of(ticker, party):
    instrument = Instrument.objects.get(ticker=ticker)
    return get_reference_price(instrument_id=instrument.id, now=party.now())


def step_into_regular_hours(party):
    party.step_to(session_at(party.now()).next_regular_open_at + timedelta(hours=1))


def step_into_a_weekend(party):
    while session_at(party.now()).session != Session.WEEKEND:
        party.step_to(session_at(party.now()).next_change_at + timedelta(seconds=30))


def test_before_the_first_price_nothing_is_known(feed_party):
    view = view_of("AAPL", feed_party)

    assert view.price_per_share_micros is None
    assert view.age_seconds is None
    assert view.is_stale
    assert not view.is_usable


def test_all_instruments_get_a_fresh_price_and_yesterdays_close(feed_party):
    step_into_regular_hours(feed_party)

    recorded = refresh(feed_party)

    views = list_reference_prices(now=feed_party.now()).values()
    assert recorded.accepted == len(views) == Instrument.objects.count()
    assert recorded.refused == {}
    assert all(view.is_usable and view.age_seconds <= 5 for view in views)
    assert all(view.session == Session.REGULAR for view in views)
    assert ReferencePrice.objects.filter(previous_close_micros=None).count() == 0
    assert view_of("AAPL", feed_party).source == PriceSource.REPLAY


def test_prices_move_and_history_keeps_one_a_minute(feed_party):
    step_into_regular_hours(feed_party)
    refresh(feed_party)
    before = view_of("TSLA", feed_party)
    feed_party.step(70)

    refresh(feed_party)

    after = view_of("TSLA", feed_party)
    assert after.price_per_share_micros != before.price_per_share_micros
    assert after.published_at > before.published_at
    ticks = list_ticks(instrument_id=after.instrument_id, since=before.published_at)
    assert [tick.published_at for tick in ticks] == [before.published_at, after.published_at]


def test_halted_and_stale_are_two_things(feed_party):
    step_into_regular_hours(feed_party)
    refresh(feed_party)
    feed_party.halt("NVDA", "T1")
    feed_party.freeze("MSFT")
    refresh(feed_party)

    halted = view_of("NVDA", feed_party)
    assert halted.is_halted
    assert halted.halt_reason == "T1: news pending"
    assert not halted.is_stale
    assert not view_of("MSFT", feed_party).is_halted

    feed_party.step(90)
    refresh(feed_party)

    assert view_of("MSFT", feed_party).is_stale
    assert view_of("MSFT", feed_party).price_per_share_micros is not None
    assert view_of("AAPL", feed_party).is_usable

    feed_party.halt("NVDA", None)
    refresh(feed_party)

    assert view_of("NVDA", feed_party).is_usable


def test_on_a_weekend_the_reference_is_the_last_regular_close_and_not_stale(feed_party):
    step_into_regular_hours(feed_party)
    refresh(feed_party)
    step_into_a_weekend(feed_party)

    refresh(feed_party)

    closed_at = session_at(feed_party.now()).last_regular_close_at
    row = ReferencePrice.objects.get(instrument__ticker="SPY")
    view = view_of("SPY", feed_party)
    assert view.session == Session.WEEKEND
    assert view.published_at == closed_at
    assert view.price_per_share_micros == row.regular_close_micros != row.price_per_share_micros
    assert not view.is_stale

    before = (row.price_per_share_micros, row.published_at)
    feed_party.step(3600)
    refresh(feed_party)

    row.refresh_from_db()
    assert (row.price_per_share_micros, row.published_at) == before


def test_closing_prices_are_asked_for_once(feed_party):
    step_into_regular_hours(feed_party)
    refresh(feed_party)

    assert operations.list_missing_closes(now=feed_party.now()) == {}

    feed_party.step_to(session_at(feed_party.now()).next_change_at + timedelta(seconds=30))
    refresh(feed_party)
    closed_at = session_at(feed_party.now()).last_regular_close_at

    closes = set(ReferencePrice.objects.values_list("regular_close_at", flat=True))
    assert closes == {closed_at}
    assert operations.list_missing_closes(now=feed_party.now()) == {}


def test_a_feed_that_does_not_answer_leaves_the_old_price(feed_party):
    step_into_regular_hours(feed_party)
    refresh(feed_party)
    count = ReferencePrice.objects.count()

    with (
        PricesGateway("http://127.0.0.1:9", timeout_seconds=1) as dead,
        pytest.raises(GatewayUnavailable),
    ):
        operations.refresh_prices(prices=dead, halts=None, now=feed_party.now())

    assert ReferencePrice.objects.count() == count


def test_old_history_is_pruned(feed_party):
    step_into_regular_hours(feed_party)
    refresh(feed_party)
    later = feed_party.now() + operations.TICKS_KEPT + timedelta(minutes=1)

    assert operations.prune_ticks(now=feed_party.now()) == 0
    assert operations.prune_ticks(now=later) == Instrument.objects.count()
    assert ReferenceTick.objects.count() == 0
