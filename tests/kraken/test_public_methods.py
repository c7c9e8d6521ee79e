"""The public half: names echoed as sent, Kraken's envelope, pages of trades."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from kernel.ids import uuid7
from tests.partners import KrakenClient
from trading.models import Trade

FORM = "application/x-www-form-urlencoded"
START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


def make_trade(venue: Any, number: int, at: datetime, price: int = 100_000_000) -> None:
    Trade.objects.create(
        id=uuid7(),
        listing=venue.listing,
        trade_no=number,
        price_units=price,
        quantity_units=50_000_000,
        cash_units=price // 2,
        maker_order_id=uuid7(),
        taker_order_id=uuid7(),
        buyer_id=1,
        seller_id=2,
        taker_side="buy",
        maker_fee_units=0,
        taker_fee_units=0,
        batch_no=1,
        traded_at=at,
    )


def test_tokenized_pairs_are_listed_without_asking_for_them(venue: Any) -> None:
    errors, pairs = KrakenClient().public("AssetPairs")

    assert errors == []
    pair = pairs["AAPLxUSDC"]
    assert (pair["wsname"], pair["base"], pair["quote"], pair["altname"]) == (
        "AAPLx/USDC",
        "AAPLx",
        "USDC",
        "AAPLxUSDC",
    )
    assert (pair["pair_decimals"], pair["lot_decimals"], pair["tick_size"]) == (2, 6, "0.01")
    assert (pair["fees"], pair["fees_maker"]) == ([[0, 0.25]], [[0, 0.1]])
    assert KrakenClient().public("AssetPairs", aclass_base="tokenized_asset") == (errors, pairs)


def test_a_pair_is_matched_in_any_case_and_echoed_in_the_client_s_spelling(venue: Any) -> None:
    spellings = {
        "AAPLX/USDC": "AAPLX/USDC",
        "AAPLx/USDC": "AAPLx/USDC",
        "aaplxusdc": "AAPLxUSDC",
        "AAPLxUSDC": "AAPLxUSDC",
    }
    for asked, key in spellings.items():
        for method in ("AssetPairs", "Ticker", "Depth", "Trades"):
            errors, result = KrakenClient().public(method, pair=asked)
            assert errors == []
            assert key in result, (asked, method)


def test_unknown_names_get_kraken_s_words_and_http_200(venue: Any) -> None:
    kraken = KrakenClient()

    assert kraken.public("Depth", pair="NOPE/USDC")[0] == ["EQuery:Unknown asset pair"]
    assert kraken.public("Assets", asset="NOPE")[0] == ["EQuery:Unknown asset"]
    assert kraken.public("NoSuchMethod")[0] == ["EGeneral:Unknown method"]
    assert kraken.public("OHLC", pair="AAPLxUSDC", interval="7")[0] == [
        "EGeneral:Invalid arguments:interval"
    ]
    assert Client().get("/0/what/ever").json() == {"error": ["EGeneral:Unknown method"]}


def test_public_methods_are_posted_too(venue: Any) -> None:
    form = "application/x-www-form-urlencoded"
    client = Client(enforce_csrf_checks=True)

    answer = client.post("/0/public/Depth", "pair=AAPLxUSDC", content_type=form)

    assert answer.json()["error"] == []


def test_pages_of_trades_never_lose_the_trades_of_one_instant(venue: Any) -> None:
    for number in range(1, 8):
        # A batch books many trades at one time: 1, 2-5, 6, 7.
        at = START + timedelta(seconds=0 if number == 1 else 1 if number < 6 else number)
        make_trade(venue, number, at)
    seen: list[int] = []
    since = "0"
    for _ in range(6):
        _, result = KrakenClient().public("Trades", pair="AAPLxUSDC", since=since, count="2")
        seen += [row[6] for row in result["AAPLxUSDC"]]
        assert len(result["last"]) == 19
        since = result["last"]

    assert seen == [1, 2, 3, 4, 5, 6, 7]


def test_since_in_seconds_means_later_than(venue: Any) -> None:
    make_trade(venue, 1, START)
    make_trade(venue, 2, START + timedelta(seconds=10))

    since = str(int(START.timestamp()) + 1)
    _, result = KrakenClient().public("Trades", pair="AAPLxUSDC", since=since)

    assert [row[6] for row in result["AAPLxUSDC"]] == [2]
    assert result["AAPLxUSDC"][0][:2] == ["100.00", "0.50000000"]


def test_candles_carry_the_close_over_intervals_without_trades(venue: Any) -> None:
    from kernel import clock

    now = clock.now()
    minute = now.replace(second=0, microsecond=0)
    make_trade(venue, 1, minute - timedelta(minutes=3), price=100_000_000)
    make_trade(venue, 2, minute - timedelta(minutes=1), price=110_000_000)

    _, result = KrakenClient().public("OHLC", pair="AAPLxUSDC", interval="1")

    rows = result["AAPLxUSDC"]
    closes = {row[0]: (row[4], row[7]) for row in rows}
    start = int(minute.timestamp())
    assert closes[start - 180] == ("100.00", 1)
    assert closes[start - 120] == ("100.00", 0)
    assert closes[start - 60] == ("110.00", 1)
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert result["last"] == rows[-2][0]


def test_a_ticker_without_trades_today_stands_at_the_last_price(venue: Any) -> None:
    make_trade(venue, 1, START, price=123_450_000)

    _, result = KrakenClient().public("Ticker")

    ticker = result["AAPLxUSDC"]
    assert (ticker["c"][0], ticker["h"], ticker["l"], ticker["o"]) == (
        "123.45",
        ["123.45"] * 2,
        ["123.45"] * 2,
        "123.45",
    )
    assert ticker["v"] == ["0.00000000"] * 2


def test_time_and_status_are_told(db: None) -> None:
    assert KrakenClient().public("SystemStatus")[1]["status"] == "online"
    assert isinstance(KrakenClient().public("Time")[1]["unixtime"], int)


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("Depth", {"pair": "AAPLx\0USDC"}),
        ("Trades", {"pair": "AAPLxUSDC", "since": "9" * 40}),
        ("Trades", {"pair": "AAPLxUSDC", "since": "9" * 5_000}),
        ("Trades", {"pair": "AAPLxUSDC", "since": "nan"}),
        ("OHLC", {"pair": "AAPLxUSDC", "since": "-1e308"}),
        ("Depth", {"pair": "AAPLxUSDC", "count": "1e3"}),
        ("Depth", {"pair": "AAPLxUSDC", "count": "\u0663"}),  # an Arabic three
    ],
)
def test_what_cannot_be_read_is_refused_in_kraken_s_words(
    venue: Any, method: str, parameters: dict[str, str]
) -> None:
    posted = Client().post(f"/0/public/{method}", urlencode(parameters), content_type=FORM)

    assert posted.status_code == 200
    assert posted.json()["error"][0].startswith("EGeneral:Invalid arguments")


@pytest.mark.parametrize("body", [b"[" * 60_000, b'{"a":' * 10_000, b'{"pair": "\\ud800"}'])
def test_json_that_nobody_writes_is_refused(venue: Any, body: bytes) -> None:
    answer = Client().post("/0/public/Depth", body, content_type="application/json")

    assert answer.json() == {"error": ["EGeneral:Invalid arguments"]}


def test_a_body_larger_than_any_request_is_refused(venue: Any) -> None:
    answer = Client().post("/0/public/Depth", b"pair=" + b"A" * 70_000, content_type=FORM)

    assert answer.json() == {"error": ["EGeneral:Invalid arguments"]}
