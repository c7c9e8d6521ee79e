import itertools

import pytest

from accounts.states import EDITABLE, FLAGGED, TRANSITIONS, KycStatus, advance

PAIRS = list(itertools.product(KycStatus, KycStatus))


@pytest.mark.parametrize(("status", "target"), PAIRS)
def test_a_case_goes_only_where_the_table_says(status: KycStatus, target: KycStatus) -> None:
    if (status, target) in TRANSITIONS:
        assert advance(status=status, target=target) == target
    else:
        with pytest.raises(ValueError, match="cannot go"):
            advance(status=status, target=target)


def test_none_is_never_a_status_of_a_case() -> None:
    assert not [pair for pair in TRANSITIONS if KycStatus.NONE in pair]


def test_every_status_but_a_draft_can_be_reached() -> None:
    reached = {target for _, target in TRANSITIONS}
    assert set(KycStatus) - reached == {KycStatus.NONE, KycStatus.DRAFT}


def test_what_can_be_edited_is_not_decided_by_officers() -> None:
    assert not EDITABLE & FLAGGED
