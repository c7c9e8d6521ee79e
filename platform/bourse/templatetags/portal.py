"""How the portal writes numbers, times and small marks.

Amounts are integers in base units; an amount is never shown without what it is
an amount of, so `amount` returns digits alone only for table columns whose head
names the asset. Cash and shares are cut, never rounded up.
"""

import re
from datetime import UTC, datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any, Protocol

from django import template
from django.templatetags.static import static
from django.utils.formats import date_format
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from kernel.money import format_units

register = template.Library()

NOTHING = "–"
PRICE_DECIMALS = 6
AGE_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


class Counted(Protocol):
    """What an amount is an amount of, such as custody.models.Asset."""

    code: str
    decimals: int


@register.filter
def grouped(digits: str) -> str:
    """Write plain digits with a comma every three, the fraction as it is."""
    whole, point, fraction = digits.partition(".")
    return f"{int(whole):,}{point}{fraction}" if whole.lstrip("-") != "0" else digits


@register.filter
def amount(units: int | None, asset: Counted) -> str:
    """Base units as grouped digits: at least 2 decimals for money, as many as needed for tokens."""
    if units is None:
        return NOTHING
    places_min = 2 if asset.decimals == PRICE_DECIMALS else 0
    return grouped(format_units(units, asset.decimals, places_min=places_min))


@register.filter
def amount_of(units: int | None, asset: Counted) -> str:
    """Digits and the asset's code, kept on one line."""
    return NOTHING if units is None else f"{amount(units, asset)} {asset.code}"


@register.filter
def plain(units: int | None, asset: Counted) -> str:
    """Digits as a form field takes them: no grouping."""
    return "" if units is None else format_units(units, asset.decimals)


@register.filter
def price(units: int | None) -> str:
    """A price in micro-units of its quote currency, at least 2 decimals."""
    if units is None:
        return NOTHING
    return grouped(format_units(int(units), PRICE_DECIMALS, places_min=2))


@register.filter
def price_short(units: int | None) -> str:
    """A reference price, cut to 2 decimals: it is shown, never traded at."""
    if units is None:
        return NOTHING
    step = 10 ** (PRICE_DECIMALS - 2)
    return grouped(format_units(int(units) // step, 2, places_min=2))


UNAVAILABLE = "unavailable"


@register.filter
def shares(units: int | None) -> str:
    """Shares at the custodian (9 decimals); a count that failed is not a zero."""
    return UNAVAILABLE if units is None else grouped(format_units(units, 9))


@register.filter
def tokens(units: int | None) -> str:
    """Tokens (8 decimals); a count that failed is not a zero."""
    return UNAVAILABLE if units is None else grouped(format_units(units, 8))


@register.filter
def paragraphs(text: str) -> SafeString:
    """A text as paragraphs, parted by blank lines; a line's end inside of one is a space."""
    blocks = re.split(r"\n\s*\n", text.replace("\r\n", "\n").strip())
    return format_html_join("\n", "<p>{}</p>", ((" ".join(block.split()),) for block in blocks))


@register.filter
def parts_per_million(rate: int | None) -> str:
    """A fee rate in parts per million, as per cent."""
    if rate is None:
        return NOTHING
    return f"{Decimal(rate) / 10_000:f} %"


@register.simple_tag
def change(ratio: Decimal | float | None) -> SafeString | str:
    """A relative change with sign and arrow; the colour only repeats them."""
    if ratio is None:
        return format_html('<span class="muted">{}</span>', NOTHING)
    percent = (Decimal(str(ratio)) * 100).quantize(Decimal("0.01"), rounding=ROUND_DOWN)
    if percent == 0:
        return format_html('<span class="change muted">{} %</span>', "0.00")
    arrow, mark = ("▲", "up") if percent > 0 else ("▼", "down")
    return format_html(
        '<span class="change {}"><span aria-hidden="true">{}</span> {} %</span>',
        mark,
        arrow,
        f"{percent:+}".replace("-", "−"),
    )


@register.simple_tag
def when(moment: datetime | None, style: str = "full") -> SafeString | str:
    """A time in UTC that portal.js rewrites in the reader's zone; UTC stays on hover.

    `style` is "full" (day and minute), "day", "clock" (seconds) or "hour" (minutes).
    """
    if moment is None:
        return NOTHING
    moment = moment.astimezone(UTC)
    formats = {"full": "j M Y, H:i", "day": "j M Y", "clock": "H:i:s", "hour": "H:i"}
    text = date_format(moment, formats[style], use_l10n=False)
    suffix = "" if style == "day" else " UTC"
    return format_html(
        '<time datetime="{}" data-local="{}" title="{} UTC">{}{}</time>',
        moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        style,
        date_format(moment, "Y-m-d H:i:s", use_l10n=False),
        text,
        suffix,
    )


@register.filter
def age(seconds: float | None) -> str:
    """How old something is, in its two largest units: "2 h 14 min"."""
    if seconds is None:
        return NOTHING
    rest = max(0, int(seconds))
    words: list[str] = []
    for size, unit in AGE_STEPS:
        count, rest = divmod(rest, size)
        if count or (size == 1 and not words):
            words.append(f"{count} {unit}")
    return " ".join(words[:2])


@register.filter
def middle(text: Any, keep: int = 6) -> str:
    """Cut the middle out of a hash or address; both ends stay comparable."""
    word = str(text)
    return word if len(word) <= 2 * keep + 1 else f"{word[:keep]}…{word[-keep:]}"


@register.filter
def of_key(mapping: dict[Any, Any], key: Any) -> Any:
    return mapping.get(key)


@register.simple_tag
def icon(name: str, size: str = "") -> SafeString:
    """An icon of static/img/icons.svg, silent to screen readers."""
    return format_html(
        '<svg class="icon{}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        f" icon-{size}" if size else "",
        static("img/icons.svg"),
        name,
    )


@register.simple_tag(takes_context=True)
def page_link(context: template.RequestContext, **changes: Any) -> str:
    """This page's query string with some parameters changed; empty ones go."""
    query = context["request"].GET.copy()
    for key, value in changes.items():
        query[key] = value
        if value in ("", None):
            del query[key]
    return f"?{query.urlencode()}"


@register.simple_tag(takes_context=True)
def current(context: template.RequestContext, *prefixes: str) -> SafeString | str:
    """`aria-current` for a navigation link whose section this page belongs to."""
    path = context["request"].path if "request" in context else ""
    is_here = any(path.startswith(prefix) for prefix in prefixes)
    return SafeString(' aria-current="page"') if is_here else ""


WEB_ADDRESS = re.compile(r"https?://[^\s<>\"]+")


@register.filter
def with_links(text: str) -> SafeString:
    """Plain text with its web addresses as links, everything else escaped."""
    pieces, end = [], 0
    for found in WEB_ADDRESS.finditer(text):
        address = found.group()
        pieces.append(
            format_html('{}<a href="{}">{}</a>', text[end : found.start()], address, address)
        )
        end = found.end()
    return mark_safe("".join([*pieces, escape(text[end:])]))  # noqa: S308  each piece is escaped
