"""One settings file, read from the environment; see docs/reference/settings.md."""

import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from bourse.environment import BASE_DIR, UNSAFE_SECRET_KEY, Environment
from kernel import clock

try:
    ENV = Environment()
except ValidationError as error:
    wrong = "; ".join(f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
    print(f"The configuration is wrong: {wrong}", file=sys.stderr)
    sys.exit(2)

BOURSE_ENV = ENV.bourse_env
DEBUG = ENV.debug
SECRET_KEY = ENV.secret_key
ALLOWED_HOSTS = [host for host in ENV.allowed_hosts.split(",") if host]
CSRF_TRUSTED_ORIGINS = [origin for origin in ENV.csrf_trusted_origins.split(",") if origin]
VAR_DIR: Path = ENV.bourse_var_dir
CLOCK_FILE: Path | None = (
    VAR_DIR / "sandbox" / "clock.json" if ENV.bourse_clock == "sandbox" else None
)
clock.configure(CLOCK_FILE)

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "django_cotton",
    "csp",
    "pgtrigger",
    "pghistory",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "reference",
    "accounts",
    "custody",
    "trading",
    "reporting",
    "bourse",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "csp.middleware.CSPMiddleware",
]

ROOT_URLCONF = "bourse.urls"
ASGI_APPLICATION = "bourse.asgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = VAR_DIR / "static"


def database(url: str, *, pool_max: int) -> dict[str, Any]:
    """A Django database from `postgresql://user:password@host:port/name?host=/socket`."""
    parts = urlsplit(url)
    options: dict[str, Any] = {}
    if pool_max:
        options["pool"] = {"min_size": 0, "max_size": pool_max, "timeout": 10}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
    }


# Two roles: the application may not change what is booked (custody/migrations),
# so migrations run as the owner: `manage.py migrate --database owner`.
DATABASE_URL = ENV.server("database_url")
DATABASE_OWNER_URL = ENV.server("database_owner_url")
DATABASES = {
    "default": database(DATABASE_URL, pool_max=ENV.database_pool_max),
    "owner": database(DATABASE_OWNER_URL or DATABASE_URL, pool_max=0),
}
DATABASES["owner"]["TEST"] = {"MIRROR": "default"}

REDIS_URL = ENV.server("redis_url")
CELERY_BROKER_URL = ENV.server("celery_broker_url") or REDIS_URL
