"""Which seal "as of" means: a number, or the last one at an instant.

A seal covers what transactions below its `xid_to` wrote; nothing can be added below
it any more, so whatever is asked as of a seal has one answer for ever.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from custody.models.seals import Seal, SealChain
from kernel.refusals import Refusal

# Above every transaction's id: what is written until now.
XID_MAX = 2**64 - 1


class NoSuchSeal(Refusal):
    """There is no such seal."""

    code = "no_such_seal"
    http_status = 404


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at: the ledger as of a seal, or (`seal` None) as it is now."""

    seal: Seal | None = None

    @property
    def xid_to(self) -> int:
        return self.seal.xid_to if self.seal else XID_MAX


NOW = Scope()


def get_seal(as_of: int | datetime) -> Seal:
    """The ledger's seal of that number, or the last one made until that instant.

    :raises NoSuchSeal: no seal has the number, or none was made by then.
    """
    seals = Seal.objects.filter(chain=SealChain.LEDGER)
    if isinstance(as_of, int):
        seal = seals.filter(n=as_of).first()
    else:
        seal = seals.filter(sealed_at__lte=as_of).order_by("-n").first()
    if seal is None:
        raise NoSuchSeal(f"There is no ledger seal as of {as_of}.")
    return seal


def parse_as_of(text: str) -> int | datetime:
    """ "17" is a seal's number, anything else an ISO 8601 time (UTC unless it says otherwise).

    :raises ValueError: it is neither.
    """
    if text.isdecimal():
        return int(text)
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def first_seal_covering(xid: int) -> Seal | None:
    """The seal that covers what transaction `xid` wrote; None while it waits for one."""
    return Seal.objects.filter(chain=SealChain.LEDGER, xid_to__gt=xid).order_by("xid_to").first()
