"""What has to be true of the configuration before anything starts (production.py), for Django.

Django runs these with every command; servers that are not started by a command
(asgi.py, celery.py) call `refuse_unsafe()`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from bourse import production
from bourse.environment import Environment


@register(Tags.security)
def check_assertions_run(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """`python -O` removes the asserts in which the code says what it believes."""
    return refuse_optimized(debug=__debug__)


@register(Tags.security)
def check_environment(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """In production, refuse what is only good enough for a demo."""
    return list(find_unsafe(settings.ENV))


def refuse_optimized(*, debug: bool) -> list[CheckMessage]:
    return [] if debug else [Error(production.OPTIMIZED, id="bourse.E001")]


def find_unsafe(environment: Environment) -> Iterator[CheckMessage]:
    """Every reason for which this environment may not run in production."""
    for number, sentence in production.find_unsafe(environment):
        yield Error(sentence, id=f"bourse.E{number:03}")


def refuse_unsafe() -> None:
    """Exit 2 with one sentence a problem, for servers that no command starts."""
    production.refuse_unsafe(settings.ENV)
