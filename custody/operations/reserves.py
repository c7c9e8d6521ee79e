"""Attesting reserves: what all three parties say, kept as it was said."""

from datetime import datetime

from custody import queries
from custody.gateways.chain import SolanaChain
from custody.gateways.custodian import AlpacaCustodian
from custody.models import ReserveAttestation, Seal
from custody.models.seals import SealChain
from custody.queries import Reserves


def attest_reserves(
    *, chain: SolanaChain, custodian: AlpacaCustodian, now: datetime
) -> list[ReserveAttestation]:
    """Write one attestation a token, as of now, with the ledger seal that it follows."""
    # Read first: whatever that seal covers is in the ledger's figures.
    seal = Seal.objects.filter(chain=SealChain.LEDGER).order_by("-n").first()
    found = queries.reserves(chain=chain, custodian=custodian, now=now)
    return ReserveAttestation.objects.bulk_create([_attestation(each, seal) for each in found])


def _attestation(found: Reserves, seal: Seal | None) -> ReserveAttestation:
    return ReserveAttestation(
        asset=found.asset,
        as_of=found.as_of,
        ledger_seal=seal,
        custodian_settled_units=found.custodian_settled_units,
        custodian_unsettled_units=found.custodian_unsettled_units,
        chain_supply_units=found.chain_supply_units,
        chain_slot=found.chain_slot,
        investor_units=found.investor_units,
        inventory_units=found.inventory_units,
        burning_units=found.burning_units,
        multiplier_e18=found.asset.multiplier_e18,
        required_share_units=found.required_share_units,
        verdict=found.verdict,
        findings=list(found.findings),
    )
