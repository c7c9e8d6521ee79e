"""What every page of the portal shows around its content."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from accounts.models import Investor
from accounts.queries import get_investor_for
from kernel import clock
from reference.sessions import CalendarExhausted, SessionView, session_at, spell

THEMES = ("light", "dark")
UPDOWNS = ("green-up", "red-up")
SESSION_TONES = {"regular": "good", "pre": "info", "post": "info", "overnight": "info"}
KYC_BANNERS = {
    "none": "Verify who you are to deposit and trade.",
    "draft": "Your verification is not finished yet.",
    "submitted": "We are looking at your documents.",
    "pending_provider": "We are looking at your documents.",
    "needs_resubmission": "Your verification needs something more from you.",
    "manual_review": "A person is looking at your verification.",
    "screening_hit": "A person is looking at your verification.",
    "rejected": "Your verification was refused.",
    "suspended": "Your account is suspended.",
}
SILENT_ON = ("/verification/", "/admin/")


@dataclass(frozen=True, slots=True)
class Banner:
    text: str
    url: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class SessionBadge:
    """The session of the US market in two pieces: its name, and when it changes."""

    view: SessionView
    tone: str

    @property
    def title(self) -> str:
        return str(self.view.session.label)

    @property
    def next_change_at(self) -> Any:
        return self.view.next_change_at

    @property
    def until(self) -> str:
        view = self.view
        if view.is_regular:
            return f"closes in {spell(view.next_change_at - view.at)}"
        return f"regular hours in {spell(view.next_regular_open_at - view.at)}"


class Portal:
    """Lazy, so that a page that shows none of it asks the database for none of it."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.investor: Investor | None = SimpleLazyObject(self._get_investor)  # type: ignore[assignment]
        self.is_demo = settings.ENV.bourse_env == "development"
        self.has_outbox = not settings.ENV.email_url

    def _get_investor(self) -> Investor | None:
        user = getattr(self.request, "user", None)
        return get_investor_for(user) if user else None

    @property
    def theme(self) -> str:
        return _one_of(self.request.COOKIES.get("theme"), THEMES)

    @property
    def updown(self) -> str:
        return _one_of(self.request.COOKIES.get("updown"), UPDOWNS)

    @property
    def session(self) -> SessionBadge | None:
        try:
            view = session_at(clock.now())
        except CalendarExhausted:
            return None
        return SessionBadge(view, SESSION_TONES.get(view.session, "wait"))

    @property
    def banners(self) -> list[Banner]:
        user = getattr(self.request, "user", None)
        if user is None or not user.is_authenticated or user.is_staff:
            return []
        if self.request.path.startswith(SILENT_ON):
            return []
        status = self.investor.kyc_status if self.investor else "none"
        text = KYC_BANNERS.get(status)
        return [Banner(text, reverse("verification"), "Verification")] if text else []


def portal(request: HttpRequest) -> dict[str, Portal]:
    """The context processor."""
    return {"portal": Portal(request)}


def _one_of(value: str | None, allowed: tuple[str, ...]) -> str:
    return value if value in allowed else ""
