"""Every address of Bourse. A page is closed unless its view says @login_not_required."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.urls import URLPattern, URLResolver, include, path

from bourse import admin_settlement, demo_time, health, views

# Django's own door to the admin counts no guesses and asks no second factor.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.home, name="home"),
    path("help/", views.help_page, name="help"),
    path("status/", views.status, name="status"),
    path("outbox/", views.outbox, name="outbox"),
    path("preferences/", views.preferences, name="preferences"),
    path("health/live", login_not_required(health.live), name="health_live"),
    path("health/ready", login_not_required(health.ready), name="health_ready"),
    path("", include("accounts.urls")),
    path("", include("custody.urls")),
    path("", include("trading.urls")),
    path("", include("reference.urls")),
    path("api/v1/", include("bourse.api")),
    path("0/", include("trading.kraken.urls")),
    path("account/", include("allauth.urls")),
    path("admin/demo-time/", demo_time.advance, name="demo_time"),
    path(
        "admin/settlement/",
        admin.site.admin_view(admin_settlement.settlement),
        name="settlement",
    ),
    path(
        "admin/settlement.csv",
        admin.site.admin_view(admin_settlement.settlement_csv),
        name="settlement_csv",
    ),
    path("admin/", admin.site.urls),
]

handler400 = views.bad_request
handler403 = views.forbidden
handler404 = views.not_found
handler500 = views.server_error
