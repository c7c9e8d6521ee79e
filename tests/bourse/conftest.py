"""Parties that the tasks talk to: the custody tests' and the accounts tests' own."""

from tests.accounts.conftest import party as kyc_party
from tests.accounts.conftest import running_party
from tests.custody.conftest import broker, node, party_folder, prices

__all__ = ["broker", "kyc_party", "node", "party_folder", "prices", "running_party"]
