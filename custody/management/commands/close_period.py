"""`manage.py close_period SEAL|TIME`: write the balances down, let nothing more in."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from custody.as_of import get_seal, parse_as_of
from custody.models import SealedBalance
from custody.periods import close_period
from kernel import clock
from kernel.refusals import Refusal


class Command(BaseCommand):
    requires_system_checks: list[str] = []
    help = (
        "Close the period that ends with a ledger seal: recompute all balances, write them "
        "down, and refuse whatever is dated into it from now on. It cannot be opened again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "as_of",
            metavar="SEAL|TIME",
            help="The number of the last seal of the period, or an ISO time: the last seal until "
            "then. At least a minute old.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            seal = get_seal(parse_as_of(options["as_of"]))
            period = close_period(seal=seal, now=clock.now())
        except Refusal as refusal:
            raise CommandError(str(refusal)) from None
        except ValueError:
            raise CommandError(
                f"{options['as_of']} is neither a seal's number nor an ISO time."
            ) from None
        balances = SealedBalance.objects.filter(seal_n=seal.n).count()
        self.stdout.write(
            f"Closed {period}: {balances} balances, nothing before {period.ends_at.isoformat()} "
            "may be booked any more."
        )
