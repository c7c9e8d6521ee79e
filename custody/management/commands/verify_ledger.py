"""`manage.py verify_ledger`: exit 0 when all agrees, 1 with every difference named."""

from typing import Any

from custody.management.verify_command import VerifyCommand
from custody.verification.run import verify_ledger


class Command(VerifyCommand):
    help = "Recompute balances, holds, hashes and seals of the ledger and compare."

    def handle(self, *args: Any, **options: Any) -> None:
        self.show(verify_ledger(), as_json=options["json"])
