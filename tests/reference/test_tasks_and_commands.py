"""What the worker and the operator call."""

import logging
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from kernel import clock
from reference import loading, tasks
from reference.loading import feed_id_of
from reference.models import Instrument, ReferencePrice, TradingDay
from reference.sessions import session_at
from reference.states import PriceSource


@pytest.fixture
def follow(feed_party, tmp_path, monkeypatch):
    """The product's clock and settings follow the running feed."""
    clock.configure(tmp_path / "clock.json")
    monkeypatch.setattr(settings.ENV, "prices_url", feed_party.url)
    yield feed_party
    clock.configure(None)


def test_a_poll_records_prices_by_the_products_own_clock(db, follow):
    loading.load_catalogue(rows=loading.read_catalogue())
    follow.step_to(session_at(follow.now()).next_regular_open_at)
    follow.step(60)

    tasks.poll_prices()

    ages = [clock.now() - row.published_at for row in ReferencePrice.objects.all()]
    assert len(ages) == Instrument.objects.count()
    assert max(ages).total_seconds() < 10


def test_a_poll_without_a_feed_is_a_warning_and_not_a_crash(db, monkeypatch, caplog):
    loading.load_catalogue(rows=loading.read_catalogue())
    monkeypatch.setattr(settings.ENV, "prices_url", "http://127.0.0.1:9")

    with caplog.at_level(logging.WARNING, logger="reference.tasks"):
        tasks.poll_prices()

    assert "price feed" in caplog.text


def test_the_schedule_names_tasks_that_exist():
    names = {entry["task"] for entry in tasks.BEAT_SCHEDULE.values()}

    assert names == {tasks.poll_prices.name, tasks.prune_ticks.name}


def test_loading_the_calendar_again_corrects_rows_in_place(db):
    TradingDay.objects.filter(date="2026-11-27").update(is_early_close=False)
    count = TradingDay.objects.count()

    call_command("load_calendar", stdout=StringIO())

    assert TradingDay.objects.get(date="2026-11-27").is_early_close
    assert TradingDay.objects.count() == count == 1255


@pytest.mark.parametrize("command", ["load_calendar", "load_countries", "load_catalogue"])
def test_a_file_that_is_not_there_or_not_right_is_named(db, command, tmp_path):
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("date,country,ticker\n2026-13-01,DE,AAPL\n")

    for file in (wrong, tmp_path / "missing.csv"):
        with pytest.raises(CommandError, match=str(file)):
            call_command(command, file=file)


def test_a_real_feeds_ids_are_taken_by_symbol(db, follow):
    loading.load_catalogue(rows=loading.read_catalogue())
    Instrument.objects.filter(ticker="AAPL").update(price_feed_id="ef" * 32)
    Instrument.objects.filter(ticker="SPY").update(ticker="NOPE")
    said = StringIO()

    call_command("link_price_feeds", stdout=said)

    apple = Instrument.objects.get(ticker="AAPL")
    assert (apple.price_feed_id, apple.price_source) == (feed_id_of("AAPL"), PriceSource.LIVE)
    assert "not in the feed: NOPE" in said.getvalue()
