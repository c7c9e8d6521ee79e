"""`manage.py verify_audit`: exit 0 when all agrees, 1 with every difference named."""

from typing import Any

from custody.management.verify_command import VerifyCommand
from custody.verification.run import verify_audit


class Command(VerifyCommand):
    help = "Recompute the seals of the audit trail and compare."

    def handle(self, *args: Any, **options: Any) -> None:
        self.show(verify_audit(), as_json=options["json"])
