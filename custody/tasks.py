"""What the worker does for custody: each task makes one call over rows.

A party that is silent costs nothing but time: the row keeps its state and the
next beat asks again. Nothing here is lost with a message.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import shared_task

from custody import operations, pool_transfers
from custody.gateways import chain_keys
from custody.gateways.chain import ChainError, SolanaChain
from custody.gateways.custodian import AlpacaCustodian, CustodianRefused
from custody.reconciliation import run
from custody.reconciliation.parties import sources_from_settings
from kernel import clock
from kernel.gateways import GatewayUnavailable

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 3.0
ATTEST_SECONDS = 120.0
RECONCILE_SECONDS = 180.0
RECONCILE_AGAIN_SECONDS = 20.0


def _every(name: str, seconds: float) -> dict[str, Any]:
    # One that waited longer than its interval is dropped: the next does its work.
    return {"task": name, "schedule": seconds, "options": {"expires": max(seconds, 10.0)}}


BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    name: _every(name, seconds)
    for name, seconds in {
        "custody.watch_deposits": SWEEP_SECONDS,
        "custody.sweep_chain": SWEEP_SECONDS,
        "custody.sweep_orders": SWEEP_SECONDS,
        "custody.sweep_legs": SWEEP_SECONDS,
        "custody.sweep_pool_transfers": SWEEP_SECONDS,
        "custody.attest_reserves": ATTEST_SECONDS,
        "custody.reconcile": RECONCILE_SECONDS,
        "custody.reconcile_again": RECONCILE_AGAIN_SECONDS,
    }.items()
}


@contextmanager
def _patience(what: str) -> Iterator[None]:
    """Log an outside party's silence instead of failing: the next beat comes soon."""
    try:
        yield
    except (GatewayUnavailable, ChainError, CustodianRefused) as failure:
        logger.warning("%s: %s", what, failure)


@shared_task(name="custody.watch_deposits", ignore_result=True)
def watch_deposits(**kwargs: object) -> None:
    """Note what arrived, credit what is final."""
    with SolanaChain.from_settings() as chain:
        for work in (operations.watch_deposits, operations.credit_deposits):
            with _patience(work.__name__):
                work(chain=chain, now=clock.now())


@shared_task(name="custody.sweep_chain", ignore_result=True)
def sweep_chain(**kwargs: object) -> None:
    """Take mints, redemptions and their transactions one step on."""
    keys = chain_keys.from_settings()
    with SolanaChain.from_settings() as chain:
        for work in (operations.sweep_mints, operations.sweep_redemptions):
            with _patience(work.__name__):
                work(chain=chain, keys=keys, now=clock.now())
        with _patience("sweep_transactions"):
            operations.sweep_transactions(chain=chain, now=clock.now())


@shared_task(name="custody.sweep_orders", ignore_result=True)
def sweep_orders(**kwargs: object) -> None:
    """Net orders and send them to the custodian; book, divide and settle what was traded."""
    with AlpacaCustodian.from_settings() as custodian, _patience("sweep_orders"):
        operations.sweep_orders(custodian=custodian, now=clock.now())


@shared_task(name="custody.sweep_legs", ignore_result=True)
def sweep_legs(**kwargs: object) -> None:
    """Move on the chain what the ledger says was sold, netted."""
    keys = chain_keys.from_settings()
    with SolanaChain.from_settings() as chain, _patience("sweep_legs"):
        operations.sweep_legs(chain=chain, keys=keys, now=clock.now())


@shared_task(name="custody.sweep_pool_transfers", ignore_result=True)
def sweep_pool_transfers(**kwargs: object) -> None:
    """Take back to main what the engine gave up, and book what waited for it."""
    pool_transfers.sweep_out(now=clock.now())
    operations.sweep_house_entries(now=clock.now())


@shared_task(name="custody.attest_reserves", ignore_result=True)
def attest_reserves(**kwargs: object) -> None:
    """Write down what all three parties say of every token."""
    with (
        SolanaChain.from_settings() as chain,
        AlpacaCustodian.from_settings() as custodian,
        _patience("attest_reserves"),
    ):
        operations.attest_reserves(chain=chain, custodian=custodian, now=clock.now())


@shared_task(name="custody.reconcile", ignore_result=True)
def reconcile(**kwargs: object) -> None:
    """Compare the ledger with chain, custodian and wallets; a difference opens a case."""
    with sources_from_settings() as sources:
        run.reconcile(kind=run.Kind.INTERVAL, sources=sources, now=clock.now())


@shared_task(name="custody.reconcile_again", ignore_result=True)
def reconcile_again(**kwargs: object) -> None:
    """Look again at what did not add up; once after each regular close, at everything."""
    with sources_from_settings() as sources:
        run.reconcile_suspected(sources=sources, now=clock.now())
        run.reconcile_close(sources=sources, now=clock.now())
