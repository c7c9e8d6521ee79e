"""The KYC provider, in Sumsub's wire format: applicants out, signed webhooks in.

Requests carry `X-App-Token`, `X-App-Access-Ts` and `X-App-Access-Sig`, the hex
HMAC-SHA256 of timestamp + METHOD + path?query + body. Webhooks carry
`x-payload-digest` over the raw body, its algorithm in `x-payload-digest-alg`.
See https://docs.sumsub.com/reference and /docs/webhook-manager.
"""

import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import httpx
import pycountry

from kernel.gateways import GatewayUnavailable
from kernel.refusals import Refusal

PARTY = "KYC provider"
TIMEOUT_SECONDS = 10.0
LEVEL = "basic-kyc-level"
WEBHOOK_BYTES_MAX = 64 * 1024
DIGESTS = {
    "HMAC_SHA256_HEX": "sha256",
    "HMAC_SHA512_HEX": "sha512",
}
DOCUMENT_TYPES = {
    "passport": ("PASSPORT", None),
    "id_card_front": ("ID_CARD", "FRONT_SIDE"),
    "id_card_back": ("ID_CARD", "BACK_SIDE"),
    "driving_licence": ("DRIVERS", None),
    "residence_permit": ("RESIDENCE_PERMIT", None),
    "proof_of_address": ("UTILITY_BILL", None),
}
STATUS_DOCUMENT_TYPES = {"PASSPORT", "RESIDENCE_PERMIT"}


class BadDigest(Refusal):
    """The webhook's digest does not fit its body."""

    code = "bad_digest"
    http_status = 401


class MalformedWebhook(Refusal):
    """The webhook is signed but is not what the provider sends."""

    code = "malformed_webhook"
    http_status = 400


@dataclass(frozen=True, kw_only=True)
class Applicant:
    """What we tell the provider about a person."""

    external_id: str
    given_names: str
    family_names: str
    birth_date: str  # ISO
    country: str  # alpha-2


@dataclass(frozen=True, kw_only=True)
class Review:
    """The provider's present word on an applicant."""

    is_completed: bool
    answer: str = ""  # GREEN, RED
    is_final: bool = True  # RED only: no use in trying again
    labels: tuple[str, ...] = ()
    investor_comment: str = ""  # the provider writes it for the applicant's eyes
    staff_comment: str = ""
    reviewed_ms: int = 0  # by the provider's clock
    document_countries: tuple[str, ...] = ()  # alpha-2, of passports and permits


@dataclass(frozen=True, kw_only=True)
class Event:
    """A webhook, read; nothing in it is believed but that something happened."""

    type: str
    applicant_id: str
    external_id: str
    provider_ms: int


class KycProvider(Protocol):
    def create_applicant(self, applicant: Applicant) -> str: ...
    def add_document(
        self, applicant_id: str, *, kind: str, country: str, picture: bytes
    ) -> None: ...
    def request_check(self, applicant_id: str) -> None: ...
    def get_review(self, applicant_id: str) -> Review: ...


@dataclass(frozen=True, kw_only=True)
class SumsubProvider:
    """Every method raises GatewayUnavailable when there is no usable answer."""

    url: str
    token: str
    secret: str

    def create_applicant(self, applicant: Applicant) -> str:
        """The provider's id; the same one again when the applicant is already there."""
        content = {
            "externalUserId": applicant.external_id,
            "fixedInfo": {
                "firstName": applicant.given_names,
                "lastName": applicant.family_names,
                "dob": applicant.birth_date,
                "country": to_alpha_3(applicant.country),
            },
        }
        path = f"/resources/applicants?levelName={LEVEL}"
        answer = self._send("POST", path, json=content, accept={409})
        if answer.status_code == 409:
            path = f"/resources/applicants/-;externalUserId={applicant.external_id}/one"
            answer = self._send("GET", path)
        return str(_field(answer, "id"))

    def add_document(self, applicant_id: str, *, kind: str, country: str, picture: bytes) -> None:
        """One picture, as multipart with its metadata."""
        document_type, side = DOCUMENT_TYPES[kind]
        metadata = {"idDocType": document_type, "country": to_alpha_3(country)}
        if side:
            metadata["idDocSubType"] = side
        files = {
            "metadata": (None, json.dumps(metadata).encode(), "application/json"),
            "content": ("document.jpg", picture, "image/jpeg"),
        }
        self._send("POST", f"/resources/applicants/{applicant_id}/info/idDoc", files=files)

    def request_check(self, applicant_id: str) -> None:
        self._send("POST", f"/resources/applicants/{applicant_id}/status/pending")

    def get_review(self, applicant_id: str) -> Review:
        answer = self._send("GET", f"/resources/applicants/{applicant_id}/one")
        try:
            return read_review(answer.json())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise GatewayUnavailable(PARTY, f"unreadable applicant: {error}") from error

    def _send(
        self, method: str, path: str, *, accept: set[int] | None = None, **content: Any
    ) -> httpx.Response:
        try:
            with httpx.Client(base_url=self.url, timeout=TIMEOUT_SECONDS) as client:
                request = client.build_request(method, path, **content)
                request.headers.update(self._signature(request))
                answer = client.send(request)
        except httpx.HTTPError as error:
            raise GatewayUnavailable(PARTY, f"{method} {path}: {error}") from error
        if not answer.is_success and answer.status_code not in (accept or set()):
            raise GatewayUnavailable(PARTY, f"{method} {path}: HTTP {answer.status_code}")
        return answer

    def _signature(self, request: httpx.Request) -> dict[str, str]:
        # Real time: the provider compares it with its own clock.
        timestamp = str(int(time.time()))
        target = request.url.raw_path.decode()
        signed = f"{timestamp}{request.method}{target}".encode() + request.read()
        return {
            "X-App-Token": self.token,
            "X-App-Access-Ts": timestamp,
            "X-App-Access-Sig": hmac.digest(self.secret.encode(), signed, "sha256").hex(),
        }


def verify_webhook(*, body: bytes, headers: Mapping[str, str], secret: str) -> None:
    """Check the digest over the raw bytes, in constant time, before anything is read.

    :param headers: case-insensitive, as Django's request.headers.
    :raises BadDigest: no secret set, an algorithm we do not take, or another digest.
    """
    algorithm = DIGESTS.get(headers.get("x-payload-digest-alg", "HMAC_SHA256_HEX"))
    if not secret or algorithm is None:
        raise BadDigest
    expected = hmac.digest(secret.encode(), body, algorithm).hex().encode()
    if not hmac.compare_digest(expected, headers.get("x-payload-digest", "").encode()):
        raise BadDigest


def read_webhook(body: bytes) -> Event:
    """:raises MalformedWebhook: not a JSON object with type, applicantId and a time."""
    try:
        content = json.loads(body)
        return Event(
            type=str(content["type"])[:60],
            applicant_id=str(content["applicantId"])[:64],
            external_id=str(content.get("externalUserId", ""))[:64],
            provider_ms=_read_ms(content["createdAtMs"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedWebhook from error


def read_review(content: dict[str, Any]) -> Review:
    """An applicant as `GET /resources/applicants/{id}/one` gives it."""
    review = content.get("review") or {}
    result = review.get("reviewResult") or {}
    answer = str(result.get("reviewAnswer", ""))
    return Review(
        is_completed=review.get("reviewStatus") == "completed" and answer in {"GREEN", "RED"},
        answer=answer,
        is_final=result.get("reviewRejectType", "FINAL") == "FINAL",
        labels=tuple(str(label)[:60] for label in result.get("rejectLabels", [])),
        investor_comment=str(result.get("moderationComment", ""))[:2000],
        staff_comment=str(result.get("clientComment", ""))[:2000],
        reviewed_ms=_read_ms(review["reviewDate"]) if review.get("reviewDate") else 0,
        document_countries=_document_countries(content),
    )


def to_alpha_3(country: str) -> str:
    found = pycountry.countries.get(alpha_2=country)
    assert found is not None, "cases hold checked countries only"
    return str(found.alpha_3)


def _document_countries(content: dict[str, Any]) -> tuple[str, ...]:
    found = set()
    for document in (content.get("info") or {}).get("idDocs") or []:
        country = pycountry.countries.get(alpha_3=str(document.get("country", "")))
        if country and document.get("idDocType") in STATUS_DOCUMENT_TYPES:
            found.add(str(country.alpha_2))
    return tuple(sorted(found))


def _read_ms(text: str) -> int:
    """ "2026-01-31 13:23:19.321", in UTC, as milliseconds since 1970."""
    moment = datetime.fromisoformat(str(text).removesuffix("+0000"))
    return round(moment.replace(tzinfo=UTC).timestamp() * 1000)


def _field(answer: httpx.Response, name: str) -> object:
    try:
        return answer.json()[name]
    except (ValueError, KeyError, TypeError) as error:
        raise GatewayUnavailable(PARTY, f"an answer without {name}") from error
