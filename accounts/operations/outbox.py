"""Sending what the outbox holds, by mail."""

from datetime import datetime

from django.core.mail import send_mail
from django.db import transaction
from django.db.models import F

from accounts.models import Outbox

# Three days of trying every five seconds: longer than a mail server is away.
ATTEMPTS_MAX = 51_840


def send_notice(*, notice_id: int, now: datetime) -> None:
    """Send one notice, at least once; a failure counts and is tried again by the task.

    :raises OSError, smtplib.SMTPException: from the mail server.
    """
    Outbox.objects.filter(id=notice_id).update(attempts=F("attempts") + 1)
    with transaction.atomic():
        # Locked while it is sent, so that two workers do not both send it.
        notice = (
            Outbox.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("investor__user")
            .filter(id=notice_id, sent_at__isnull=True)
            .first()
        )
        if notice is None:
            return
        if notice.investor.user is not None:
            send_mail(notice.subject, notice.body, None, [notice.investor.user.email])
        Outbox.objects.filter(id=notice_id).update(sent_at=now)
