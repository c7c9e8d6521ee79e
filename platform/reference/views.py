"""The trading calendar, public."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from kernel import clock
from reference.queries import list_trading_days
from reference.sessions import NEW_YORK, session_at

DAYS_SHOWN = 30


@login_not_required
@require_safe
def calendar(request: HttpRequest) -> HttpResponse:
    """The session now and the next trading days with their hours."""
    now = clock.now()
    today = now.astimezone(NEW_YORK).date()
    context = {
        "session_now": session_at(now),
        "days": list_trading_days(since=today, days_max=DAYS_SHOWN),
    }
    return render(request, "reference/calendar.html", context)
