"""Pages that belong to no app: landing page, help, status, mail outbox, preferences."""

from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from bourse import status as status_of
from bourse.shell import THEMES, UPDOWNS
from custody.pages import list_reserve_rows
from kernel import clock
from trading import pages
from trading.offering import ANYONE

MAILS_SHOWN_MAX = 50
YEAR_SECONDS = 365 * 24 * 3600
LANDING_SYMBOLS = ("AAPLxUSDC", "MSFTxUSDC", "SPYxUSDC", "QQQxUSDC", "GLDxUSDC")


@login_not_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The landing page; investors go on to their portfolio, staff to their desk."""
    if request.user.is_authenticated:
        return redirect("admin:index" if request.user.is_staff else "portfolio")
    now = clock.now()
    rows = pages.list_market_rows(reader=ANYONE, now=now)
    shown = [row for row in rows if row.listing.symbol in LANDING_SYMBOLS] or rows[:5]
    context = {"rows": shown, "count": len(rows), "reserves": list_reserve_rows()[:1], "now": now}
    return render(request, "bourse/home.html", context)


@login_not_required
@require_safe
def help_page(request: HttpRequest) -> HttpResponse:
    return render(request, "bourse/help.html")


@login_not_required
@require_safe
def status(request: HttpRequest) -> HttpResponse:
    """What works right now, in words; 503 when trading does not."""
    parts = status_of.look(now=clock.now())
    code = 200 if all(part.is_well for part in parts) else 503
    return render(
        request, "bourse/status.html", {"parts": parts, "is_well": code == 200}, status=code
    )


@login_not_required
@require_safe
def outbox(request: HttpRequest) -> HttpResponse:
    """The mails sent while no mail server is set, newest first; in development alone."""
    if settings.OUTBOX_DIR is None or settings.BOURSE_ENV != "development":
        raise Http404
    return render(request, "bourse/outbox.html", {"mails": _read_mails(settings.OUTBOX_DIR)})


def _read_mails(folder: Path) -> list[dict[str, str]]:
    files = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    mails = []
    for path in files[:MAILS_SHOWN_MAX]:
        for raw in reversed(path.read_bytes().split(b"\n" + b"-" * 79 + b"\n")):
            if raw.strip():
                mails.append(_as_dict(raw))
    return mails[:MAILS_SHOWN_MAX]


def _as_dict(raw: bytes) -> dict[str, str]:
    mail = message_from_bytes(raw.lstrip(), _class=EmailMessage, policy=policy.default)
    body = mail.get_body(("plain",))
    return {
        "subject": str(mail["Subject"]),
        "to": str(mail["To"]),
        "sent": str(mail["Date"]),
        "body": body.get_content() if body else "",
    }


@login_not_required
@require_POST
def preferences(request: HttpRequest) -> HttpResponse:
    """Keep the colours somebody chose in a cookie, and go back."""
    target = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure()):
        target = "/"
    response = HttpResponseRedirect(target)
    for name, allowed in (("theme", THEMES), ("updown", UPDOWNS)):
        if name not in request.POST:
            continue
        if request.POST[name] in allowed:
            response.set_cookie(
                name, request.POST[name], max_age=YEAR_SECONDS, samesite="Lax",
                secure=request.is_secure(), httponly=True,
            )  # fmt: skip
        else:
            response.delete_cookie(name)
    return response


@login_not_required
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "400.html", status=400)


@login_not_required
def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "403.html", status=403)


@login_not_required
def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "404.html", status=404)


@login_not_required
def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form came from a page older than the session; lead back to that page."""
    back = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}, request.is_secure()):
        back = ""
    return render(request, "403.html", {"is_csrf": True, "back": back}, status=403)


@login_not_required
def server_error(request: HttpRequest) -> HttpResponse:
    """Nothing that failed may be asked again here: no database, no context processors."""
    return HttpResponse(render_to_string("500.html"), status=500)
