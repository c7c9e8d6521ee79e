"""What staff do with listings. The engine learns of each change through its inbox."""

from datetime import datetime

from django.db import DataError, IntegrityError, transaction

from custody.ledger_purposes import AssetKind
from custody.models import Asset
from kernel.refusals import NotFound, Refusal
from trading.models import Listing, ListingCountryBlock
from trading.states import ListingState

FIRST_POOL = 1


class AlreadyListed(Refusal):
    """This pair is listed already."""

    code = "already_listed"


class NotListable(Refusal):
    """Only a share token can be listed, against a stablecoin."""

    code = "not_listable"


class ReasonMissing(Refusal):
    """Say why: the reason is shown to investors and kept."""

    code = "reason_missing"


class UnknownListingState(Refusal):
    """There is no such state."""

    code = "unknown_listing_state"


class ListingStateChanged(Refusal):
    """Somebody else changed the state meanwhile. Look again."""

    code = "listing_state_changed"
    http_status = 409


class ProtectionOutOfRange(Refusal):
    """Hours are one of three, bands lie between 0 and 100 %, and an order must be possible."""

    code = "protection_out_of_range"


@transaction.atomic
def create_listing(
    *, asset_id: int, quote_id: int, now: datetime, pool_id: int = FIRST_POOL, **rules: int
) -> Listing:
    """List a token against a stablecoin; `rules` are fields of Listing such as tick_units.

    :raises NotListable, AlreadyListed: as they say.
    """
    asset, quote = Asset.objects.get(id=asset_id), Asset.objects.get(id=quote_id)
    if asset.kind != AssetKind.TOKEN or quote.kind != AssetKind.STABLECOIN:
        raise NotListable
    listing, is_new = Listing.objects.get_or_create(
        asset=asset,
        quote=quote,
        defaults={
            "symbol": f"{asset.code}{quote.code}",
            "wsname": f"{asset.code}/{quote.code}",
            "pool_id": pool_id,
            "created_at": now,
            **rules,
        },
    )
    if not is_new:
        raise AlreadyListed
    return listing


def set_listing_state(
    *,
    listing_id: int,
    state: str,
    reason: str,
    until: datetime | None = None,
    expected: str | None = None,
) -> None:
    """Move a listing to another state, with the reason that investors read.

    It takes effect at the engine's next batch. Resting orders stay, but those that the
    new state forbids; docs/matching.md has the table.

    :param expected: the state that the caller saw; None: whatever it is.
    :raises ReasonMissing, UnknownListingState, NotFound: as they say.
    :raises ListingStateChanged: it is no longer `expected`.
    """
    if state not in list(ListingState):
        raise UnknownListingState
    if not reason.strip() and state != ListingState.ONLINE:
        raise ReasonMissing
    listings = Listing.objects.filter(id=listing_id)
    if not listings.exists():
        raise NotFound
    if expected is not None:
        listings = listings.filter(state=expected)
    moved = listings.update(state=state, state_reason=reason.strip(), state_until=until)
    if moved == 0:
        raise ListingStateChanged


def set_protection(
    *,
    listing_id: int,
    hours: str | None = None,
    band_e6: int | None = None,
    collar_e6: int | None = None,
    protection_e6: int | None = None,
    max_cash_units: int | None = None,
    max_quantity_units: int | None = None,
) -> None:
    """Change when a listing trades, how far its prices may run, and its largest order.

    None leaves a field as it is. It takes effect at the engine's next batch; resting orders
    stay. Bands are in millionths, amounts in base units of the quote and of the token.

    :raises NotFound, ProtectionOutOfRange: as they say; nothing has changed.
    """
    wanted = {
        "hours": hours,
        "band_e6": band_e6,
        "collar_e6": collar_e6,
        "protection_e6": protection_e6,
        "max_cash_units": max_cash_units,
        "max_quantity_units": max_quantity_units,
    }
    changes = {name: value for name, value in wanted.items() if value is not None}
    try:
        with transaction.atomic():
            moved = Listing.objects.filter(id=listing_id).update(**changes)
    except (IntegrityError, DataError) as problem:  # the table knows the ranges
        raise ProtectionOutOfRange from problem
    if not moved:
        raise NotFound


def block_country(*, listing_id: int, country: str, reason: str) -> None:
    """Stop offering a listing in a country; its buy orders there are pulled, holdings stay.

    :raises ReasonMissing, NotFound: as they say.
    """
    if not reason.strip():
        raise ReasonMissing
    if not Listing.objects.filter(id=listing_id).exists():
        raise NotFound
    ListingCountryBlock.objects.update_or_create(
        listing_id=listing_id, country=country.upper(), defaults={"reason": reason.strip()}
    )


@transaction.atomic
def unblock_country(*, listing_id: int, country: str) -> None:
    """Offer a listing in a country again.

    :raises NotFound: it was not blocked there.
    """
    deleted, _ = ListingCountryBlock.objects.filter(
        listing_id=listing_id, country=country.upper()
    ).delete()
    if deleted == 0:
        raise NotFound
