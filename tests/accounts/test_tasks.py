"""What the sweeps do with rows that fail, and with the outbox."""

from typing import Any

import pytest
from django.core import mail

from accounts.models import KycCase, Outbox
from accounts.operations.outbox import send_notice
from accounts.states import KycStatus
from accounts.tasks import BEAT_SCHEDULE, send_kyc_cases, send_notices
from tests.accounts.stories import hand_in, make_case, reload

pytestmark = pytest.mark.usefixtures("germany")


@pytest.fixture
def refused() -> KycCase:
    """Refused by our rules: one notice waits."""
    return hand_in(make_case(nationality="US"))


def test_a_notice_is_sent_once(refused: KycCase) -> None:
    send_notices()
    send_notices()

    [sent] = mail.outbox
    assert sent.to == ["erika@example.org"]
    assert "US citizen" in sent.body
    assert Outbox.objects.get().sent_at is not None


def test_a_notice_stays_while_the_mail_server_is_away(
    refused: KycCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: Any) -> None:
        raise ConnectionRefusedError("no mail server")

    monkeypatch.setattr("accounts.operations.outbox.send_mail", away)
    send_notices()
    waiting = Outbox.objects.get()
    assert (waiting.sent_at, waiting.attempts) == (None, 1)

    monkeypatch.undo()
    send_notices()
    assert len(mail.outbox) == 1


def test_one_case_that_cannot_be_sent_does_not_stop_the_sweep(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr(settings.ENV, "kyc_provider_url", "http://127.0.0.1:1")
    cases = [hand_in(make_case("erika")), hand_in(make_case("max"))]

    send_kyc_cases()

    assert {reload(case).status for case in cases} == {KycStatus.SUBMITTED}


@pytest.mark.parametrize("entry", BEAT_SCHEDULE.values(), ids=list(BEAT_SCHEDULE))
def test_beat_names_tasks_that_exist(entry: dict[str, Any]) -> None:
    from bourse.celery import app

    assert entry["task"] in app.tasks


def test_a_bug_over_one_notice_does_not_stop_the_others(
    refused: KycCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_in(make_case("max", nationality="US"))
    first, second = Outbox.objects.order_by("id")

    def poisoned(*, notice_id: int, now: Any) -> None:
        if notice_id == first.pk:
            raise KeyError("a bug")
        send_notice(notice_id=notice_id, now=now)

    monkeypatch.setattr("accounts.tasks.send_notice", poisoned)
    send_notices()

    assert len(mail.outbox) == 1
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.sent_at is None
    assert second.sent_at is not None
