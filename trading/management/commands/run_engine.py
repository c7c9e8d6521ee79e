"""Run the engine of a pool, or stand by for it."""

import gc
import logging
import signal
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from trading.sequencer import Sequencer


class Command(BaseCommand):
    help = "Run the engine of a pool; a second one stands by and takes over."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--pool", type=int, default=1)

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DATABASE_URL or not settings.REDIS_URL:
            raise CommandError("No servers: set DATABASE_URL and REDIS_URL.", returncode=2)
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
        parameters = connection.get_connection_params()
        database = {
            name: parameters[name]
            for name in ("dbname", "user", "password", "host", "port")
            if parameters.get(name)
        }
        # Open orders are long-lived and hold no cycles; looking for some among them took
        # two fifths of the engine's time.
        gc.set_threshold(200_000, 50, 1_000)
        # The writer's thread needs the interpreter for moments only, but then at once.
        sys.setswitchinterval(0.0005)
        sequencer = Sequencer(
            pool_id=options["pool"],
            database=database,
            valkey_url=settings.REDIS_URL,
            messages_per_second=settings.ENV.messages_per_second,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sequencer.stop())
        sequencer.run()
