"""Moving the demo's clock from the staff's desk: to the next session, a day, an hour.

Only where the sandbox's clock is followed, which production refuses. The step is
asked of a sandbox party over its own wire; nothing here writes the clock.
"""

from datetime import datetime, timedelta

import httpx
from django.conf import settings
from django.contrib import messages
from django.contrib.admin.views.decorators import staff_member_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from kernel import clock
from kernel.gateways import GatewayUnavailable
from reference.sessions import session_at

TIMEOUT_SECONDS = 5
# A little after the bell, so that the feed has printed its first prices.
AFTER_THE_BELL = timedelta(minutes=1)
STEPS = {
    "hour": "One hour on",
    "day": "One day on",
    "session": "To the next regular session",
}


def is_movable() -> bool:
    """Whether this installation follows a sandbox's clock at all."""
    return settings.CLOCK_FILE is not None


@staff_member_required
@require_POST
def advance(request: HttpRequest) -> HttpResponse:
    """Move the clock by the step named, and say what time it is now."""
    if not is_movable():
        raise Http404("The clock of this installation is the real one.")
    step = request.POST.get("step", "")
    if step not in STEPS:
        messages.error(request, "Choose one of the steps.")
        return redirect("admin:index")
    try:
        reached = move_to(target(step, clock.now()))
    except GatewayUnavailable as unavailable:
        messages.error(request, f"The clock was not moved: {unavailable}")
    else:
        messages.success(request, f"It is now {reached:%a %d %b %Y, %H:%M} UTC in the demo.")
    return redirect("admin:index")


def target(step: str, now: datetime) -> datetime:
    """Where a step leads."""
    if step == "session":
        return session_at(now).next_regular_open_at + AFTER_THE_BELL
    return now + (timedelta(hours=1) if step == "hour" else timedelta(days=1))


def move_to(instant: datetime) -> datetime:
    """Ask the sandbox to move its clock.

    :raises GatewayUnavailable: no sandbox party answered, or it refused the step.
    """
    url = f"{settings.ENV.server('prices_url')}/sandbox/clock"
    try:
        answer = httpx.post(url, json={"to": instant.isoformat()}, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
    except httpx.HTTPError as problem:
        raise GatewayUnavailable("sandbox clock", str(problem)) from problem
    return datetime.fromisoformat(answer.json()["now"])
