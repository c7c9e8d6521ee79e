"""What the database refuses, whoever asks: raw SQL past all our code."""

from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import errors

from custody import ledger
from tests import servers
from tests.ledger_stories import NOON, POOL, Books

HASH = "decode(repeat('00', 32), 'hex')"
INSERT_ENTRY: LiteralString = f"""
    INSERT INTO custody_journalentry (id, kind, key, reference, content_hash, created_at)
    VALUES (%s, 'forged', %s, '', {HASH}, now())
"""
INSERT_LINES: LiteralString = """
    INSERT INTO custody_posting (entry_id, line_no, account_id, units)
    VALUES (%(entry)s, 1, %(gives)s, -%(units)s), (%(entry)s, 2, %(gains)s, %(units)s)
"""
FORGED_ID = 7


class Story:
    """A booked deposit, and the ways in past our code: as the application, as the owner."""

    def __init__(self, app_url: str) -> None:
        self.app_url = app_url
        self.books = Books()
        self.entry_id = self.books.book(
            "deposit", {"chain USDC": "-100", "alice main USDC": "+100"}
        )
        self.chain = self.books.account_id("chain USDC")
        self.alice = self.books.account_id("alice main USDC")
        self.bob = self.books.account_id("bob main USDC")

    def as_app(self, *statements: tuple[LiteralString, Any]) -> None:
        self._run(self.app_url, statements)

    def as_owner(self, *statements: tuple[LiteralString, Any]) -> None:
        name = self.app_url.rsplit("/", 1)[1].split("?")[0]
        self._run(servers.database_url(servers.OWNER_ROLE, name), statements)

    def _run(self, url: str, statements: tuple[tuple[LiteralString, Any], ...]) -> None:
        with psycopg.connect(url) as connection:
            for statement, params in statements:
                connection.execute(statement, params)


@pytest.fixture
def story(cloned_database: str) -> Story:
    return Story(cloned_database)


def forged(gives: int, gains: int, units: int = 1) -> dict[str, int]:
    return {"entry": FORGED_ID, "gives": gives, "gains": gains, "units": units}


def constraint(caught: pytest.ExceptionInfo[psycopg.Error]) -> str | None:
    return caught.value.diag.constraint_name


def test_a_lonely_posting_is_refused(story: Story) -> None:
    with pytest.raises(errors.CheckViolation) as caught:
        story.as_app(
            (INSERT_ENTRY, [FORGED_ID, "k"]),
            (
                "INSERT INTO custody_posting (entry_id, line_no, account_id, units)"
                " VALUES (%s, 1, %s, 5)",
                [FORGED_ID, story.alice],
            ),
        )

    assert constraint(caught) == "entry_is_balanced"


def test_an_overdraft_is_refused(story: Story) -> None:
    with pytest.raises(errors.CheckViolation) as caught:
        story.as_app(
            (INSERT_ENTRY, [FORGED_ID, "k"]),
            (INSERT_LINES, forged(story.bob, story.alice)),
        )

    assert constraint(caught) == "ledger_account_holds_are_covered"


def test_an_outside_party_never_owes_more_than_it_got(story: Story) -> None:
    with pytest.raises(errors.CheckViolation) as caught:
        story.as_app(
            (INSERT_ENTRY, [FORGED_ID, "k"]),
            (INSERT_LINES, forged(story.alice, story.chain, 100_000_001)),
        )

    assert constraint(caught) == "ledger_account_holds_are_covered"


def test_a_late_posting_to_an_old_entry_is_refused(story: Story) -> None:
    with pytest.raises(errors.CheckViolation) as caught:
        story.as_app(
            (
                "INSERT INTO custody_posting (entry_id, line_no, account_id, units)"
                " VALUES (%(entry)s, 3, %(gives)s, -1), (%(entry)s, 4, %(gains)s, 1)",
                {"entry": story.entry_id, "gives": story.alice, "gains": story.bob},
            )
        )

    assert constraint(caught) == "posting_comes_with_its_entry"


def test_a_second_insert_of_postings_is_refused_even_in_the_entrys_transaction(
    story: Story,
) -> None:
    with pytest.raises(errors.CheckViolation) as caught:
        story.as_app(
            (INSERT_ENTRY, [FORGED_ID, "k"]),
            (INSERT_LINES, forged(story.alice, story.bob)),
            (
                "INSERT INTO custody_posting (entry_id, line_no, account_id, units)"
                " VALUES (7, 3, %(gives)s, -1), (7, 4, %(gains)s, 1)",
                forged(story.alice, story.bob),
            ),
        )

    assert constraint(caught) == "posting_comes_with_its_entry"


def test_a_posting_without_an_entry_is_refused(story: Story) -> None:
    with pytest.raises(errors.CheckViolation) as caught:
        story.as_app((INSERT_LINES, forged(story.alice, story.bob)))

    assert constraint(caught) == "posting_comes_with_its_entry"


def test_a_line_of_nothing_is_refused(story: Story) -> None:
    with pytest.raises(errors.CheckViolation) as caught:
        story.as_app(
            (INSERT_ENTRY, [FORGED_ID, "k"]),
            (INSERT_LINES, forged(story.alice, story.bob, 0)),
        )

    assert constraint(caught) == "posting_units_are_not_zero"


def test_units_beyond_bigint_are_refused(story: Story) -> None:
    with pytest.raises(errors.NumericValueOutOfRange):
        story.as_app(
            (INSERT_ENTRY, [FORGED_ID, "k"]),
            (INSERT_LINES, forged(story.chain, story.alice, 2**63 - 1)),
        )


def test_a_second_entry_with_a_key_is_refused(story: Story) -> None:
    with pytest.raises(errors.UniqueViolation) as caught:
        story.as_app((INSERT_ENTRY, [FORGED_ID, "k"]), (INSERT_ENTRY, [FORGED_ID + 1, "k"]))

    assert constraint(caught) == "journal_entry_key_is_unique"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE custody_posting SET units = units + 1",
        "DELETE FROM custody_posting",
        "TRUNCATE custody_posting",
        "UPDATE custody_journalentry SET kind = 'gift'",
        "DELETE FROM custody_journalentry",
        "TRUNCATE custody_journalentry",
        "DELETE FROM custody_seal",
        "TRUNCATE custody_seal",
        "DELETE FROM custody_ledgeraccount",
        "UPDATE custody_ledgeraccount SET posted_units = posted_units + 1",
        "UPDATE custody_ledgeraccount SET owner_id = NULL",
        "INSERT INTO custody_ledgeraccount (asset_id, purpose, pool, posted_units)"
        " SELECT asset_id, 'dust', 0, 5 FROM custody_ledgeraccount LIMIT 1",
        "INSERT INTO custody_journalentry"
        " (id, kind, key, reference, content_hash, created_at, xid)"
        " SELECT 8, kind, 'other', '', content_hash, now(), '9' FROM custody_journalentry",
        "ALTER TABLE custody_posting DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "UPDATE custody_assetevent SET name = 'x'",
        "DELETE FROM custody_assetevent",
    ],
)
def test_the_application_may_not_touch_history_or_balances(
    story: Story, statement: LiteralString
) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        story.as_app((statement, None))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE custody_posting SET units = units + 1",
        "DELETE FROM custody_journalentry",
        "TRUNCATE custody_posting",
        "TRUNCATE custody_seal CASCADE",
        "TRUNCATE custody_ledgeraccount CASCADE",
    ],
)
def test_not_even_the_tables_owner_changes_history(story: Story, statement: LiteralString) -> None:
    with pytest.raises(errors.CheckViolation) as caught:
        story.as_owner((statement, None))

    assert constraint(caught) == "history_is_append_only"


def test_held_units_stay_within_what_is_posted(story: Story) -> None:
    for held in (-1, 100_000_001):
        with pytest.raises(errors.CheckViolation) as caught:
            story.as_app(
                (
                    "UPDATE custody_ledgeraccount SET held_units = %s WHERE id = %s",
                    [held, story.alice],
                )
            )
        assert constraint(caught) == "ledger_account_holds_are_covered"


def test_a_loss_is_booked_and_a_result_is_never_held(story: Story) -> None:
    story.books.book("profit", {"alice main USDC": "-5", "result USDC": "+5"})
    result = story.books.account_id("result USDC")

    with pytest.raises(errors.CheckViolation) as caught:
        story.as_app(
            ("UPDATE custody_ledgeraccount SET held_units = 1 WHERE id = %s", [result]),
        )
    story.books.book("loss", {"result USDC": "-8", "alice main USDC": "+8"})

    assert constraint(caught) == "ledger_account_holds_are_covered"
    assert story.books["result USDC"] == "-3"


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ("NULL, 'main', 0", "ledger_account_owner_fits_purpose"),
        ("NULL, 'pledged', 0", "ledger_account_owner_fits_purpose"),
        ("%(alice)s, 'fees', 0", "ledger_account_owner_fits_purpose"),
        ("%(alice)s, 'main', 1", "ledger_account_pool_fits_purpose"),
        ("%(alice)s, 'trading', 0", "ledger_account_pool_fits_purpose"),
        ("NULL, 'piggy_bank', 0", "ledger_account_purpose_is_known"),
    ],
)
def test_a_senseless_account_is_refused(
    story: Story, values: LiteralString, name: LiteralString
) -> None:
    with pytest.raises(errors.CheckViolation) as caught:
        story.as_app(
            (
                "INSERT INTO custody_ledgeraccount (asset_id, owner_id, purpose, pool)"
                f" VALUES (%(asset)s, {values})",
                {
                    "asset": story.books.assets["USDC"].id,
                    "alice": story.books.investors["alice"].id,
                },
            )
        )

    assert constraint(caught) == name


@pytest.mark.parametrize("change", ["decimals = 8", "kind = 'fiat'", "code = 'USDT'"])
def test_what_an_asset_is_never_changes(story: Story, change: LiteralString) -> None:
    with pytest.raises(errors.CheckViolation) as caught:
        story.as_app((f"UPDATE custody_asset SET {change} WHERE code = 'USDC'", None))

    assert constraint(caught) == "asset_stays_what_it_is"


def test_a_second_writer_of_a_trading_balance_is_refused(story: Story) -> None:
    story.books.give_to_trade("alice trading USDC", "10")
    trading = story.books.account_id("alice trading USDC")
    move = (INSERT_LINES, forged(trading, story.bob))

    for claim in ("", str(POOL + 1)):
        with pytest.raises(errors.CheckViolation) as caught:
            story.as_app(
                ("SELECT set_config('bourse.pool', %s, true)", [claim]),
                (INSERT_ENTRY, [FORGED_ID, "k"]),
                move,
            )
        assert constraint(caught) == "trading_balance_has_one_writer"
    with pytest.raises(errors.CheckViolation):
        story.as_app(("UPDATE custody_ledgeraccount SET held_units = 1 WHERE id = %s", [trading]))


def test_many_statements_of_one_transaction_are_judged_one_by_one(story: Story) -> None:
    """Money that only comes later in the transaction cannot be spent now."""
    early = story.books.entry("payment", {"bob main USDC": "-5", "alice main USDC": "+5"})
    later = story.books.entry("payment", {"alice main USDC": "-5", "bob main USDC": "+5"})

    with pytest.raises(ledger.InsufficientUnits):
        ledger.post([early], NOON)
    # In one call only the end counts: all of it happens at once.
    ledger.post([early, later], NOON)

    assert story.books["alice main USDC"] == "100"
