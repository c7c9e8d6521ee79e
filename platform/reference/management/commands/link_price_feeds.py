"""Take the price feed's own ids, by symbol, for the instruments we have.

    python manage.py link_price_feeds
Needed once when a real feed takes the sandbox's place: its ids are its own, so
the source of every linked price becomes "live".
"""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from kernel.gateways import GatewayUnavailable
from reference import loading
from reference.gateways.prices import PricesGateway


class Command(BaseCommand):
    help = "Take the price feed's own ids for the instruments, by symbol."

    def handle(self, *args: Any, **options: Any) -> None:
        env = settings.ENV
        try:
            with PricesGateway(env.server("prices_url"), api_key=env.prices_api_key) as gateway:
                linked, missing = loading.link_feeds(feeds=gateway.list_feeds())
        except GatewayUnavailable as failure:
            raise CommandError(str(failure)) from failure
        self.stdout.write(f"{linked} instruments linked")
        if missing:
            self.stdout.write(f"not in the feed: {', '.join(missing)}")
