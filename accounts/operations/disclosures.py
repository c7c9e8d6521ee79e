"""Publishing what investors have to read, and keeping that they accepted it."""

import hashlib
from datetime import datetime

from django.db import transaction
from django.db.models import Max

from accounts import eligibility, queries
from accounts.models import Consent, Disclosure, Investor
from kernel.refusals import NotFound, Refusal


class DisclosureOutdated(Refusal):
    """There is a newer version. Read that one."""

    code = "disclosure_outdated"
    http_status = 409


@transaction.atomic
def publish(*, subject: str, title: str, body: str, now: datetime) -> Disclosure:
    """Publish the next version; the same text again is the version that is there."""
    sha256 = hashlib.sha256(f"{title}\n{body}".encode()).hexdigest()
    newest = Disclosure.objects.filter(subject=subject).order_by("-version").first()
    if newest and newest.sha256 == sha256:
        return newest
    version = Disclosure.objects.filter(subject=subject).aggregate(n=Max("version"))["n"] or 0
    return Disclosure.objects.create(
        subject=subject, version=version + 1, title=title, body=body, sha256=sha256,
        published_at=now,
    )  # fmt: skip


@transaction.atomic
def accept(*, investor_id: int, disclosure_id: int, ip: str | None, now: datetime) -> Consent:
    """Keep that the investor accepted this version; a second click is the same consent.

    :raises NotFound: no such investor or disclosure.
    :raises DisclosureOutdated: a newer version has been published.
    """
    disclosure = Disclosure.objects.filter(id=disclosure_id).first()
    if disclosure is None or not Investor.objects.filter(id=investor_id).exists():
        raise NotFound
    if queries.get_current_disclosure(subject=disclosure.subject) != disclosure:
        raise DisclosureOutdated
    consent, _ = Consent.objects.get_or_create(
        investor_id=investor_id, disclosure=disclosure, defaults={"ip": ip, "accepted_at": now}
    )
    eligibility.refresh(investor_id=investor_id, now=now)
    return consent
