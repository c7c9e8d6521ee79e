"""Since when something differs: the first seal that covers it."""

from custody.as_of import first_seal_covering
from custody.models.seals import Seal


def since_entry(xid: int) -> str:
    """The seal that covers what transaction `xid` wrote, in words."""
    seal = first_seal_covering(xid)
    return since_seal(seal) if seal else "after the last seal"


def since_seal(seal: Seal) -> str:
    return f"{seal}, {seal.sealed_at.isoformat()}"
