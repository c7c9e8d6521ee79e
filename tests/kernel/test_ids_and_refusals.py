"""Ids are ordered by time; refusals carry a stable code."""

import time

import pytest

from kernel.ids import uuid7
from kernel.refusals import Forbidden, NotFound, OutcomeUnknown, Refusal


def test_an_id_is_a_version_7_uuid_of_now() -> None:
    made = uuid7()
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert abs((made.int >> 80) - time.time() * 1000) < 1000


def test_later_ids_sort_after_earlier_ones() -> None:
    earlier = uuid7()
    time.sleep(0.002)
    assert uuid7() > earlier


def test_ids_do_not_repeat_and_sort_as_they_were_made() -> None:
    made = [uuid7() for _ in range(20_000)]  # many of them in one millisecond
    assert len(set(made)) == 20_000
    assert made == sorted(made)


def test_ids_keep_their_order_when_the_clock_steps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = uuid7()
    an_hour_ago = time.time_ns() - 3_600 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: an_hour_ago)
    assert uuid7() > earlier


@pytest.mark.parametrize(
    ("refusal", "code", "status"),
    [
        (NotFound, "not_found", 404),
        (Forbidden, "forbidden", 403),
        (OutcomeUnknown, "outcome_unknown", 504),
    ],
)
def test_a_refusal_says_what_to_answer(refusal: type[Refusal], code: str, status: int) -> None:
    assert (refusal.code, refusal.http_status) == (code, status)
    assert refusal().message
    assert refusal("Ask again.", order_id="x").message == "Ask again."
    assert refusal("Ask again.", order_id="x").details == {"order_id": "x"}


def test_a_refusal_without_words_takes_those_of_its_class() -> None:
    assert NotFound().message == "There is no such thing here, or it is not yours."
