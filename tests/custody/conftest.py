"""After every test that could have moved value, the ledger must still add up."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from custody import sealing
from custody.verification.ledger_checks import (
    balances_are_their_postings,
    entries_are_balanced,
    entries_say_what_they_hash,
)
from custody.verification.snapshots import snapshot
from tests.custody_stories import House, make_house
from tests.ledger_stories import Books
from tests.parties import CALENDAR, Party, SandboxClock

BROKER = {"key": "CK123", "secret": "a secret"}


def assert_ledger_balances() -> None:
    with snapshot(), connection.cursor() as cursor:
        for check in (
            entries_say_what_they_hash,
            entries_are_balanced,
            balances_are_their_postings,
        ):
            assert [str(difference) for difference in check(cursor)] == []


@pytest.fixture(autouse=True)
def _ledger_balances_afterwards(request: pytest.FixtureRequest) -> Iterator[None]:
    """A module that tampers on purpose says LEDGER_IS_TAMPERED_WITH = True."""
    database = {"db", "cloned_database"} & set(request.fixturenames)
    for name in database:
        request.getfixturevalue(name)  # first set up, so last torn down
    yield
    if database and not getattr(request.module, "LEDGER_IS_TAMPERED_WITH", False):
        assert_ledger_balances()


@pytest.fixture(scope="session")
def party_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all parties of a worker, so that they share a clock."""
    return tmp_path_factory.mktemp("parties")


@pytest.fixture(scope="session")
def prices(party_folder: Path) -> Iterator[Party]:
    party = Party("prices", party_folder, []).start()
    yield party
    party.kill()


@pytest.fixture(scope="session")
def node(party_folder: Path) -> Iterator[Party]:
    """A fast chain: 20 ms a slot, final after 8."""
    party = Party("chain", party_folder, ["--slot-ms", "20", "--final-slots", "8"]).start()
    yield party
    party.kill()


@pytest.fixture(scope="module")
def slow_node(party_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Party]:
    """A chain whose blocks can be abandoned for six seconds; tests advance time to finality."""
    options = ["--slot-ms", "100", "--final-slots", "64"]
    options += ["--clock", str(party_folder / "clock.json")]
    party = Party("chain", tmp_path_factory.mktemp("slow"), options).start()
    yield party
    party.kill()


@pytest.fixture
def broker(prices: Party, tmp_path: Path) -> Iterator[Party]:
    """A custodian with empty books: a test's database is empty too."""
    options = ["--calendar", str(CALENDAR), "--prices", prices.url]
    options += ["--clock", str(prices.clock_file)]
    party = Party("custodian", tmp_path, options, **BROKER).start()
    yield party
    party.kill()


@pytest.fixture
def house(db: None, node: Party, broker: Party, prices: Party, tmp_path: Path) -> Iterator[House]:
    """The operator's custody over running parties, with keys of its own."""
    none = dict.fromkeys(("drop", "delay", "delay_slots", "lose_answers", "lag_slots"), 0)
    node.post("/sandbox/chain/faults", none)
    made = make_house(node, broker, SandboxClock(prices), tmp_path, **BROKER)
    yield made
    made.chain.close()
    made.custodian.close()


@pytest.fixture
def slow_house(
    db: None, slow_node: Party, broker: Party, prices: Party, tmp_path: Path
) -> Iterator[House]:
    """As `house`, on the slow chain."""
    made = make_house(slow_node, broker, SandboxClock(prices), tmp_path, **BROKER)
    yield made
    made.chain.close()
    made.custodian.close()


@pytest.fixture
def books(cloned_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Books:
    """Books that are committed, with a var folder of their own for keys and seals."""
    monkeypatch.setattr(settings, "VAR_DIR", tmp_path)
    monkeypatch.setenv("BOURSE_VAR_DIR", str(tmp_path))  # for processes that the test starts
    return Books()


@pytest.fixture
def sealer(books: Books) -> sealing.Sealer:
    """A sealer of these books, started."""
    sealer = sealing.sealer()
    sealer.start()
    return sealer
