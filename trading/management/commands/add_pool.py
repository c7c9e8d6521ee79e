"""Add a pool: further listings can be made in it, with an engine of its own."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from trading.models import Pool


class Command(BaseCommand):
    help = "Add a pool for further listings; start `run_engine --pool N` for it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("pool", type=int, help="its number, from 2 on")

    def handle(self, *args: Any, **options: Any) -> None:
        number = options["pool"]
        if not 2 <= number <= 32_767:
            raise CommandError("A pool's number lies between 2 and 32767.", returncode=2)
        _, is_new = Pool.objects.get_or_create(pk=number)
        self.stdout.write(f"pool {number} {'added' if is_new else 'is there already'}")
