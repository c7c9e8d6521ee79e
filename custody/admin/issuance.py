"""Mint requests: started by one custody officer, approved by another."""

from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.admin.base import FileAdmin, officer_of
from custody import operations
from custody.admin.words import amount, mint_in_words, money, order_in_words, timeline
from custody.ledger_purposes import AssetKind, Purpose
from custody.mint_size import MintSize, check_mint_size, mint_size
from custody.models import Asset, CustodianOrder, LedgerAccount, MintRequest
from custody.operations.issuance import OFFICER_PERMISSION, share_units_for
from custody.operations.shares import get_share_asset
from kernel import clock
from kernel.ids import uuid7
from kernel.money import parse_units
from kernel.refusals import Refusal
from reference.queries import get_reference_price

TONES = {
    "awaiting_approval": "warning",
    "minted": "success",
    "rejected": "danger",
    "failed": "danger",
}


class StartMintForm(forms.Form):
    """What an officer writes; the amount in whole tokens and decimals."""

    asset = forms.ModelChoiceField(
        queryset=Asset.objects.filter(kind=AssetKind.TOKEN).order_by("code"),
        widget=UnfoldAdminSelectWidget,
    )
    tokens = forms.CharField(
        max_length=24,
        help_text="Plain digits, like 100 or 12.5.",
        widget=UnfoldAdminTextInputWidget,
    )
    shares = forms.ChoiceField(
        choices=[("buy", "Buy the shares first"), ("free", "Use settled shares that back nothing")],
        widget=UnfoldAdminSelectWidget,
    )
    reason = forms.CharField(max_length=300, widget=UnfoldAdminTextInputWidget)
    # One page, one mint: a second click sends the same id.
    mint_id = forms.UUIDField(initial=uuid7, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if "asset" in values and "tokens" in values:
            try:
                values["units"] = parse_units(values["tokens"], values["asset"].decimals)
            except Refusal as refusal:
                self.add_error("tokens", refusal.message)
            else:
                if values["units"] == 0:
                    self.add_error("tokens", "Enter more than zero.")
        return values


@admin.register(MintRequest)
class MintRequestAdmin(FileAdmin):
    list_display = ["in_words", "shown_state", "started_by", "requested_at", "minted_at"]
    list_filter = ["state", ("asset", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["asset", "share_asset", "order", "started_by"]
    search_fields = ["asset__code", "reason", "started_by__email", "started_by__full_name"]
    ordering = ["-requested_at"]
    file_template = "admin/custody/mintrequest/file.html"
    acts: ClassVar = {"approve": "approve", "turn_down": "turn_down"}
    list_before_template = "admin/custody/mintrequest/start_link.html"

    def get_urls(self) -> list[Any]:
        start = path("start/", self.admin_site.admin_view(self.start), name="custody_mint_start")
        return [start, *super().get_urls()]

    @admin.display(description="Request")
    def in_words(self, mint: MintRequest) -> str:
        return mint_in_words(mint, None)

    @display(description="State", label=TONES, ordering="state")  # type: ignore[untyped-decorator]
    def shown_state(self, mint: MintRequest) -> tuple[str, str]:
        return mint.state, mint.get_state_display()

    def file_context(self, request: HttpRequest, row: MintRequest) -> dict[str, Any]:
        officer, proposal = officer_of(request), row.proposal
        price = _reference_micros(row.asset)
        return {
            "title": mint_in_words(row, price),
            "in_words": mint_in_words(row, price),
            "beside": _beside(row.asset, row.token_units),
            "shares": amount(row.share_units, row.share_asset),
            "held": amount(row.held_units, row.share_asset),
            "proposal": proposal,
            "is_own": row.started_by_id == officer.pk,
            "may_decide": row.state == "awaiting_approval" and officer.has_perm(OFFICER_PERMISSION),
            "timeline": timeline(_stages(row)),
            "transaction": row.chain_transaction,
        }

    def approve(self, request: HttpRequest, mint: MintRequest) -> str:
        operations.approve_mint(
            mint_id=mint.id,
            checker=officer_of(request),
            body_hash=request.POST.get("body_hash", ""),
            now=clock.now(),
        )
        return f"Approved: {mint_in_words(mint, None)}. The tokens follow once the chain is final."

    def turn_down(self, request: HttpRequest, mint: MintRequest) -> str:
        operations.reject_mint(
            mint_id=mint.id,
            checker=officer_of(request),
            body_hash=request.POST.get("body_hash", ""),
            reason=request.POST.get("reason", ""),
            now=clock.now(),
        )
        return "Turned down; its shares are free again."

    def start(self, request: HttpRequest) -> HttpResponse:
        """Two steps: what would happen in words, then the start."""
        if not request.user.has_perm(OFFICER_PERMISSION):
            raise PermissionDenied
        form = StartMintForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                if "confirmed" in request.POST:
                    return self._started(request, form)
                return self._page(request, form, preview=_preview(form))
            except Refusal as refusal:
                messages.error(request, f"{refusal.message} ({refusal.code})")
        return self._page(request, form, preview="")

    def _started(self, request: HttpRequest, form: StartMintForm) -> HttpResponse:
        mint = operations.start_mint(
            asset_id=form.cleaned_data["asset"].pk,
            token_units=form.cleaned_data["units"],
            maker=officer_of(request),
            reason=form.cleaned_data["reason"],
            use_free_shares=form.cleaned_data["shares"] == "free",
            mint_id=form.cleaned_data["mint_id"],
            now=clock.now(),
        )
        messages.success(request, f"Started: {mint_in_words(mint, None)}.")
        return HttpResponseRedirect(reverse("admin:custody_mintrequest_change", args=[mint.pk]))

    def _page(self, request: HttpRequest, form: StartMintForm, *, preview: str) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Start a mint",
            "opts": self.opts,
            "form": form,
            "preview": preview,
            "free_shares": _free_shares(),
        }
        return TemplateResponse(request, "admin/custody/mintrequest/start.html", context)


@admin.register(CustodianOrder)
class CustodianOrderAdmin(FileAdmin):
    list_display = ["requested_at", "in_words", "state", "filled_at", "settles_at", "settled_at"]
    list_filter = ["side", "state"]
    list_select_related = ["asset"]
    search_fields = ["asset__code", "=custodian_order_id"]
    ordering = ["-requested_at"]
    file_template = "admin/custody/timeline.html"

    @admin.display(description="Order")
    def in_words(self, order: CustodianOrder) -> str:
        return order_in_words(order)

    def file_context(self, request: HttpRequest, row: CustodianOrder) -> dict[str, Any]:
        stages = [
            ("Asked for", row.requested_at),
            ("At the custodian", row.submitted_at),
            ("Filled", row.filled_at),
            ("Settles", row.settles_at),
            ("Settled", row.settled_at),
        ]
        facts = [
            ("Goes to the custodian in", _block_of(row)),
            ("The custodian's id", row.custodian_order_id or "not known yet"),
            ("State", row.get_state_display()),
            ("Filled", amount(row.filled_units, row.asset) if row.filled_units else "-"),
            ("Reason", row.reason or "-"),
            ("Why it does not go on", (row.block.problem if row.block else "") or "-"),
        ]
        return {"title": self.in_words(row), "timeline": timeline(stages), "facts": facts}


def _block_of(order: CustodianOrder) -> SafeString | str:
    if order.block is None:
        return "a block that is formed with the next sweep"
    url = reverse("admin:custody_blockorder_change", args=[order.block.pk])
    return format_html('<a class="text-primary-600" href="{}">{}</a>', url, order.block.pk)


def _stages(mint: MintRequest) -> list[Any]:
    return [
        ("Started", mint.requested_at),
        ("Shares ordered", mint.shares_ordered_at),
        ("Shares bought", mint.shares_bought_at),
        ("Shares settled and held", mint.shares_settled_at),
        ("Approved by a second officer", mint.approved_at),
        ("Signed for the chain", mint.minting_at),
        ("Final on the chain, in the inventory", mint.minted_at),
    ]


def _size_words(size: MintSize) -> str:
    """ "12.5 % of the supply of 800 tokens, 3 times the inventory"."""
    parts = [
        f"{_ratio_words(ratio)} {what}"
        for ratio, what in ((size.of_supply, "the supply"), (size.of_inventory, "the inventory"))
        if ratio is not None
    ]
    return " and ".join(parts) if parts else "the first tokens of this asset"


def _ratio_words(ratio: Decimal) -> str:
    if ratio >= 2:  # "1,234 % of" is misread
        return f"{ratio:,.1f} times"
    return f"{ratio * 100:.2f} % of"


def _preview(form: StartMintForm) -> str:
    token, units = form.cleaned_data["asset"], form.cleaned_data["units"]
    check_mint_size(token=token, units=units, now=clock.now())
    return f"{_what_happens(form)} {_beside(token, units)}"


def _beside(token: Asset, units: int) -> str:
    """What it is worth, and how large beside what there is: a zero too many shows here."""
    size = mint_size(token=token, units=units, now=clock.now())
    if size.value_micros is None:
        return f"That is {_size_words(size)}."
    return f"That is worth {money(size.value_micros)} at the reference price: {_size_words(size)}."


def _what_happens(form: StartMintForm) -> str:
    token, units = form.cleaned_data["asset"], form.cleaned_data["units"]
    share = get_share_asset(token)
    needed = share_units_for(token, share, units)
    price = _reference_micros(token)
    text = f"Mint {amount(units, token)} = {amount(needed, share)}"
    if form.cleaned_data["shares"] == "free":
        return f"{text}, from settled shares that back nothing yet."
    if price is None:
        return f"{text}, to be bought; there is no reference price now."
    cost = money(price * needed // 10**share.decimals)
    return f"{text}, to be bought for about {cost} at the next session."


def _reference_micros(token: Asset) -> int | None:
    assert token.instrument_id is not None
    view = get_reference_price(instrument_id=token.instrument_id, now=clock.now())
    return view.price_per_share_micros


def _free_shares() -> list[tuple[str, str]]:
    rows = LedgerAccount.objects.filter(purpose=Purpose.SHARES_FREE).select_related("asset")
    return [
        (row.asset.code, amount(row.available_units, row.asset))
        for row in rows.order_by("asset__code")
        if row.available_units
    ]
