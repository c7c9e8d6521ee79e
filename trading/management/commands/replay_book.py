"""Rebuild a listing's book from its stored events and compare it with what is stored."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction

from trading.models import Listing
from trading.queries import replays
from trading.replay import ReplayedBook, canonical, digest

SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


class Command(BaseCommand):
    help = "Replay stored events; exit 1 when the book, or a trade, differs from what is stored."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("symbol", nargs="?", help="a listing such as AAPLxUSDC; none: all")
        parser.add_argument("--until-batch", type=int, help="stop after this batch")
        parser.add_argument("--show", action="store_true", help="print every live order")

    def handle(self, *args: Any, **options: Any) -> None:
        listings = Listing.objects.order_by("symbol")
        if options["symbol"]:
            listings = listings.filter(symbol=options["symbol"])
            if not listings:
                raise CommandError(f"No listing is called {options['symbol']}.", returncode=2)
        wrong = 0
        # One moment for all: engines may go on meanwhile.
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(SNAPSHOT)
            for listing in listings:
                wrong += self._replay(listing, options["until_batch"], show=options["show"])
        if wrong:
            raise CommandError("The stored events lead to something else than what is stored.")

    def _replay(self, listing: Listing, until_batch: int | None, *, show: bool) -> int:
        try:
            book = replays.replay(listing_id=listing.pk, until_batch=until_batch)
        except replays.CannotReplay as problem:
            self.stdout.write(f"{listing.symbol}: {problem}")
            return 1
        differences = (
            [] if until_batch is not None else replays.compare(book, listing_id=listing.pk)
        )
        self.stdout.write(self._sentence(listing, book))
        if show:
            self.stdout.write(canonical(book.orders.values()).decode(), ending="")
        for difference in differences:
            self.stdout.write(f"  {difference}")
        return len(differences)

    def _sentence(self, listing: Listing, book: ReplayedBook) -> str:
        orders = book.orders.values()
        return (
            f"{listing.symbol}: {book.event_seq} events up to batch {book.batch_no},"
            f" {len(book.trades)} trades, {len(orders)} live orders, {digest(orders)}"
        )
