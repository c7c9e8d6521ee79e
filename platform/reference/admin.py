"""Reference data for staff to look at. It comes from files and feeds, so nothing
here is edited by hand: a correction is a corrected file, loaded again.
"""

from datetime import timedelta

from django.contrib import admin
from unfold.decorators import display

from kernel import clock
from kernel.money import format_units
from reference.models import CountryRule, Instrument, ReferencePrice, ReferenceTick, TradingDay
from reference.queries import STALE_AFTER_SECONDS
from reference.read_only import ReadOnlyAdmin
from reference.states import CountryStatus

DOLLAR_DECIMALS = 6


def dollars(micros: int | None) -> str:
    """Micro-dollars as "234.12 USD", or "unavailable"."""
    if micros is None:
        return "unavailable"
    return f"{format_units(micros, DOLLAR_DECIMALS, places_min=2)} USD"


@admin.register(Instrument)
class InstrumentAdmin(ReadOnlyAdmin):
    list_display = ["ticker", "name", "kind", "exchange", "isin", "price_source"]
    list_filter = ["kind", "exchange", "price_source"]
    search_fields = ["ticker", "name", "isin"]
    ordering = ["ticker"]


@admin.register(ReferencePrice)
class ReferencePriceAdmin(ReadOnlyAdmin):
    list_display = [
        "instrument",
        "shown_price",
        "session",
        "published_at",
        "shown_age",
        "is_halted",
    ]
    list_filter = ["session", "is_halted"]
    search_fields = ["instrument__ticker", "instrument__name"]
    list_select_related = ["instrument"]
    ordering = ["instrument__ticker"]

    @admin.display(description="Price per share", ordering="price_per_share_micros")
    def shown_price(self, row: ReferencePrice) -> str:
        return dollars(row.price_per_share_micros)

    @admin.display(description="Age", ordering="published_at")
    def shown_age(self, row: ReferencePrice) -> str:
        age = clock.now() - row.published_at
        seconds = int(age.total_seconds())
        is_recent = age <= timedelta(seconds=STALE_AFTER_SECONDS)
        return f"{seconds} s" if is_recent else f"{seconds // 60} min"


@admin.register(ReferenceTick)
class ReferenceTickAdmin(ReadOnlyAdmin):
    list_display = ["instrument", "shown_price", "session", "published_at", "received_at"]
    list_filter = ["session"]
    search_fields = ["instrument__ticker"]
    list_select_related = ["instrument"]
    show_full_result_count = False
    ordering = ["-id"]

    @admin.display(description="Price per share")
    def shown_price(self, row: ReferenceTick) -> str:
        return dollars(row.price_per_share_micros)


@admin.register(TradingDay)
class TradingDayAdmin(ReadOnlyAdmin):
    list_display = ["date", "pre_open_at", "open_at", "close_at", "post_close_at", "is_early_close"]
    list_filter = ["is_early_close"]
    date_hierarchy = "date"
    ordering = ["date"]


@admin.register(CountryRule)
class CountryRuleAdmin(ReadOnlyAdmin):
    list_display = ["name", "country", "shown_status", "reason"]
    list_filter = ["status"]
    search_fields = ["name", "country"]
    ordering = ["name"]

    @display(  # type: ignore[untyped-decorator]
        description="Status",
        ordering="status",
        label={CountryStatus.ALLOWED: "success", CountryStatus.BLOCKED: "danger"},
    )
    def shown_status(self, rule: CountryRule) -> str:
        return rule.status
