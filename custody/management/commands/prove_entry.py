"""`manage.py prove_entry ID`: a proof that an entry is in its seal."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from custody.proofs import prove_entry
from kernel.refusals import Refusal


class Command(BaseCommand):
    requires_system_checks: list[str] = []
    help = (
        "Prove that a journal entry is in its seal: an RFC 6962 audit path and the signed seal. "
        "`python -m custody.inclusion PROOF.json KEYS.pub` checks it without Bourse."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("entry_id", type=int)
        parser.add_argument("--json", action="store_true", help="The proof itself, on stdout.")
        parser.add_argument(
            "--investor",
            type=int,
            help="As this investor may have it: without the other side's lines.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            proof = prove_entry(entry_id=options["entry_id"], investor_id=options["investor"])
        except Refusal as refusal:
            raise CommandError(refusal.message) from None
        if options["json"]:
            self.stdout.write(json.dumps(proof))
            return
        entry, seal = proof["entry"], proof["seal"]
        self.stdout.write(
            f"Entry {entry['id']} is leaf {proof['leaf_index']} of {seal['leaf_count']} "
            f"in ledger seal {seal['n']} of {seal['sealed_at']}, signed by key {seal['key_id']}; "
            f"{len(proof['audit_path'])} hashes lead to its root."
        )
