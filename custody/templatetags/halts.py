"""Whether minting and redeeming is halted, for pages that say so in plain words."""

from typing import Any

from django import template

from custody.halts import list_halted_tokens
from custody.models import Asset

register = template.Library()

NAMED_MAX = 8


@register.inclusion_tag("custody/partials/halted.html")
def halted_notice(asset: Asset | None = None, *, waiting: bool = False) -> dict[str, Any]:
    """A notice while tokens (or this one) are halted; nothing otherwise.

    :param waiting: a redemption of the reader's waits because of it.
    """
    halted = list_halted_tokens()
    if asset is not None:
        halted = halted.filter(pk=asset.pk)
    codes = list(halted.values_list("code", flat=True))
    # More than anybody reads; it is the money then, and every token is.
    names = ", ".join(codes) if len(codes) <= NAMED_MAX else "Tokens"
    return {"halted": names, "waiting": waiting}
