"""In which country's name somebody asks: what is not offered there does not exist there."""

from accounts.queries import get_eligibility, get_investor


def country_of(*, investor_id: int | None) -> str | None:
    """The investor's country (ISO 3166 alpha-2); None for visitors and before KYC says."""
    if investor_id is None:
        return None
    snapshot = get_eligibility(investor_id=investor_id)
    known = snapshot.country if snapshot else ""
    return known or get_investor(investor_id=investor_id).residence_country or None
