"""Reading what a feed sends: exact where it is a price, an error where it is not."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.gateways import GatewayUnavailable
from reference.gateways.halts import parse_halts
from reference.gateways.prices import MalformedPrice, PricesGateway, parse_update, to_micros

FEED = "ab" * 32
NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)


def entry(**price):
    fields = {"price": "27012345", "conf": "5400", "expo": -5, "publish_time": 1_795_532_400}
    return {"id": FEED, "price": {**fields, **price}}


@contextmanager
def party_that_says(body: bytes, status: int = 200) -> Iterator[str]:
    """A server that gives one answer to everybody."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_price_becomes_micro_dollars():
    update = parse_update(entry())

    assert update.price_micros == 270_123_450
    assert update.confidence_micros == 54_000
    assert update.published_at == datetime(2026, 11, 24, 15, 0, tzinfo=UTC)


def test_an_id_may_be_written_with_a_prefix():
    assert parse_update({**entry(), "id": f"0x{FEED}"}).feed_id == FEED


@pytest.mark.parametrize(
    "bad",
    [
        entry(price="NaN"),
        entry(price="1e5"),
        entry(price="1.5"),
        entry(price=""),
        entry(price=27012345),
        entry(price="٢٧"),
        entry(conf="Infinity"),
        entry(expo=7),
        entry(expo=-19),
        entry(publish_time=-1),
        entry(publish_time=10**15),
        {"id": "AAPL", "price": entry()["price"]},
        {"id": FEED},
        None,
        [],
    ],
)
def test_what_is_not_a_price_is_an_error(bad):
    with pytest.raises(MalformedPrice):
        parse_update(bad)


@given(st.integers(-(10**18), 10**18), st.integers(-18, 6))
def test_conversion_is_exact_and_cuts_towards_nothing(number, exponent):
    exact = Decimal(number).scaleb(exponent + 6)

    micros = to_micros(str(number), exponent)

    assert micros == int(exact)
    assert abs(Decimal(micros)) <= abs(exact)


@given(st.text(max_size=30))
def test_no_text_makes_the_parser_fail_otherwise(text):
    try:
        micros = to_micros(text, -6)
    except MalformedPrice:
        return
    assert text.isascii()
    assert micros == int(text)


def test_one_unreadable_price_leaves_the_others():
    body = json.dumps({"parsed": [entry(), entry(price="NaN")]}).encode()

    with party_that_says(body) as url, PricesGateway(url) as gateway:
        updates = gateway.latest([FEED])

    assert [each.price_micros for each in updates.prices] == [270_123_450]
    assert len(updates.malformed) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 200), (b"<html>", 200), (b"[]", 200), (b'{"parsed": 1}', 200), (b"{}", 503)],
)
def test_an_answer_that_is_not_hermes_is_no_answer(body, status):
    with (
        party_that_says(body, status) as url,
        PricesGateway(url) as gateway,
        pytest.raises(GatewayUnavailable),
    ):
        gateway.latest([FEED])


def rss(items: str) -> bytes:
    return (
        '<?xml version="1.0"?><rss version="2.0" xmlns:ndaq="http://www.nasdaqtrader.com/">'
        f"<channel>{items}</channel></rss>"
    ).encode()


def halt(code="LUDP", date="11/24/2026", time="09:41:02", resumes=("", "")):
    return (
        f"<item><ndaq:HaltDate>{date}</ndaq:HaltDate><ndaq:HaltTime>{time}</ndaq:HaltTime>"
        f"<ndaq:IssueSymbol>GME</ndaq:IssueSymbol><ndaq:ReasonCode>{code}</ndaq:ReasonCode>"
        f"<ndaq:ResumptionDate>{resumes[0]}</ndaq:ResumptionDate>"
        f"<ndaq:ResumptionTradeTime>{resumes[1]}</ndaq:ResumptionTradeTime></item>"
    )


def test_a_halt_in_force_is_read_with_its_reason():
    (found,) = parse_halts(rss(halt(time="09:41:02.123")), now=NOW)

    assert found.ticker == "GME"
    assert found.reason == "LUDP: volatility pause (limit up, limit down)"
    assert found.halted_at == datetime(2026, 11, 24, 14, 41, 2, tzinfo=UTC)


def test_a_halt_that_has_ended_is_left_out():
    ended = halt(resumes=("11/24/2026", "09:46:02"))
    resuming_later = halt(resumes=("11/24/2026", "10:05:00"))

    assert parse_halts(rss(ended), now=NOW) == []
    assert len(parse_halts(rss(resuming_later), now=NOW)) == 1


def test_an_unknown_code_is_still_a_halt():
    assert parse_halts(rss(halt(code="ZZ9")), now=NOW)[0].reason == "ZZ9"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html></html>",
        b"{}",
        rss(halt(code="")),
        rss(halt(date="24.11.2026")),
        rss(halt(time="")),
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    ],
)
def test_a_halt_that_cannot_be_read_does_not_pass_for_no_halt(content):
    with pytest.raises(GatewayUnavailable):
        parse_halts(content, now=NOW)
