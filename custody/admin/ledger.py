"""Assets, ledger accounts, entries with their postings, seals, pool transfers: to look at only."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from custody.models import Asset, JournalEntry, LedgerAccount, PoolTransfer, Posting, Seal
from kernel.money import format_units
from reference.read_only import ReadOnlyAdmin

POSTINGS_SHOWN_MAX = 200


class HistoryAdmin(ReadOnlyAdmin):
    """History is looked at here and written by operations alone."""

    # Counting a table of millions for each page would be slow; the planner's guess is not.
    show_full_result_count = False
    list_per_page = 50


@admin.register(Asset)
class AssetAdmin(HistoryAdmin):
    list_display = ("code", "name", "kind", "decimals", "instrument", "token_isin_shown")
    list_filter = ("kind",)
    search_fields = ("code", "name", "mint_address", "token_isin")
    list_select_related = ("instrument",)

    @admin.display(description="Token ISIN")
    def token_isin_shown(self, asset: Asset) -> str:
        if not asset.token_isin:
            return "not assigned"
        return f"{asset.token_isin} (test)" if asset.token_isin_is_test else asset.token_isin


@admin.register(LedgerAccount)
class LedgerAccountAdmin(HistoryAdmin):
    list_display = ("id", "owner_shown", "purpose", "asset", "pool", "posted", "held", "available")
    list_filter = ("purpose", "asset__kind")
    search_fields = ("owner__display_name", "asset__code")
    list_select_related = ("owner", "asset")
    readonly_fields = ("posted", "held", "available", "latest_postings")
    exclude = ("posted_units", "held_units")
    ordering = ("id",)

    @admin.display(description="Owner")
    def owner_shown(self, account: LedgerAccount) -> str:
        return str(account.owner) if account.owner else "house or outside party"

    @admin.display(description="Posted")
    def posted(self, account: LedgerAccount) -> str:
        return format_units(account.posted_units, account.asset.decimals)

    @admin.display(description="Held")
    def held(self, account: LedgerAccount) -> str:
        return format_units(account.held_units, account.asset.decimals)

    @admin.display(description="Available")
    def available(self, account: LedgerAccount) -> str:
        return format_units(account.available_units, account.asset.decimals)

    @admin.display(description="Latest postings")
    def latest_postings(self, account: LedgerAccount) -> SafeString:
        postings = account.postings.select_related("entry").order_by("-entry_id")
        return format_html_join(
            "",
            '<div>{} <a href="{}">{}</a> {}</div>',
            (
                (
                    posting.entry.created_at.strftime("%Y-%m-%d %H:%M:%S"),
                    reverse("admin:custody_journalentry_change", args=[posting.entry_id]),
                    posting.entry.kind,
                    format_units(posting.units, account.asset.decimals),
                )
                for posting in postings[:POSTINGS_SHOWN_MAX]
            ),
        )


@admin.register(JournalEntry)
class JournalEntryAdmin(HistoryAdmin):
    list_display = ("id", "kind", "key", "created_at")
    search_fields = ("=key", "=reference")
    search_help_text = "The exact key or reference."
    readonly_fields = ("postings_shown", "content_hash_shown", "seal_shown")
    exclude = ("content_hash",)
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[JournalEntry]:
        return JournalEntry.objects.select_related("reverses")

    @admin.display(description="Postings")
    def postings_shown(self, entry: JournalEntry) -> SafeString:
        postings = Posting.objects.filter(entry=entry).select_related(
            "account__asset", "account__owner"
        )
        rows = format_html_join(
            "",
            '<tr><td>{}</td><td><a href="{}">{}</a></td><td>{}</td><td align="right">{}</td></tr>',
            (
                (
                    posting.line_no,
                    reverse("admin:custody_ledgeraccount_change", args=[posting.account_id]),
                    f"{posting.account.owner or 'house'} {posting.account.purpose}",
                    posting.account.asset.code,
                    format_units(posting.units, posting.account.asset.decimals),
                )
                for posting in postings.order_by("line_no")[:POSTINGS_SHOWN_MAX]
            ),
        )
        return format_html("<table>{}</table>", rows)

    @admin.display(description="Content hash (SHA-256)")
    def content_hash_shown(self, entry: JournalEntry) -> str:
        return bytes(entry.content_hash).hex()

    @admin.display(description="Sealed by")
    def seal_shown(self, entry: JournalEntry) -> str:
        seal = Seal.objects.filter(
            chain="ledger", xid_from__lte=entry.xid, xid_to__gt=entry.xid
        ).first()
        return str(seal) if seal else "not yet sealed"


@admin.register(Seal)
class SealAdmin(HistoryAdmin):
    list_display = ("n", "chain", "sealed_at", "leaf_count", "root_shown", "key_id")
    list_filter = ("chain",)
    readonly_fields = ("root_shown", "previous_shown", "signature_shown")
    exclude = ("merkle_root", "previous_hash", "signature")
    ordering = ("-id",)

    @admin.display(description="Merkle root")
    def root_shown(self, seal: Seal) -> str:
        return bytes(seal.merkle_root).hex()

    @admin.display(description="Hash of the seal before")
    def previous_shown(self, seal: Seal) -> str:
        return bytes(seal.previous_hash).hex()

    @admin.display(description="Signature (Ed25519)")
    def signature_shown(self, seal: Seal) -> str:
        return bytes(seal.signature).hex()


@admin.register(PoolTransfer)
class PoolTransferAdmin(HistoryAdmin):
    list_display = (
        "requested_at",
        "investor",
        "direction",
        "amount",
        "purpose",
        "state",
        "done_batch",
        "swept_at",
    )
    list_filter = ("direction", "state", "purpose")
    list_select_related = ("investor", "asset")
    search_fields = ("=key", "investor__display_name")
    ordering = ("-requested_at",)

    @admin.display(description="Amount")
    def amount(self, transfer: PoolTransfer) -> str:
        return f"{format_units(transfer.units, transfer.asset.decimals)} {transfer.asset.code}"
