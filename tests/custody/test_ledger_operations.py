"""docs/ledger.md shows what the code books: each operation is run, its postings are the table."""

import ast
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest

from custody import operations, pool_transfers
from custody.entry_kinds import REVERSAL, EntryKind
from custody.models import JournalEntry, Redemption
from custody.operations.house_templates import TEMPLATES
from tests import ledger_docs
from tests.bookkeepers import Office
from tests.custody_stories import DOLLAR, TOKEN, House, allow_to_sell, make_house, verify
from tests.ledger_stories import POOL
from tests.parties import CALENDAR, Party, SandboxClock
from tests.servers import ROOT

PRICE_CENTS = 190_00
BY_THE_ENGINE = {EntryKind.TRADE}  # tests/trading/test_trade_postings.py
BROKER = {"key": "CK123", "secret": "a secret"}


class SteadyFeed(BaseHTTPRequestHandler):
    """A price feed on which a share costs 190.00 at any time, with no spread."""

    def do_GET(self) -> None:
        path = urlparse(self.path)
        if path.path == "/v2/price_feeds":
            (base,) = parse_qs(path.query)["query"]
            answer: object = [{"id": "a" * 64, "attributes": {"base": base}}]
        else:
            moment = path.path.rsplit("/", 1)[1]
            price = {"price": str(PRICE_CENTS), "conf": "0", "expo": -2}
            price["publish_time"] = 0 if moment == "latest" else int(moment)
            answer = {"parsed": [{"price": price}]}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not into the test's output."""


@pytest.fixture
def steady_prices() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), SteadyFeed)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def house(
    db: None, node: Party, prices: Party, steady_prices: str, tmp_path: Path
) -> Iterator[House]:
    """The operator's custody at a broker where a share costs 190.00."""
    options = ["--calendar", str(CALENDAR), "--prices", steady_prices]
    options += ["--clock", str(prices.clock_file)]
    broker = Party("custodian", tmp_path, options, **BROKER).start()
    made = make_house(node, broker, SandboxClock(prices), tmp_path, **BROKER)
    yield made
    made.chain.close()
    made.custodian.close()
    broker.kill()


class Day:
    """One of everything that custody books, with the page's amounts."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.alice = house.books.investors["alice"]

    def live(self) -> None:
        self.house.clock.to_closed_market()
        self.deposit_and_take_out()
        self.buy_and_mint()
        self.sell_and_move()
        self.redeem("4", "paid")
        self.redeem("1", "refused", reject=1)
        self.redeem("1", "paid", part=1)
        self.house.clock.to_next_session()
        self.house.sweep_until(lambda: self.is_booked(EntryKind.SALE_SETTLED))

    def deposit_and_take_out(self) -> None:
        house = self.house
        house.faucet(house.address_of("alice").address, "1000")
        house.sweep_until(lambda: self.is_booked(EntryKind.POOL_IN_DONE))
        pool_transfers.request_out(
            investor_id=self.alice.pk,
            asset_id=house.asset_id("USDC"),
            pool=POOL,
            units=1000 * DOLLAR,
            purpose="test",
            key="out",
            now=house.now,
        )
        house.sweep_until(lambda: self.is_booked(EntryKind.POOL_TRANSFER_SWEPT))

    def buy_and_mint(self) -> None:
        house = self.house
        house.prefund(usd=20_000)
        house.receive_shares(100)
        house.mint(100)

    def sell_and_move(self) -> None:
        house = self.house
        operations.allocate_inventory(
            investor_id=self.alice.pk,
            asset_id=house.asset_id("AAPLx"),
            units=5 * TOKEN,
            price_micros=190 * DOLLAR,
            key="primary",
            now=house.now,
        )
        house.clock.advance(minutes=2)
        house.sweep_until(lambda: self.is_booked(EntryKind.TOKENS_MOVED))

    def redeem(self, tokens: str, ends: str, **faults: int) -> None:
        house = self.house
        house.broker.post("/sandbox/custodian/faults", {"reject": 0, "part": 0, **faults})
        units = house.books.units("x AAPLx", tokens)
        redemption = house.redeem("alice", units, key=f"{tokens} {ends}")
        house.clock.to_next_session()
        house.sweep_until(lambda: Redemption.objects.get(id=redemption.id).state == ends)
        house.sweep()  # what went back is in trading again

    @staticmethod
    def is_booked(kind: EntryKind) -> bool:
        return JournalEntry.objects.filter(kind=kind).exists()


def test_custodys_tables_are_what_its_operations_book(house: House) -> None:
    verify(house.books.investors["alice"])
    allow_to_sell(house.books.investors["alice"])

    Day(house).live()

    booked = ledger_docs.booked_by_kind()
    expected = set(EntryKind) - set(TEMPLATES) - BY_THE_ENGINE
    assert set(booked) == {kind.value for kind in expected}
    assert ledger_docs.differences(booked) == []


def test_the_tables_of_house_entries_are_what_two_officers_book(db: None) -> None:
    office = Office()
    books = office.books
    books.give("treasury USDC", "5000")
    books.give("alice main USDC", "1000")
    books.book("earned", {"alice main USDC": "-500", "dust USDC": "+0.05", "fees USDC": "+499.95"})
    wrong = books.book(EntryKind.DEPOSIT, {"chain USDC": "-10", "bob main USDC": "+10"})

    office.book(EntryKind.CAPITAL_PAID_IN, "1000 USD")
    office.book(EntryKind.CAPITAL_ASSIGNED, "600 USD")
    office.book(EntryKind.CAPITAL_WITHDRAWN, "100 USD")
    office.book(EntryKind.FEES_CLOSED, "250 USDC", pool=POOL)
    office.book(EntryKind.DUST_CLOSED, "0.05 USDC")
    office.book(EntryKind.COST_BOOKED, "40 USDC")
    office.book(EntryKind.PROFIT_CARRIED, "200 USDC")
    office.book(EntryKind.LOSS_BOOKED, "30 USDC")
    office.book(EntryKind.LOSS_COVERED, "19.95 USDC")
    office.book(EntryKind.SUSPENSE_BOOKED, "75 USDC")
    office.book(EntryKind.SUSPENSE_RETURNED, "25 USDC")
    office.book(EntryKind.SUSPENSE_ATTRIBUTED, "50 USDC", "alice")
    office.book(EntryKind.DIVIDEND_RECEIVED, "100 USD")
    office.book(EntryKind.TAX_WITHHELD, "15 USD")
    office.book(EntryKind.TAX_REMITTED, "15 USD")
    office.book(EntryKind.DIVIDEND_REINVESTED, "65 USD")
    office.book(EntryKind.DIVIDEND_PAID, "20 USD", "alice")
    office.book(EntryKind.PLEDGE_PLACED, "300 USDC", "alice")
    office.book(EntryKind.PLEDGE_RELEASED, "300 USDC", "alice")
    office.reverse(wrong)

    booked = ledger_docs.booked_by_kind()
    names = {kind.value for kind in TEMPLATES} | {f"{REVERSAL}…"}
    assert names <= set(booked)
    assert ledger_docs.differences({name: booked[name] for name in names}) == []


def test_the_page_shows_every_kind_once_and_no_other() -> None:
    documented = ledger_docs.documented_kinds()

    assert sorted(documented) == sorted(ledger_docs.known_kinds())


def test_nothing_is_posted_under_a_kind_that_is_not_on_the_list() -> None:
    """Entry(...) takes its kind from EntryKind; a reversal takes its original's."""
    sources = [path for app in ("custody", "trading", "platform") for path in modules_of(app)]

    named = [f"{path}:{call.lineno}" for path in sources for call in entries_named_by_text(path)]

    assert len(sources) > 100
    assert named == []


def modules_of(folder: str) -> list[Path]:
    """Without migrations: what they book, they book once."""
    return [path for path in (ROOT / folder).rglob("*.py") if "migrations" not in path.parts]


def entries_named_by_text(path: Path) -> list[ast.Call]:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return [
        call
        for call in calls
        if isinstance(call.func, ast.Name)
        and call.func.id == "Entry"
        and isinstance(call.args[0], ast.Constant | ast.JoinedStr)
    ]
