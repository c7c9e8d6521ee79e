"""`manage.py verify_ledger`: exit 0 when all agrees, 1 with every difference named."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from custody.as_of import NOW, NoSuchSeal, Scope, get_seal, parse_as_of
from custody.management.verify_command import VerifyCommand
from custody.verification.run import verify_ledger


class Command(VerifyCommand):
    help = (
        "Recompute balances, holds, hashes and seals of the ledger and compare. Reads one "
        "snapshot and blocks nobody. Exits 1 when anything differs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--as-of",
            metavar="SEAL|TIME",
            help="Check the ledger as of a seal's number or an ISO time: entries, balances, "
            "seals until then. What is held or in transit has no past and is left out.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.show(verify_ledger(_scope(options["as_of"])), as_json=options["json"])


def _scope(text: str | None) -> Scope:
    if text is None:
        return NOW
    try:
        return Scope(get_seal(parse_as_of(text)))
    except NoSuchSeal as refusal:
        raise CommandError(str(refusal)) from None
    except ValueError:
        raise CommandError(f"{text} is neither a seal's number nor an ISO time.") from None
