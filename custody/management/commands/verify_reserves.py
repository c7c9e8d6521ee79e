"""Compare custodian, chain and ledger, shares and cash; exit 1 on a break."""

import sys

from django.core.management.base import BaseCommand

from custody.gateways.chain import SolanaChain
from custody.gateways.custodian import AlpacaCustodian
from custody.queries import Reserves, list_cash_breaks, reserves
from kernel import clock
from kernel.money import format_units


class Command(BaseCommand):
    help = "Recount reserves; exits 1 on any break or when a party does not answer."

    def handle(self, *args: object, **options: object) -> None:
        with SolanaChain.from_settings() as chain, AlpacaCustodian.from_settings() as custodian:
            found = reserves(chain=chain, custodian=custodian, now=clock.now())
            cash_breaks = list_cash_breaks(chain=chain, custodian=custodian)
        for each in found:
            self.stdout.write(_line(each))
            for finding in each.findings:
                self.stderr.write(f"  {finding}")
        wrong = [each for each in found if each.verdict != each.verdict.COVERED]
        self.stdout.write(f"{len(found) - len(wrong)} of {len(found)} tokens are covered.")
        for sentence in cash_breaks:
            self.stderr.write(sentence)
        if wrong or cash_breaks:
            sys.exit(1)


def _line(found: Reserves) -> str:
    shares = _text(found.custodian_settled_units, 9)
    unsettled = _text(found.custodian_unsettled_units, 9)
    supply = _text(found.chain_supply_units, found.asset.decimals)
    owed = format_units(found.investor_units + found.inventory_units, found.asset.decimals)
    return (
        f"{found.asset.code}: {found.verdict}: shares {shares} settled, {unsettled} unsettled;"
        f" tokens on chain {supply}, owed {owed}"
    )


def _text(units: int | None, decimals: int) -> str:
    return "unavailable" if units is None else format_units(units, decimals)
