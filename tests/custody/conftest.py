"""After every test that could have moved value, the ledger must still add up."""

from collections.abc import Iterator

import pytest
from django.db import connection

from custody.verification.ledger_checks import (
    balances_are_their_postings,
    entries_are_balanced,
    entries_say_what_they_hash,
)
from custody.verification.run import snapshot


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
