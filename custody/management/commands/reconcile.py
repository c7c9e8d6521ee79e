"""Compare both sides now; exit 1 when something does not add up, also at a second look."""

import json
import sys
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from custody.models import ReconciliationFigure, ReconciliationRun
from custody.reconciliation.parties import sources_from_settings
from custody.reconciliation.run import SECOND_LOOK_AFTER, Kind, reconcile, reconcile_suspected
from kernel import clock
from kernel.money import format_units

WRONG = ("suspected", "break")


class Command(BaseCommand):
    help = (
        "Compare the ledger with the chain, the custodian and our stablecoin wallets, once; what "
        "does not add up is looked at again after some seconds. Exits 1 when it still does not, "
        "or a party does not answer. A difference that was seen twice opens a case."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="One JSON object on stdout.")
        parser.add_argument("--once", action="store_true", help="Do not wait for a second look.")

    def handle(self, *args: Any, **options: Any) -> None:
        with sources_from_settings() as sources:
            run = reconcile(kind=Kind.ON_DEMAND, sources=sources, now=clock.now())
            again = None
            if run.figures.filter(verdict="suspected").exists() and not options["once"]:
                time.sleep(SECOND_LOOK_AFTER.total_seconds() + 1)
                again = reconcile_suspected(sources=sources, now=clock.now())
        figures = _figures(run, again)
        if options["json"]:
            self.stdout.write(json.dumps({"as_of": run.as_of.isoformat(), "figures": figures}))
        else:
            self._show(figures)
        if any(figure["verdict"] != "matches" for figure in figures):
            sys.exit(1)

    def _show(self, figures: list[dict[str, Any]]) -> None:
        for figure in figures:
            self.stdout.write(
                f"{figure['verdict']:<12} {figure['asset']:<8} {figure['what_in_words']:<36}"
                f" ledger {figure['ledger']}, reported {figure['party'] or 'unavailable'}"
                + (f" ({figure['in_flight']} under way)" if figure["in_flight"] else "")
            )
        matching = sum(figure["verdict"] == "matches" for figure in figures)
        self.stdout.write(f"{matching} of {len(figures)} comparisons match.")


def _figures(run: ReconciliationRun, again: ReconciliationRun | None) -> list[dict[str, Any]]:
    """The second look's figures in the place of the first's."""
    rows = {(row.asset_id, row.what): row for row in _rows(run)}
    if again is not None:
        rows |= {(row.asset_id, row.what): row for row in _rows(again)}
    return [_plain(row) for row in rows.values()]


def _rows(run: ReconciliationRun) -> list[ReconciliationFigure]:
    return list(run.figures.select_related("asset").order_by("asset__code", "id"))


def _plain(row: ReconciliationFigure) -> dict[str, Any]:
    def text(units: int | None) -> str | None:
        return None if units is None else format_units(units, row.asset.decimals)

    low, high = text(row.in_flight_low), text(row.in_flight_high)
    return {
        "asset": row.asset.code,
        "what": row.what,
        "what_in_words": row.get_what_display(),
        "ledger": text(row.ledger_units),
        "party": text(row.party_units),
        "in_flight": "" if low == high == "0" else low if low == high else f"{low} to {high}",
        "verdict": row.verdict,
    }
