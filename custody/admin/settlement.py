"""Block orders and settlement legs: to read, and to let one that is stuck go on."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html_join
from unfold.decorators import display

from accounts.admin.base import FileAdmin, officer_of
from custody import operations
from custody.admin.words import amount, money, order_in_words, timeline
from custody.models import BlockOrder, SettlementLeg
from custody.operations.settlement_blocks import OFFICER_PERMISSION
from kernel import clock

BLOCK_TONES = {"settled": "success", "rejected": "danger", "stuck": "danger"}
LEG_TONES = {"final": "success", "failed": "warning", "stuck": "danger"}
STUCK_BLOCK = (
    "The custodian did not answer for more than an hour. It may have taken this order: it is sent "
    "again under the same id, which the custodian takes once. Look first whether it answers."
)
STUCK_LEG = (
    "The chain failed this several times, and none of the transactions can land any more. Find "
    "out why (is the token paused, an account frozen, are fees missing?). Then let go of it: the "
    "next leg is planned from what lies where."
)


@admin.register(BlockOrder)
class BlockOrderAdmin(FileAdmin):
    list_display = ["formed_at", "in_words", "shown_state", "attempts", "settles_at", "settled_at"]
    list_filter = ["state", "side", ("asset", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["asset"]
    search_fields = ["=id", "=custodian_order_id", "asset__code"]
    ordering = ["-formed_at"]
    file_template = "admin/custody/stuck.html"
    acts: ClassVar = {"retry": "retry"}

    @admin.display(description="Block")
    def in_words(self, block: BlockOrder) -> str:
        return order_in_words(block)

    @display(description="State", label=BLOCK_TONES)  # type: ignore[untyped-decorator]
    def shown_state(self, block: BlockOrder) -> tuple[str, str]:
        return block.state, block.get_state_display()

    def file_context(self, request: HttpRequest, row: BlockOrder) -> dict[str, Any]:
        stages = [
            ("Formed", row.formed_at),
            ("At the custodian", row.submitted_at),
            ("Filled", row.filled_at),
            ("Divided among its orders", row.allocated_at),
            ("Settles", row.settles_at),
            ("Settled", row.settled_at),
        ]
        orders = row.orders.select_related("asset").order_by("requested_at", "id")
        words = ((order_in_words(order),) for order in orders)
        facts = [
            ("Our id (client_order_id)", str(row.id)),
            ("The custodian's id", row.custodian_order_id or "not known yet"),
            ("State", row.get_state_display()),
            ("Its orders", format_html_join("; ", "{}", words) or "sent again one by one"),
            ("Owed until it settles", money(row.owed_micros) if row.filled_at else "-"),
            ("Failures in a row", str(row.attempts)),
            ("Reason", row.reason or "-"),
            ("Why it does not go on", row.problem or "-"),
        ]
        return {
            "title": order_in_words(row),
            "timeline": timeline(stages),
            "facts": facts,
            **_stuck(request, row.state, STUCK_BLOCK, "Send it again"),
        }

    def retry(self, request: HttpRequest, block: BlockOrder) -> str:
        operations.retry_block(block_id=block.id, officer=officer_of(request))
        return "It is sent again with the next sweep, under the same id."


@admin.register(SettlementLeg)
class SettlementLegAdmin(FileAdmin):
    list_display = ["planned_at", "in_words", "shown_state", "attempts", "shown_why", "final_at"]
    list_filter = ["state", "direction", ("asset", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["asset"]
    search_fields = ["=id", "asset__code"]
    ordering = ["-planned_at"]
    file_template = "admin/custody/stuck.html"
    acts: ClassVar = {"retry": "retry"}

    @admin.display(description="Leg")
    def in_words(self, leg: SettlementLeg) -> str:
        return f"{amount(leg.units, leg.asset)}, {leg.get_direction_display().lower()} wallet"

    @display(description="State", label=LEG_TONES)  # type: ignore[untyped-decorator]
    def shown_state(self, leg: SettlementLeg) -> tuple[str, str]:
        return leg.state, leg.get_state_display()

    @admin.display(description="Why it does not go on")
    def shown_why(self, leg: SettlementLeg) -> str:
        return leg.reason or leg.problem or "-"

    def file_context(self, request: HttpRequest, row: SettlementLeg) -> dict[str, Any]:
        stages = [
            ("Planned", row.planned_at),
            ("Signed", row.signed_at),
            ("Final on the chain, and booked", row.final_at),
        ]
        if row.failed_at is not None:
            stages[2] = ("Let go of", row.failed_at)
        sent = row.chain_transaction
        facts = [
            ("Moves", self.in_words(row)),
            ("State", row.get_state_display()),
            ("Attempts that came to nothing", str(row.attempts)),
            ("Transaction", f"{sent.signature} ({sent.get_state_display()})" if sent else "-"),
            ("Why it is stuck", row.reason or "-"),
            ("Why it does not go on", row.problem or "-"),
        ]
        return {
            "title": f"Leg of {self.in_words(row)}",
            "timeline": timeline(stages),
            "facts": facts,
            **_stuck(request, row.state, STUCK_LEG, "Let go of it and plan the next"),
        }

    def retry(self, request: HttpRequest, leg: SettlementLeg) -> str:
        operations.retry_leg(leg_id=leg.id, officer=officer_of(request), now=clock.now())
        return "Let go of; the next leg is planned within a minute."


def _stuck(request: HttpRequest, state: str, advice: str, act: str) -> dict[str, Any]:
    """What a person may do about it, when there is anything."""
    may_retry = officer_of(request).has_perm(OFFICER_PERMISSION)
    return {"advice": advice if state == "stuck" else "", "act_in_words": act, "may": may_retry}
