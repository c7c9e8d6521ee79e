"""Fill a fresh installation, so that it can be tried at once.

    python manage.py load_demo
Needs the sandbox and the web process, which takes the KYC provider's webhook.
Safe to repeat: what is there is left as it is.
"""

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bourse.demo import people, vault, venue
from kernel import clock
from kernel.gateways import GatewayUnavailable


class Command(BaseCommand):
    help = "Load the demo: people, listings, settled shares, minted tokens, money."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.BOURSE_ENV != "development":
            raise CommandError("The demo is not for production.", returncode=2)
        self.since = time.monotonic()
        try:
            self._load()
        except (vault.DemoStuck, GatewayUnavailable) as problem:
            raise CommandError(str(problem)) from problem

    def _load(self) -> None:
        now = clock.now()
        venue.load_reference(say=self._say)
        people.load_people(say=self._say, now=now)
        people.load_investor(say=self._say, now=now)
        tokens = venue.load_assets(say=self._say, now=now)
        venue.load_fees(say=self._say, now=now)
        vault.fund_house(say=self._say, now=now)
        vault.start_mints(tokens=tokens, say=self._say, now=now)
        vault.fund_investor(say=self._say, now=now)
        vault.await_chain(say=self._say)
        vault.hand_out(tokens=tokens, now=clock.now())

    def _say(self, text: str) -> None:
        self.stdout.write(f"{time.monotonic() - self.since:5.1f} s  {text}")
        self.stdout.flush()
