"""Sealing and tampering, as tests do it: verbs for what the sealer and a superuser do."""

import time
from datetime import timedelta
from typing import Any, LiteralString

import psycopg
from django.db import connection

from custody import sealing
from custody.models import Seal
from tests import servers
from tests.ledger_stories import NOON


def seal_all(sealer: sealing.Sealer, seconds: int = 0) -> list[Seal]:
    """Seal what is committed by now."""
    wait_for_others()
    return sealer.seal(NOON + timedelta(seconds=seconds))


def wait_for_others() -> None:
    """Transaction ids belong to the whole server: other workers' tests hold seals back."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        next_xid = cursor.fetchone()[0]
    deadline = time.monotonic() + 60
    while sealing.oldest_running_xid() < next_xid:
        assert time.monotonic() < deadline, "another test's transaction does not end"
        time.sleep(0.02)


def as_superuser(*statements: LiteralString, **params: Any) -> None:
    """What nobody should be able to do, done by somebody who can do everything."""
    name = connection.settings_dict["NAME"]
    with psycopg.connect(servers.session_postgres().admin_url(name)) as raw:
        raw.execute("SET session_replication_role = replica")
        for statement in statements:
            assert raw.execute(statement, params).rowcount != 0
