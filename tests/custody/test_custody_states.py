"""Each state machine is a table: every step outside it is a bug that shows."""

from collections.abc import Mapping
from enum import StrEnum
from itertools import product

import pytest

from custody import models, states

TABLES: dict[str, Mapping[StrEnum, frozenset[StrEnum]]] = {
    "deposit": states.DEPOSIT_MOVES,  # type: ignore[dict-item]
    "chain transaction": states.CHAIN_TRANSACTION_MOVES,  # type: ignore[dict-item]
    "custodian order": states.CUSTODIAN_ORDER_MOVES,  # type: ignore[dict-item]
    "block order": states.BLOCK_ORDER_MOVES,  # type: ignore[dict-item]
    "settlement leg": states.SETTLEMENT_LEG_MOVES,  # type: ignore[dict-item]
    "mint": states.MINT_MOVES,  # type: ignore[dict-item]
    "redemption": states.REDEMPTION_MOVES,  # type: ignore[dict-item]
}


@pytest.mark.parametrize("name", TABLES)
def test_only_the_tables_steps_are_taken(name: str) -> None:
    moves = TABLES[name]
    assert set(moves) == set(type(next(iter(moves))))
    for state, target in product(moves, repeat=2):
        if target in moves[state]:
            assert states.advance(moves, state, target) is target
        else:
            with pytest.raises(ValueError, match="cannot become"):
                states.advance(moves, state, target)


@pytest.mark.parametrize("name", TABLES)
def test_every_state_is_reached_from_the_first(name: str) -> None:
    moves = TABLES[name]
    reached, new = set(), {next(iter(type(next(iter(moves)))))}
    while new:
        reached |= new
        new = {target for state in new for target in moves[state]} - reached

    assert reached == set(moves)


def test_models_know_the_same_states() -> None:
    pairs = [
        (models.Deposit.State, states.DepositState),
        (models.ChainTransaction.State, states.ChainTransactionState),
        (models.CustodianOrder.State, states.CustodianOrderState),
        (models.BlockOrder.State, states.BlockOrderState),
        (models.SettlementLeg.State, states.SettlementLegState),
        (models.MintRequest.State, states.MintState),
        (models.Redemption.State, states.RedemptionState),
    ]
    for choices, known in pairs:
        assert set(choices.values) == {str(state) for state in known}
