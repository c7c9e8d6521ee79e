"""Whether minting and redeeming a token is halted: while a difference is open, it is.

A case is of a token, of its share, or of the money: USDC and the broker's dollars
pay for every token, so a difference there halts all of them. The database's
`custody_token_is_halted` says the same of transactions that are to be signed.
"""

from django.db.models import Exists, OuterRef, Q, QuerySet

from custody.ledger_purposes import AssetKind
from custody.models import Asset, ReconciliationCase
from kernel.refusals import Refusal

IS_MONEY = Q(asset__kind__in=[AssetKind.STABLECOIN, AssetKind.FIAT])


class AssetHalted(Refusal):
    """Minting and redeeming this token is halted while a difference is looked into."""

    code = "asset_halted"
    http_status = 409


def check_not_halted(token: Asset) -> None:
    """:raises AssetHalted: a difference of the token, its share or the money is open."""
    if list_halted_tokens().filter(pk=token.pk).exists():
        raise AssetHalted(
            f"Minting and redeeming {token.code} is halted while a difference is looked into."
        )


def list_halted_tokens() -> QuerySet[Asset]:
    """Tokens that cannot be minted or redeemed now, by code."""
    cases = ReconciliationCase.objects.filter(
        IS_MONEY | Q(asset__instrument=OuterRef("instrument")),
        state=ReconciliationCase.State.OPEN,
    )
    tokens = Asset.objects.filter(Exists(cases), kind=AssetKind.TOKEN)
    return tokens.order_by("code")
