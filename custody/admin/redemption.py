"""Redemptions with their clock, deposits, addresses, chain transactions, attestations: to read."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display

from accounts.admin.base import FileAdmin, officer_of
from custody import operations
from custody.admin.words import amount, money, order_in_words, timeline
from custody.gateways.chain import SolanaChain
from custody.models import (
    ChainTransaction,
    Deposit,
    DepositAddress,
    Redemption,
    ReserveAttestation,
)
from kernel import clock
from kernel.gateways import GatewayUnavailable
from kernel.money import format_units, parse_units
from kernel.refusals import Refusal
from reference.read_only import ReadOnlyAdmin

REDEMPTION_TONES = {"paid": "success", "refused": "danger", "burned": "warning"}
DEPOSIT_TONES = {
    "credited": "success",
    "vanished": "danger",
    "quarantined": "warning",
    "returned": "danger",
}
CHAIN_TONES = {"final": "success", "failed": "danger", "expired": "danger"}
VERDICT_TONES = {"covered": "success", "broken": "danger", "unavailable": "warning"}


class ChainDoesNotAnswer(Refusal):
    """The chain does not answer now, so the return cannot be checked. Try again."""

    code = "chain_does_not_answer"
    http_status = 503


@admin.register(Redemption)
class RedemptionAdmin(FileAdmin):
    list_display = ["requested_at", "investor", "shown_units", "shown_state", "shown_paid"]
    list_filter = ["state", ("asset", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["investor", "asset"]
    search_fields = ["investor__display_name", "idempotency_key"]
    ordering = ["-requested_at"]
    file_template = "admin/custody/timeline.html"

    @admin.display(description="Tokens")
    def shown_units(self, row: Redemption) -> str:
        return amount(row.units, row.asset)

    @display(description="State", label=REDEMPTION_TONES)  # type: ignore[untyped-decorator]
    def shown_state(self, row: Redemption) -> tuple[str, str]:
        return row.state, row.get_state_display()

    @admin.display(description="Paid")
    def shown_paid(self, row: Redemption) -> str:
        return money(row.paid_units, "USDC") if row.paid_units is not None else "-"

    def file_context(self, request: HttpRequest, row: Redemption) -> dict[str, Any]:
        stages = [
            ("Asked for", row.requested_at),
            ("Held in escrow", row.held_at),
            ("Sale at the custodian", row.submitted_at),
            ("Sold", row.sold_at),
            ("Burned on the chain", row.burned_at),
            ("Paid", row.paid_at),
        ]
        if row.refused_at is not None:
            stages.append(("Refused, units given back", row.refused_at))
        facts = [
            ("Investor", str(row.investor)),
            ("Sale", order_in_words(row.order) if row.order else "not ordered yet"),
            ("Sold", amount(row.sold_units, row.asset) if row.sold_units else "not yet"),
            ("Cash of the sale", money(row.gross_units, "USDC")),
            ("Fee", f"{money(row.fee_units, 'USDC')} ({row.fee_e6 / 10_000:g} %, rounded up)"),
            ("Paid", money(row.paid_units, "USDC")),
            ("Reason", row.reason or "-"),
            ("Why it does not go on", row.problem or "-"),
        ]
        title = (
            f"Redeem {amount(row.units, row.asset)} = {amount(row.share_units, row.share_asset)}"
        )
        return {"title": title, "timeline": timeline(stages), "facts": facts}


@admin.register(Deposit)
class DepositAdmin(FileAdmin):
    list_display = ["seen_at", "investor", "shown_units", "shown_state", "sender", "credited_at"]
    list_filter = ["state"]
    list_select_related = ["address__investor", "address__asset"]
    search_fields = ["=signature", "=sender", "address__investor__display_name"]
    ordering = ["-seen_at"]
    file_template = "admin/custody/deposit.html"
    acts: ClassVar = {"propose_credit": "propose_credit", "propose_return": "propose_return"}

    def file_context(self, request: HttpRequest, row: Deposit) -> dict[str, Any]:
        stages = [("Seen", row.seen_at), ("Credited", row.credited_at)]
        if row.returned_at is not None:
            stages[1] = ("Sent back", row.returned_at)
        facts = [
            ("For", self.investor(row)),
            ("State", row.get_state_display()),
            ("Sender", row.sender or "unknown"),
            ("Transaction", f"{row.signature} #{row.instruction_index}"),
            ("Reason", row.reason or "-"),
            ("Why it does not go on", row.problem or "-"),
            ("Sent back by", row.return_signature or "-"),
        ]
        return {
            "title": f"Deposit of {self.shown_units(row)}",
            "timeline": timeline(stages),
            "facts": facts,
            "units": format_units(row.units, row.address.asset.decimals),
            "asset": row.address.asset,
            "may_propose": officer_of(request).has_perm("accounts.check_proposal"),
        }

    def propose_credit(self, request: HttpRequest, row: Deposit) -> str:
        units = parse_units(request.POST.get("amount", "").strip(), row.address.asset.decimals)
        operations.propose_credit(
            deposit_id=row.id,
            units=units,
            maker=officer_of(request),
            reason=request.POST.get("reason", ""),
            now=clock.now(),
        )
        return "Proposed: another officer has to confirm that it is credited."

    def propose_return(self, request: HttpRequest, row: Deposit) -> str:
        try:
            with SolanaChain.from_settings() as chain:
                operations.propose_return(
                    deposit_id=row.id,
                    return_signature=request.POST.get("return_signature", ""),
                    maker=officer_of(request),
                    reason=request.POST.get("reason", ""),
                    chain=chain,
                    now=clock.now(),
                )
        except GatewayUnavailable:
            raise ChainDoesNotAnswer from None
        return "Proposed: another officer has to confirm that it was sent back."

    @admin.display(description="Investor")
    def investor(self, deposit: Deposit) -> str:
        return str(deposit.address.investor or "the treasury")

    @admin.display(description="Amount")
    def shown_units(self, deposit: Deposit) -> str:
        return amount(deposit.units, deposit.address.asset)

    @display(description="State", label=DEPOSIT_TONES)  # type: ignore[untyped-decorator]
    def shown_state(self, deposit: Deposit) -> tuple[str, str]:
        return deposit.state, deposit.get_state_display()


@admin.register(DepositAddress)
class DepositAddressAdmin(ReadOnlyAdmin):
    list_display = ["address", "investor", "asset", "created_at"]
    list_select_related = ["investor", "asset"]
    search_fields = ["=address", "=token_account", "investor__display_name"]
    ordering = ["-id"]


@admin.register(ChainTransaction)
class ChainTransactionAdmin(ReadOnlyAdmin):
    list_display = ["signed_at", "kind", "key", "attempt", "shown_state", "slot", "final_at"]
    list_filter = ["kind", "state"]
    search_fields = ["=signature", "key"]
    exclude = ["signed_bytes"]
    ordering = ["-signed_at"]

    @display(description="State", label=CHAIN_TONES)  # type: ignore[untyped-decorator]
    def shown_state(self, row: ChainTransaction) -> tuple[str, str]:
        return row.state, row.get_state_display()


@admin.register(ReserveAttestation)
class ReserveAttestationAdmin(ReadOnlyAdmin):
    list_display = ["as_of", "asset", "shown_verdict", "settled", "unsettled", "supply", "owed"]
    list_filter = ["verdict", ("asset", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["asset"]
    ordering = ["-as_of"]

    @display(description="Verdict", label=VERDICT_TONES)  # type: ignore[untyped-decorator]
    def shown_verdict(self, row: ReserveAttestation) -> tuple[str, str]:
        return row.verdict, row.get_verdict_display()

    @admin.display(description="Shares settled")
    def settled(self, row: ReserveAttestation) -> str:
        return _shares(row.custodian_settled_units)

    @admin.display(description="Unsettled")
    def unsettled(self, row: ReserveAttestation) -> str:
        return _shares(row.custodian_unsettled_units)

    @admin.display(description="Tokens on the chain")
    def supply(self, row: ReserveAttestation) -> str:
        return amount(row.chain_supply_units, row.asset)

    @admin.display(description="Owed and in inventory")
    def owed(self, row: ReserveAttestation) -> str:
        return amount(row.investor_units + row.inventory_units, row.asset)


def _shares(units: int | None) -> str:
    return "unavailable" if units is None else format_units(units, 9)
