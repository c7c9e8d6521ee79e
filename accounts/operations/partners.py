"""Partners, and which of them brought an investor. The engine learns of it by itself."""

from datetime import datetime

from django.db import IntegrityError, transaction

from accounts.models import Investor, Partner, User
from kernel.refusals import Forbidden, NotFound, Refusal

PERMISSION = "accounts.set_partner"


class PartnerExists(Refusal):
    """There is a partner with this code."""

    code = "partner_exists"
    http_status = 409


class PartnerMalformed(Refusal):
    """A partner has a name, and a code of small letters, digits and dashes."""

    code = "partner_malformed"


class PartnerInactive(Refusal):
    """This partner takes no new investors."""

    code = "partner_inactive"
    http_status = 409


def create_partner(*, code: str, name: str, officer: User, now: datetime) -> Partner:
    """A new partner, active.

    :raises Forbidden: the officer lacks the permission.
    :raises PartnerExists, PartnerMalformed: as they say.
    """
    _require_permission(officer)
    try:
        with transaction.atomic():
            return Partner.objects.create(code=code.strip(), name=name.strip(), created_at=now)
    except IntegrityError as error:
        if "partner_code_is_plain" in str(error) or "partner_has_a_name" in str(error):
            raise PartnerMalformed from None
        raise PartnerExists from None


def set_active(*, partner_id: int, is_active: bool, officer: User) -> None:
    """Whether the partner takes new investors.

    :raises Forbidden, NotFound: as they say.
    """
    _require_permission(officer)
    if Partner.objects.filter(id=partner_id).update(is_active=is_active) == 0:
        raise NotFound


def set_partner(*, investor_id: int, partner_id: int | None, officer: User) -> None:
    """Say who brought an investor (None: nobody); it takes effect at the engine's next batch.

    :raises Forbidden, NotFound, PartnerInactive: as they say.
    """
    _require_permission(officer)
    if partner_id is not None:
        partner = Partner.objects.filter(id=partner_id).first()
        if partner is None:
            raise NotFound
        if not partner.is_active:
            raise PartnerInactive
    if Investor.objects.filter(id=investor_id).update(partner_id=partner_id) == 0:
        raise NotFound


def _require_permission(officer: User) -> None:
    if not (officer.is_staff and officer.has_perm(PERMISSION)):
        raise Forbidden
