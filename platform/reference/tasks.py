"""What the worker does for reference data. Each task makes one call.

A feed that does not answer is asked again by the next beat; meanwhile the price
ages and becomes stale, which everybody can see.
"""

import logging
from contextlib import ExitStack
from typing import Any

from celery import shared_task
from django.conf import settings

from kernel import clock
from kernel.gateways import GatewayUnavailable
from reference import operations
from reference.gateways.halts import HaltsGateway
from reference.gateways.prices import PARTY, PricesGateway

logger = logging.getLogger(__name__)

POLL_SECONDS = 10.0
PRUNE_SECONDS = 3600.0

# Merged into the worker's schedule. A poll that waited longer than its
# interval is dropped: the next one asks for the same prices.
BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "reference.poll_prices": {
        "task": "reference.poll_prices",
        "schedule": POLL_SECONDS,
        "options": {"expires": POLL_SECONDS},
    },
    "reference.prune_ticks": {
        "task": "reference.prune_ticks",
        "schedule": PRUNE_SECONDS,
        "options": {"expires": PRUNE_SECONDS},
    },
}


@shared_task(name="reference.poll_prices", ignore_result=True)
def poll_prices(**kwargs: object) -> None:
    """Ask the price and halts feeds once."""
    try:
        with ExitStack() as stack:
            key = settings.ENV.server("prices_api_key")
            prices = stack.enter_context(PricesGateway(_url("prices_url"), api_key=key))
            halts = stack.enter_context(HaltsGateway(_halts_url()))
            recorded = operations.refresh_prices(prices=prices, halts=halts, now=clock.now())
    except GatewayUnavailable as failure:
        logger.warning("a feed did not answer: %s", failure)
        return
    if recorded.refused:
        logger.warning("prices refused: %s", recorded.refused)


@shared_task(name="reference.prune_ticks", ignore_result=True)
def prune_ticks(**kwargs: object) -> None:
    """Delete old price history."""
    operations.prune_ticks(now=clock.now())


def _url(name: str) -> str:
    url: str = settings.ENV.server(name)
    if not url:
        raise GatewayUnavailable(PARTY, f"{name.upper()} is not set")
    return url


def _halts_url() -> str:
    """The halts feed; the sandbox's price feed serves it too."""
    url: str = settings.ENV.server("halts_url") or _url("prices_url")
    return url
