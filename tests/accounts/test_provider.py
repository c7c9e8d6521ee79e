"""The provider's side, over the wire to the sandbox's provider."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
from django.test import Client

from accounts import queries
from accounts.gateways.kyc_provider import SumsubProvider, verify_webhook
from accounts.models import KycCase, ProviderEvent, ScreeningHit
from accounts.operations.provider import apply_event, send_case
from accounts.states import KycStatus
from accounts.tasks import apply_provider_events, send_kyc_cases
from kernel.gateways import GatewayUnavailable
from sandbox.kyc import sign_webhook
from tests.accounts.conftest import SECRET, TOKEN, WEBHOOK_SECRET, Party
from tests.accounts.stories import (
    LATER,
    NOW,
    hand_in,
    load_lists,
    make_case,
    picture,
    put_at,
    reload,
)

pytestmark = pytest.mark.usefixtures("germany")


def deliver(body: dict[str, Any], **headers: str) -> Any:
    """Bring a webhook to our door as the provider does."""
    raw = json.dumps(body).encode()
    signed = {**sign_webhook(raw, WEBHOOK_SECRET), **headers}
    content_type = signed.pop("Content-Type")
    return Client().post("/webhooks/kyc/", raw, content_type=content_type, headers=signed)


def reviews(party: Party, case: KycCase) -> list[dict[str, Any]]:
    return [body for body in party.webhooks(case.id) if body["type"] == "applicantReviewed"]


def at_provider(party: Party, name: str = "erika", **changes: Any) -> KycCase:
    """A case that the provider is looking at, screened against an empty list."""
    load_lists()
    case = hand_in(make_case(name, **changes))
    return send_case(case_id=case.id, provider=party.provider, now=NOW)


def told(party: Party, case: KycCase, outcome: str) -> KycCase:
    """The provider decides, its webhooks come, our task runs."""
    party.review(case.id, outcome)
    for body in reviews(party, case):
        deliver(body)
    apply_provider_events()
    return reload(case)


def test_a_submitted_case_reaches_the_provider(party: Party) -> None:
    case = hand_in(make_case())

    send_kyc_cases()

    case = reload(case)
    assert case.status == KycStatus.PENDING_PROVIDER
    assert case.documents.get().sent_at is not None
    applicants = httpx.get(f"{party.url}/sandbox/kyc/applicants").json()
    [applicant] = [one for one in applicants if one["id"] == case.provider_applicant_id]
    assert applicant["fixedInfo"]["lastName"] == "Mustermann"
    assert applicant["info"]["idDocs"] == [{"idDocType": "PASSPORT", "country": "DEU"}]


def test_sending_again_after_a_crash_finds_the_same_applicant(party: Party) -> None:
    case = at_provider(party)
    put_at(case, KycStatus.SUBMITTED)

    again = send_case(case_id=case.id, provider=party.provider, now=LATER)

    assert again.provider_applicant_id == case.provider_applicant_id
    applicants = httpx.get(f"{party.url}/sandbox/kyc/applicants").json()
    assert len([one for one in applicants if one["externalUserId"] == str(case.id)]) == 1


def test_a_dead_provider_leaves_the_case_submitted() -> None:
    case = hand_in(make_case())
    nobody = SumsubProvider(url="http://127.0.0.1:1", token=TOKEN, secret=SECRET)

    with pytest.raises(GatewayUnavailable):
        send_case(case_id=case.id, provider=nobody, now=NOW)
    assert reload(case).status == KycStatus.SUBMITTED


def test_the_provider_refuses_a_wrong_signature(party: Party) -> None:
    stranger = SumsubProvider(url=party.url, token=TOKEN, secret="guessed")

    with pytest.raises(GatewayUnavailable, match="HTTP 401"):
        stranger.get_review("someone")


def test_green_approves_and_opens_the_market(party: Party) -> None:
    case = told(party, at_provider(party), "GREEN")

    assert case.status == KycStatus.APPROVED
    assert case.investor.first_approved_at is not None
    eligibility = queries.get_eligibility(investor_id=case.investor_id)
    assert eligibility is not None
    assert (eligibility.may_buy, eligibility.reason_code) == (True, "")


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Payload-Digest": "0" * 64},
        {"X-Payload-Digest": ""},
        {"X-Payload-Digest-Alg": "HMAC_MD5_HEX"},
        {"X-Payload-Digest-Alg": "HMAC_SHA512_HEX"},
        {"X-Payload-Digest": "ü"},
    ],
)
def test_a_webhook_with_a_wrong_digest_is_not_even_stored(
    party: Party, headers: dict[str, str]
) -> None:
    case = at_provider(party)
    party.review(case.id, "GREEN")

    assert deliver(reviews(party, case)[0], **headers).status_code == 401
    assert not ProviderEvent.objects.exists()


def test_without_a_secret_no_webhook_is_believed(
    party: Party, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr(settings.ENV, "kyc_webhook_secret", "")
    raw = b"{}"

    answer = Client().post(
        "/webhooks/kyc/", raw, content_type="application/json", headers=sign_webhook(raw, "")
    )
    assert answer.status_code == 401


def test_a_signed_webhook_that_is_no_event_is_refused(party: Party) -> None:
    assert deliver({"type": "applicantReviewed"}).status_code == 400
    assert deliver([]).status_code == 400  # type: ignore[arg-type]


def test_a_green_that_the_provider_does_not_confirm_approves_nobody(party: Party) -> None:
    case = at_provider(party)
    forged = {
        "type": "applicantReviewed", "applicantId": case.provider_applicant_id,
        "externalUserId": str(case.id), "createdAtMs": "2030-01-01 00:00:00.000",
        "reviewResult": {"reviewAnswer": "GREEN"},
    }  # fmt: skip

    deliver(forged)
    apply_provider_events()

    assert reload(case).status == KycStatus.PENDING_PROVIDER
    assert ProviderEvent.objects.get().state == ProviderEvent.State.STALE


def test_copies_of_a_webhook_are_one_event(party: Party) -> None:
    case = at_provider(party)
    party.review(case.id, "GREEN")
    body = reviews(party, case)[0]

    for _ in range(3):
        assert deliver(body).status_code == 200
    apply_provider_events()
    deliver(body)
    apply_provider_events()

    assert ProviderEvent.objects.get().copies == 4
    assert case.timeline.filter(kind="provider_review").count() == 1


def test_green_then_red_takes_the_approval_back(party: Party) -> None:
    case = told(party, at_provider(party), "GREEN")

    case = told(party, case, "RED")

    assert (case.status, case.reason_code) == (KycStatus.MANUAL_REVIEW, "provider_rejected")
    eligibility = queries.get_eligibility(investor_id=case.investor_id)
    assert eligibility is not None
    assert (eligibility.may_buy, eligibility.may_sell) == (False, True)


def test_green_and_red_in_the_wrong_order_end_red(party: Party) -> None:
    case = at_provider(party)
    party.review(case.id, "GREEN_THEN_RED")
    green, red = reviews(party, case)

    for body in (red, green):
        deliver(body)
        apply_provider_events()

    assert reload(case).status == KycStatus.MANUAL_REVIEW
    assert reload(case).provider_answer == "RED"


def test_red_alone_never_rejects(party: Party) -> None:
    case = told(party, at_provider(party), "RED")

    assert case.status == KycStatus.MANUAL_REVIEW


def test_a_retry_asks_for_a_new_document_and_goes_round_again(party: Party) -> None:
    case = told(party, at_provider(party), "RETRY")
    assert case.status == KycStatus.NEEDS_RESUBMISSION
    assert case.investor_message == "The picture is not sharp. Please take it again."
    assert [item.code for item in queries.list_missing(case)] == ["new_document"]

    from accounts.operations import kyc

    kyc.add_document(
        investor_id=case.investor_id, kind="passport", issuing_country="DE",
        content=picture(colour="grey"), now=LATER,
    )  # fmt: skip
    hand_in(case)
    send_case(case_id=case.id, provider=party.provider, now=LATER)

    assert told(party, case, "GREEN").status == KycStatus.APPROVED


def test_an_answer_faster_than_our_commit_waits(party: Party) -> None:
    case = put_at(at_provider(party), KycStatus.SUBMITTED)
    KycCase.objects.filter(id=case.id).update(provider_applicant_id=None)

    assert told(party, case, "GREEN").status == KycStatus.SUBMITTED
    assert ProviderEvent.objects.get().state == ProviderEvent.State.RECEIVED
    send_case(case_id=case.id, provider=party.provider, now=LATER)
    party.review(case.id, "GREEN")
    apply_provider_events()

    assert reload(case).status == KycStatus.APPROVED


def test_a_passport_that_proves_to_be_american_is_refused(party: Party) -> None:
    case = at_provider(party)
    party.provider.add_document(
        str(case.provider_applicant_id), kind="passport", country="US", picture=picture()
    )

    case = told(party, case, "GREEN")

    assert (case.status, case.reason_code) == (KycStatus.REJECTED, "us_person")


def test_a_politically_exposed_person_waits_for_officers(party: Party) -> None:
    case = told(party, at_provider(party, is_pep=True), "GREEN")

    assert (case.status, case.reason_code) == (KycStatus.MANUAL_REVIEW, "politically_exposed")


def test_a_name_close_to_a_sanctioned_one_waits_for_officers(party: Party) -> None:
    case = at_provider(party, family_names="Musterman-Qaida")
    load_lists(("MUSTERMANN QAIDA, Erika", ["1985"]))

    case = told(party, case, "GREEN")

    assert case.status == KycStatus.SCREENING_HIT
    hit = ScreeningHit.objects.get(case=case)
    assert (hit.source, hit.birth_date, hit.state) == ("un", "matches", "open")
    assert "sanction" not in case.investor_message.lower()


def test_without_any_sanctions_list_nobody_is_approved(party: Party) -> None:
    case = at_provider(party)
    from accounts.models import SanctionsList

    SanctionsList.objects.update(is_current=False)

    case = told(party, case, "GREEN")

    assert (case.status, case.reason_code) == (KycStatus.MANUAL_REVIEW, "no_sanctions_lists")


def test_events_about_nobody_are_ignored(party: Party) -> None:
    deliver(
        {"type": "applicantReviewed", "applicantId": "nobody", "createdAtMs": "2026-01-01 00:00:00"}
    )
    apply_provider_events()

    assert ProviderEvent.objects.get().state == ProviderEvent.State.IGNORED


def test_an_event_stays_while_the_provider_is_down(party: Party) -> None:
    case = at_provider(party)
    party.review(case.id, "GREEN")
    deliver(reviews(party, case)[0])
    event = ProviderEvent.objects.get()
    nobody = SumsubProvider(url="http://127.0.0.1:1", token=TOKEN, secret=SECRET)

    with pytest.raises(GatewayUnavailable):
        apply_event(event_id=event.pk, provider=nobody, now=NOW)

    event.refresh_from_db()
    assert (event.state, event.attempts) == ("received", 1)
    apply_event(event_id=event.pk, provider=party.provider, now=NOW + timedelta(seconds=2))
    assert reload(case).status == KycStatus.APPROVED


class _Receiver(BaseHTTPRequestHandler):
    received: list[tuple[dict[str, str], bytes]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append((dict(self.headers.items()), body))
        # The first delivery fails: the provider has to come back.
        self.send_response(500 if len(self.received) == 1 else 200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[str]:
    _Receiver.received = []
    server = HTTPServer(("127.0.0.1", 0), _Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/webhooks/kyc/"
    server.shutdown()
    thread.join()
    server.server_close()


async def test_the_sandbox_signs_its_webhooks_and_comes_back_after_a_failure(
    receiver: str, tmp_path: Any
) -> None:
    import asyncio

    from kernel import clock
    from sandbox.kyc import _work
    from sandbox.kyc_desk import Desk

    desk = Desk(tmp_path / "kyc.sqlite3", clock.now)
    desk.create("somebody", {"firstName": "Erika"})
    work = asyncio.create_task(_work(desk, receiver, WEBHOOK_SECRET))
    for _ in range(100):
        await asyncio.sleep(0.05)
        if len(_Receiver.received) >= 2:
            break
    work.cancel()

    assert len(_Receiver.received) == 2
    for headers, body in _Receiver.received:
        lower = {name.lower(): value for name, value in headers.items()}
        verify_webhook(body=body, headers=lower, secret=WEBHOOK_SECRET)
