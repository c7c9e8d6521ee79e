"""Parties that the tasks talk to: the custody tests' and the accounts tests' own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.accounts.conftest import party as kyc_party
from tests.accounts.conftest import running_party
from tests.custody.conftest import broker, party_folder, prices
from tests.parties import Party

__all__ = ["broker", "kyc_party", "node", "party_folder", "prices", "running_party"]


@pytest.fixture(scope="session")
def node(party_folder: Path) -> Iterator[Party]:
    """A chain that is as fast to final as the custody tests', and gives time to send.

    A blockhash is good for 150 slots. Of 20 ms each they are 3 s, less than a round of
    deliveries may take on a busy machine: what one round signed, the next sent too late.
    """
    party = Party("chain", party_folder, ["--slot-ms", "100", "--final-slots", "2"]).start()
    yield party
    party.kill()
