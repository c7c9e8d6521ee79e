"""What custody does: deposits, minting, redemption, settlement, treasury, reserves."""

from datetime import datetime

from custody.gateways import chain_keys
from custody.models import DepositAddress
from custody.operations.chain import sweep_transactions
from custody.operations.deposits import credit_deposits, open_deposit_address, watch_deposits
from custody.operations.house_entries import sweep_house_entries
from custody.operations.issuance import approve_mint, reject_mint, start_mint, sweep_mints
from custody.operations.quarantine import propose_credit, propose_return
from custody.operations.redemption import request_redemption
from custody.operations.redemption_steps import sweep_redemptions
from custody.operations.reserves import attest_reserves
from custody.operations.settlement_blocks import retry_block, sweep_orders
from custody.operations.settlement_legs import retry_leg, sweep_legs
from custody.operations.tokens import open_token
from custody.operations.treasury import allocate_inventory, prefund_custodian, receive_shares

__all__ = [
    "allocate_inventory",
    "approve_mint",
    "attest_reserves",
    "credit_deposits",
    "get_deposit_address",
    "open_deposit_address",
    "open_token",
    "prefund_custodian",
    "propose_credit",
    "propose_return",
    "receive_shares",
    "reject_mint",
    "request_redemption",
    "retry_block",
    "retry_leg",
    "start_mint",
    "sweep_house_entries",
    "sweep_legs",
    "sweep_mints",
    "sweep_orders",
    "sweep_redemptions",
    "sweep_transactions",
    "watch_deposits",
]


def get_deposit_address(*, investor_id: int | None, asset_id: int, now: datetime) -> DepositAddress:
    """The investor's deposit address with this installation's keys; see open_deposit_address."""
    keys = chain_keys.from_settings()
    return open_deposit_address(investor_id=investor_id, asset_id=asset_id, keys=keys, now=now)
