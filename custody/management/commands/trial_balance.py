"""`manage.py trial_balance`: all balances as of a seal, by asset and purpose."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from custody.as_of import get_seal, parse_as_of
from custody.time_travel import list_trial_balance
from kernel import clock
from kernel.money import format_units
from kernel.refusals import Refusal


class Command(BaseCommand):
    requires_system_checks: list[str] = []
    help = "Show the trial balance as of a seal, by asset and purpose: each asset sums to zero."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--as-of",
            metavar="SEAL|TIME",
            help="A seal's number, or an ISO time: the last seal until then. Else the last seal.",
        )
        parser.add_argument("--json", action="store_true", help="One JSON object on stdout.")

    def handle(self, *args: Any, **options: Any) -> None:
        text = options["as_of"]
        try:
            seal = get_seal(parse_as_of(text) if text else clock.now())
        except Refusal as refusal:
            raise CommandError(str(refusal)) from None
        except ValueError:
            raise CommandError(f"{text} is neither a seal's number nor an ISO time.") from None
        lines = list_trial_balance(seal=seal)
        if options["json"]:
            shown = {"as_of": seal.n, "lines": [asdict(line) for line in lines]}
            self.stdout.write(json.dumps(shown))
            return
        self.stdout.write(f"as of {seal}, {seal.sealed_at.isoformat()}")
        for line in lines:
            units = format_units(line.units, line.decimals)
            self.stdout.write(f"{line.asset:<10} {line.purpose:<18} {units:>28}")
