"""The life of a KYC case: one literal table, one door.

A case is a draft until the investor submits it, waits for our task and then for
the provider, and ends with a decision. An approved case can be taken up again:
the provider may take back a GREEN, a new sanctions list may name the investor.
"""

from enum import StrEnum


class KycStatus(StrEnum):
    NONE = "none"  # an investor without a case; never the status of a case
    DRAFT = "draft"  # the investor is filling the form
    SUBMITTED = "submitted"  # work left for us: tell the provider
    PENDING_PROVIDER = "pending_provider"  # the provider is looking
    NEEDS_RESUBMISSION = "needs_resubmission"  # the investor has to mend something
    MANUAL_REVIEW = "manual_review"  # two officers decide
    SCREENING_HIT = "screening_hit"  # a sanctioned name is close; two officers decide
    APPROVED = "approved"
    REJECTED = "rejected"
    SUSPENDED = "suspended"  # approved once, stopped by two officers


S = KycStatus
TRANSITIONS: frozenset[tuple[KycStatus, KycStatus]] = frozenset(
    {
        (S.DRAFT, S.SUBMITTED),
        (S.DRAFT, S.REJECTED),  # own rules: not offered to US persons or in that country
        (S.SUBMITTED, S.PENDING_PROVIDER),
        (S.PENDING_PROVIDER, S.NEEDS_RESUBMISSION),
        (S.PENDING_PROVIDER, S.MANUAL_REVIEW),
        (S.PENDING_PROVIDER, S.SCREENING_HIT),
        (S.PENDING_PROVIDER, S.APPROVED),
        (S.PENDING_PROVIDER, S.REJECTED),  # own rules: the passport proved to be a US one
        (S.NEEDS_RESUBMISSION, S.SUBMITTED),
        (S.NEEDS_RESUBMISSION, S.REJECTED),
        # The provider looks at the same documents again without being asked.
        (S.NEEDS_RESUBMISSION, S.APPROVED),
        (S.NEEDS_RESUBMISSION, S.SCREENING_HIT),
        (S.NEEDS_RESUBMISSION, S.MANUAL_REVIEW),
        (S.MANUAL_REVIEW, S.NEEDS_RESUBMISSION),
        (S.MANUAL_REVIEW, S.SCREENING_HIT),
        (S.MANUAL_REVIEW, S.APPROVED),
        (S.MANUAL_REVIEW, S.REJECTED),
        (S.SCREENING_HIT, S.APPROVED),
        (S.SCREENING_HIT, S.MANUAL_REVIEW),
        (S.SCREENING_HIT, S.REJECTED),
        (S.APPROVED, S.MANUAL_REVIEW),  # GREEN, then RED for fraud
        (S.APPROVED, S.SCREENING_HIT),  # named by a newer list
        (S.APPROVED, S.SUSPENDED),
        (S.SUSPENDED, S.MANUAL_REVIEW),
        (S.SUSPENDED, S.SCREENING_HIT),
        (S.SUSPENDED, S.APPROVED),
        (S.REJECTED, S.MANUAL_REVIEW),  # the investor asked a person to look again
    }
)

# The form and the documents may change only here.
EDITABLE = frozenset({S.DRAFT, S.NEEDS_RESUBMISSION})
# Staff see these as flagged; officers decide them.
FLAGGED = frozenset({S.MANUAL_REVIEW, S.SCREENING_HIT})


def advance(*, status: str, target: KycStatus) -> KycStatus:
    """The target, if a case may go there from `status`.

    :raises ValueError: the table has no such row: a bug of the caller.
    """
    if (KycStatus(status), target) not in TRANSITIONS:
        raise ValueError(f"A KYC case cannot go from {status} to {target}.")
    return target
