"""Two workers that sign for one purpose at once store one transaction."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from django.db import IntegrityError, connection, transaction
from solders.keypair import Keypair
from solders.system_program import TransferParams, transfer

from custody.gateways.chain import SolanaChain
from custody.models import ChainTransaction
from custody.operations.chain import Intent, sign_once
from tests.ledger_stories import NOON
from tests.parties import Party

WORKERS = 4


@pytest.fixture
def chain(node: Party) -> Iterator[SolanaChain]:
    with SolanaChain(node.url) as gateway:
        yield gateway


def intent(key: str) -> Intent:
    payer = Keypair()
    pay = TransferParams(
        from_pubkey=payer.pubkey(), to_pubkey=Keypair().pubkey(), lamports=1_000_000
    )
    return Intent(
        kind=ChainTransaction.Kind.CREATE_MINT,
        key=key,
        instructions=[transfer(pay)],
        signers=[payer],
    )


def test_one_of_many_workers_signs(cloned_database: str, chain: SolanaChain) -> None:
    start = Barrier(WORKERS)

    def sign(_: int) -> str:
        start.wait(timeout=60)
        try:
            return sign_once(intent=intent("burn:one"), chain=chain, now=NOON).signature
        finally:
            connection.close()

    with ThreadPoolExecutor(WORKERS) as workers:
        signatures = set(workers.map(sign, range(WORKERS)))

    assert signatures == {ChainTransaction.objects.get().signature}


def test_two_burns_of_the_same_size_are_two_transactions(db: None, chain: SolanaChain) -> None:
    """Also within one blockhash, for which the chain takes the same bytes once."""
    first = intent("burn:alice")
    second = replace(first, key="burn:bob")

    rows = [sign_once(intent=each, chain=chain, now=NOON) for each in (first, second)]

    assert rows[0].signature != rows[1].signature


def test_a_signed_transaction_never_changes(db: None, chain: SolanaChain) -> None:
    row = sign_once(intent=intent("burn:two"), chain=chain, now=NOON)

    with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
        ChainTransaction.objects.filter(id=row.id).update(signed_bytes=b"other")
