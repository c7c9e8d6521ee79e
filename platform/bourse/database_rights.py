"""What has to hold of every function and of the database, whatever migration came last.

Run as the owner after each migration:

- pgtrigger's functions ask a session variable whether to be passed over, and create that
  question anew with each trigger. Anybody may set such a variable, so the answer is no:
  neither the audit trail nor a proposal's body can be switched off by the application.
- A function that runs with its owner's rights must not find a caller's temporary table
  before the real one: pg_temp is searched last, and the application can make none.
"""

from typing import Any

from django.db import connections

NEVER_PASSED_OVER = """
CREATE OR REPLACE FUNCTION _pgtrigger_should_ignore(trigger_name name) RETURNS boolean
LANGUAGE sql IMMUTABLE AS 'SELECT false'
"""
# Those with a path of their own, and what they call; their other settings stay.
WITH_A_PATH = """
SELECT oid::regprocedure::text FROM pg_proc
 WHERE pronamespace = 'public'::regnamespace AND proowner = current_user::regrole
   AND EXISTS (SELECT FROM unnest(proconfig) AS setting
                WHERE setting LIKE 'search_path=%' AND setting NOT LIKE '%pg_temp')
"""
IS_OWNER = """
SELECT coalesce(bool_and(tableowner = current_user), false) FROM pg_tables
 WHERE schemaname = 'public' AND tablename = 'django_migrations'
"""
NO_TEMPORARY_TABLES = "REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC"


def take_rights_away(*, using: str, **kwargs: Any) -> None:
    """After migrations, by whoever ran them: the owner."""
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute(IS_OWNER)
        if not cursor.fetchone()[0]:
            return  # a migrate with nothing to do, as the application: it changes no rights
        cursor.execute(NEVER_PASSED_OVER)
        cursor.execute(WITH_A_PATH)
        for (function,) in cursor.fetchall():
            cursor.execute(
                f"ALTER FUNCTION {function} SET search_path = pg_catalog, public, pg_temp"
            )
        name = connection.ops.quote_name(connection.settings_dict["NAME"])
        cursor.execute(NO_TEMPORARY_TABLES.format(name))
