"""Amounts, stages and links in words, for custody's back office."""

from collections.abc import Sequence
from datetime import datetime

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from custody.models import Asset, BlockOrder, CustodianOrder, MintRequest
from kernel.money import format_units, truncate_units

Stage = tuple[str, datetime | None]


def amount(units: int | None, asset: Asset) -> str:
    """ "100 AAPLx"; "unavailable" when nobody knows."""
    if units is None:
        return "unavailable"
    return f"{grouped(format_units(units, asset.decimals))} {asset.code}"


def money(micros: int | None, currency: str = "USD") -> str:
    """ "23,412.55 USD", truncated to cents."""
    return (
        "not known yet" if micros is None else f"{grouped(truncate_units(micros, 6, 2))} {currency}"
    )


def grouped(digits: str) -> str:
    """ "23,412.55": millions are misread without commas."""
    sign, rest = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    whole, point, fraction = rest.partition(".")
    return f"{sign}{int(whole):,}{point}{fraction}"


def mint_in_words(mint: MintRequest, reference_micros: int | None) -> str:
    """ "Mint 100 AAPLx = 100 shares of AAPL = 23,412.00 USD": what it cost, else the reference."""
    shares = grouped(format_units(mint.share_units, mint.share_asset.decimals))
    text = (
        f"Mint {amount(mint.token_units, mint.asset)} = {shares} shares of {mint.share_asset.code}"
    )
    if mint.order is not None and mint.order.cash_micros is not None:
        return f"{text} = {money(mint.order.cash_micros)} paid"
    if reference_micros is not None:
        cost = reference_micros * mint.share_units // 10**mint.share_asset.decimals
        return f"{text} = about {money(cost)} at the reference price"
    return text


def order_in_words(order: CustodianOrder | BlockOrder) -> str:
    """ "Buy 100 AAPL at 234.12 USD = 23,412.00 USD"."""
    text = f"{order.get_side_display()} {amount(order.units, order.asset)}"
    if order.price_micros is None:
        return text
    if order.filled_units != order.units:
        text += f", filled {amount(order.filled_units, order.asset)}"
    return f"{text} at {money(order.price_micros)} = {money(order.cash_micros)}"


def timeline(stages: Sequence[Stage]) -> SafeString:
    """Each stage with its time; what has not happened says so."""
    rows = format_html_join(
        "",
        '<tr><td style="padding-right: 2rem">{}</td><td>{}</td></tr>',
        ((name, f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "not yet") for name, at in stages),
    )
    return format_html("<table>{}</table>", rows)


def harmless(text: str) -> str:
    """A spreadsheet runs what begins like a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
