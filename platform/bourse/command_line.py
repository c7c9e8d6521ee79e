"""What `manage.py` does before and after Django's own part.

A command that needs servers and finds none exits 2 with one sentence.
"""

import os
import sys

import psycopg

# These do their work without a server, or start their own.
SERVERLESS = {
    "build_calendar",
    "check",
    "collectstatic",
    "diffsettings",
    "findstatic",
    "help",
    "makemigrations",
    "spectacular",
    "sqlmigrate",
    "up",
    "version",
}
CONNECT_TIMEOUT_SECONDS = 5


def main(argv: list[str]) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bourse.settings")
    if argv[1:2] == ["up"]:
        # Before Django: the supervisor stays small and starts at once.
        from bourse.supervisor import cli

        sys.exit(cli.main(argv[2:]))
    if argv[1:2] == ["run_engine"]:
        # Without Django: a killed engine is back, and a stand-by small.
        from bourse import engine_process

        sys.exit(engine_process.main(argv[2:]))
    if needs_servers(argv):
        _require_database()
    from django.core.management import execute_from_command_line

    execute_from_command_line(argv)


def needs_servers(argv: list[str]) -> bool:
    """False for commands without servers, and for anybody who only asks for help."""
    if len(argv) < 2 or argv[1].startswith("-") or {"-h", "--help"} & set(argv[2:]):
        return False
    return argv[1] not in SERVERLESS


def _require_database() -> None:
    from django.conf import settings

    if not settings.DATABASE_URL:
        _leave("No database: start Bourse with `make run`, or set DATABASE_URL.")
    try:
        psycopg.connect(settings.DATABASE_URL, connect_timeout=CONNECT_TIMEOUT_SECONDS).close()
    except psycopg.ProgrammingError:
        _leave("DATABASE_URL is not an address like postgresql://user:password@host:5432/name.")
    except psycopg.OperationalError as problem:
        reason = str(problem).strip().splitlines()[-1]
        _leave(f"The database does not answer ({reason}): start Bourse with `make run`.")


def _leave(sentence: str) -> None:
    print(sentence, file=sys.stderr)
    sys.exit(2)
