"""The demo's catalogue: real products with real identifiers."""

import csv

import pytest
from stdnum import cusip, isin

from reference import loading
from reference.loading import CATALOGUE_FILE, MalformedFile, read_catalogue
from reference.models import Instrument
from reference.states import PriceSource

with CATALOGUE_FILE.open(encoding="utf-8") as file:
    ROWS = list(csv.DictReader(file))


def test_it_lists_at_least_sixty_products_among_them_the_well_known():
    tickers = {row["ticker"] for row in ROWS}

    assert len(ROWS) == len(tickers) >= 64
    assert tickers >= {"SPY", "QQQ", "GLD", "AAPL", "MSFT", "GOOG", "IBM", "NVDA", "TSLA"}


@pytest.mark.parametrize("row", ROWS, ids=[row["ticker"] for row in ROWS])
def test_an_isin_has_both_its_check_digits_and_a_source(row):
    assert isin.is_valid(row["isin"])
    assert row["isin"][:2] in {"US", "CA"}
    # A North American ISIN holds a CUSIP, which has a check digit of its own.
    assert cusip.is_valid(row["isin"][2:11])
    assert row["isin_source"]


def test_no_isin_is_used_twice():
    assert len({row["isin"] for row in ROWS}) == len(ROWS)


def test_a_wrong_check_digit_is_refused_with_the_ticker(tmp_path):
    file = tmp_path / "catalogue.csv"
    file.write_text(
        "ticker,name,kind,exchange,isin,isin_source,seed_price_usd\n"
        "AAPL,Apple Inc.,stock,XNAS,US0378331006,nowhere,1.00\n"
    )

    with pytest.raises(MalformedFile, match="AAPL"):
        read_catalogue(file)


def test_loading_twice_changes_nothing_the_second_time(db):
    first = loading.load_catalogue(rows=read_catalogue())
    second = loading.load_catalogue(rows=read_catalogue())

    assert (first, second) == (len(ROWS), 0)
    sources = dict(Instrument.objects.values_list("ticker", "price_source"))
    assert sources["AAPL"] == PriceSource.REPLAY
    assert sources["NVDA"] == PriceSource.SIMULATED
