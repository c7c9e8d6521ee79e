"""The sandbox's price paths and the Hermes surface over them."""

import asyncio
import json
import math
from bisect import bisect_right
from datetime import UTC, date, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel import clock
from sandbox import clock as sandbox_clock
from sandbox.price_paths import (
    ANCHOR,
    SPLITS,
    OffCalendar,
    PricePath,
    adjust_for_splits,
    bridge,
    read_days,
    replayed_bars,
    simulated_bars,
)
from sandbox.prices import CALENDAR, CATALOGUE, Market, build_app, events, read_feeds
from tests.asgi_client import AsgiClient

DAYS = read_days(CALENDAR)
REGULAR = datetime(2026, 11, 24, 16, 0, tzinfo=UTC)
SATURDAY = datetime(2026, 11, 28, 16, 0, tzinfo=UTC)


def unix(instant):
    return int(instant.timestamp())


@pytest.fixture(scope="module")
def feeds():
    return read_feeds(CATALOGUE, CALENDAR, seed=7)


@pytest.fixture
def paths(feeds):
    return {feed.ticker: feed.path for feed in feeds}


def all_bars(ticker):
    return replayed_bars(ticker, 10_000)


@pytest.mark.parametrize("ticker", SPLITS)
def test_no_day_of_the_replay_looks_like_a_split(ticker):
    closes = [bar.close for bar in all_bars(ticker)]

    falls = [after / before for before, after in pairwise(closes)]

    # Apple's profit warning of 2000-09-29 was a real fall of 52 %; nothing else comes near.
    real = 1 if ticker == "AAPL" else 0
    assert sum(fall < 0.62 for fall in falls) == real
    assert max(falls) < 1.5


def test_a_close_before_two_splits_is_divided_by_both():
    raw_first_close, last_close = 130.31, 430.47

    bars = all_bars("AAPL")

    assert bars[0].close == pytest.approx(raw_first_close / 4)
    assert bars[-1].close == last_close


def test_the_day_of_the_split_is_already_in_new_shares():
    before, after = all_bars("MSFT")[0], all_bars("MSFT")[-1]
    adjusted = adjust_for_splits([("2003-02-14", before), ("2003-02-18", after)], SPLITS["MSFT"])

    assert adjusted[0].close == before.close / 2
    assert adjusted[1] == after


def test_every_trading_day_has_a_real_bar(paths):
    assert all(len(paths[ticker].bars) == len(DAYS) for ticker in SPLITS)


def test_a_replayed_day_opens_and_closes_as_it_did_and_stays_in_its_range(paths):
    index = [day.date for day in DAYS].index(date(2026, 11, 24))
    day, path = DAYS[index], paths["IBM"]
    bar = path.bars[index]

    prices = [path.price_at(second)[0] for second in range(day.open, day.close + 1, 97)]

    assert path.price_at(day.open)[0] == pytest.approx(bar.open)
    assert path.price_at(day.close)[0] == pytest.approx(bar.close)
    assert bar.low - 1e-9 <= min(prices) < max(prices) <= bar.high + 1e-9


def test_a_simulated_walk_passes_through_its_seed_price():
    bars = simulated_bars("7/SPY", DAYS, seed_price=680.0, kind="etf")

    anchor = bisect_right([day.date for day in DAYS], ANCHOR) - 1
    assert bars[anchor].close == pytest.approx(680.0)


def test_the_same_seed_gives_the_same_prices_and_another_does_not(feeds, paths):
    again = {feed.ticker: feed.path for feed in read_feeds(CATALOGUE, CALENDAR, seed=7)}
    other = {feed.ticker: feed.path for feed in read_feeds(CATALOGUE, CALENDAR, seed=8)}
    instant = unix(REGULAR)

    assert len(feeds) >= 64
    assert all(again[t].price_at(instant) == paths[t].price_at(instant) for t in paths)
    assert all(other[t].price_at(instant) != paths[t].price_at(instant) for t in paths)


def test_prices_stand_still_over_the_weekend_and_go_on_from_there(paths):
    friday_end = unix(datetime(2026, 11, 27, 22, 0, tzinfo=UTC))
    sunday_open = unix(datetime(2026, 11, 30, 1, 0, tzinfo=UTC))
    path = paths["TSLA"]
    last, published = path.price_at(friday_end)

    assert published == friday_end
    assert path.price_at(unix(SATURDAY)) == (last, friday_end)
    assert path.price_at(sunday_open - 1) == (last, friday_end)
    assert path.price_at(sunday_open)[0] == pytest.approx(last)
    assert path.price_at(sunday_open + 3600)[0] != pytest.approx(last)


@given(second=st.integers(DAYS[1].open, DAYS[-3].close))
def test_a_price_never_jumps_from_one_second_to_the_next(second):
    path = PricePath("7/GLD", DAYS, GLD_BARS)

    (before, published), (after, later) = path.price_at(second), path.price_at(second + 1)

    assert abs(math.log(after / before)) < 0.01
    assert published <= later <= second + 1


GLD_BARS = simulated_bars("7/GLD", DAYS, seed_price=385.0, kind="etf")


@given(st.floats(0, 1), st.floats(1, 1e4), st.floats(1, 1e4))
def test_a_bridge_is_positive_and_ends_where_it_should(share, start, end):
    assert bridge("any", start, end, 0.02, share) > 0
    assert bridge("any", start, end, 0.02, 0.0) == pytest.approx(start)
    assert bridge("any", start, end, 0.02, 1.0) == pytest.approx(end)


def test_beyond_the_calendar_there_is_no_price(paths):
    with pytest.raises(OffCalendar):
        paths["AAPL"].price_at(DAYS[-1].post_close)
    with pytest.raises(OffCalendar):
        paths["AAPL"].next_published(0)


@pytest.fixture
def at_time(tmp_path):
    """Let the kernel's clock stand at about an instant, real time onwards."""
    file = tmp_path / "clock.json"

    def stand(instant):
        offset = (instant - datetime.now(UTC)).total_seconds()
        sandbox_clock.write_json(file, {"offset_seconds": offset})
        clock.configure(file)

    yield stand
    clock.configure(None)


@pytest.fixture
def http(feeds, tmp_path, at_time):
    at_time(REGULAR)
    return AsgiClient(build_app(Market(feeds, tmp_path)))


def latest(http, feeds, ticker):
    feed_id = next(feed.feed_id for feed in feeds if feed.ticker == ticker)
    answer = http.get("/v2/updates/price/latest", params={"ids[]": feed_id, "parsed": "true"})
    assert answer.status_code == 200
    (entry,) = answer.json()["parsed"]
    assert entry["id"] == feed_id
    return entry["price"]


def test_an_entry_has_the_shape_of_hermes(http, feeds):
    price = latest(http, feeds, "AAPL")

    assert set(price) == {"price", "conf", "expo", "publish_time"}
    assert (type(price["price"]), type(price["conf"]), price["expo"]) == (str, str, -5)
    assert 0 <= price["publish_time"] - unix(REGULAR) < 30


def test_the_list_of_feeds_names_symbols_and_says_what_the_prices_are(http):
    answer = http.get("/v2/price_feeds", params={"query": "aapl", "asset_type": "equity"}).json()

    assert [each["attributes"]["symbol"] for each in answer] == ["Equity.US.AAPL/USD"]
    assert "HISTORICAL REPLAY" in answer[0]["attributes"]["description"]
    assert http.get("/v2/price_feeds", params={"asset_type": "crypto"}).json() == []


def test_unknown_ids_are_refused_unless_they_may_be_ignored(http, feeds):
    ids = ["00" * 32, feeds[0].feed_id]

    refused = http.get("/v2/updates/price/latest", params={"ids[]": ids})
    ignored = http.get(
        "/v2/updates/price/latest",
        params={"ids[]": ids, "ignore_invalid_price_ids": "true"},
    )

    assert refused.status_code == 404
    assert [entry["id"] for entry in ignored.json()["parsed"]] == [feeds[0].feed_id]
    assert http.get("/v2/updates/price/latest").status_code == 400


def test_the_price_at_a_past_close_can_be_asked_for(http, feeds):
    closed_at = unix(datetime(2026, 11, 23, 21, 0, tzinfo=UTC))

    answer = http.get(f"/v2/updates/price/{closed_at}", params={"ids[]": feeds[0].feed_id})
    future = http.get(f"/v2/updates/price/{2 * 10**9}", params={"ids[]": feeds[0].feed_id})

    assert answer.json()["parsed"][0]["price"]["publish_time"] == closed_at
    assert future.status_code == 404


def test_a_halted_ticker_is_in_the_halts_feed_and_not_published(http, feeds):
    http.post("/sandbox/halt", json={"ticker": "GME", "code": "LUDP"}).raise_for_status()
    before = latest(http, feeds, "GME")

    document = http.get("/rss.aspx", params={"feed": "tradehalts"}).text
    assert "<ndaq:IssueSymbol>GME</ndaq:IssueSymbol>" in document
    assert "<ndaq:ReasonCode>LUDP</ndaq:ReasonCode>" in document

    http.post("/sandbox/halt", json={"ticker": "GME", "code": None}).raise_for_status()
    assert "GME" not in http.get("/rss.aspx", params={"feed": "tradehalts"}).text
    assert latest(http, feeds, "GME")["publish_time"] >= before["publish_time"]


def test_a_stale_feed_repeats_its_last_price(http, feeds, at_time):
    http.post("/sandbox/stale", json={"ticker": "*"}).raise_for_status()
    frozen = latest(http, feeds, "QQQ")
    at_time(REGULAR.replace(hour=17))

    assert latest(http, feeds, "QQQ") == frozen

    http.post("/sandbox/stale", json={"ticker": "*", "stale": False}).raise_for_status()
    assert latest(http, feeds, "QQQ")["publish_time"] > frozen["publish_time"]


def test_knobs_survive_a_restart(http, feeds, tmp_path):
    http.post("/sandbox/halt", json={"ticker": "GME"}).raise_for_status()

    assert Market(feeds, tmp_path).knobs.halts["GME"]["code"] == "T1"


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"ticker": "NOPE"}', b'{"ticker": ["AAPL"]}', b"\xff"]
)
def test_a_knob_turned_wrongly_is_refused(http, body):
    answer = http.post("/sandbox/halt", content=body)

    assert answer.status_code in {400, 422}


def test_the_stream_sends_events_of_the_same_shape(feeds, tmp_path, at_time):
    at_time(REGULAR)

    async def first() -> str:
        async for event in events(Market(feeds, tmp_path), feeds[:2]):
            return event
        raise AssertionError("the stream ended")

    event = asyncio.run(first())

    assert event.startswith("data:")
    assert event.endswith("\n\n")
    assert len(json.loads(event.removeprefix("data:"))["parsed"]) == 2
