"""Balances move in fewer steps: trading balances at once, shared ones behind their locks.

A trading balance has one writer, the engine of its pool, and needs no lock to queue for;
so each is looked up once. The update also tells each account's asset, by which entries
must sum to zero. The same is refused as before; of what is wrong in two ways, units that
are not there show first.
"""

from importlib import import_module

from django.db import migrations

RULES = import_module("custody.migrations.0002_ledger_rules")
DATED = import_module("custody.migrations.0013_looking_back")

POSTINGS = """
CREATE OR REPLACE FUNCTION custody_book_postings() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- Planned anew at each call, knowing how many postings came: a plan made for two lines
-- would be a disaster for six thousand.
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    entries bigint[];
    entries_known bigint;
    earliest timestamptz;
    wrong bigint;
    own_ids bigint[];
    own_assets bigint[];
    shared_ids bigint[];
    shared_assets bigint[];
BEGIN
    SELECT array_agg(lines.entry_id),
           min(lines.entry_id) FILTER (WHERE lines.first <> 1 OR lines.last <> lines.n)
      INTO entries, wrong
      FROM (SELECT entry_id, count(*) AS n, min(line_no) AS first, max(line_no) AS last
              FROM booked GROUP BY entry_id) AS lines;
    IF entries IS NULL THEN
        RETURN NULL;
    END IF;
    -- Not "=", which would walk the index of transactions instead of the primary key.
    SELECT count(*), min(created_at) INTO entries_known, earliest
      FROM custody_journalentry
     WHERE id = ANY (entries) AND xid IS NOT DISTINCT FROM pg_current_xact_id();
    IF EXISTS (SELECT FROM custody_period WHERE ends_at > earliest) THEN
        RAISE EXCEPTION 'an entry is dated % into a closed period', earliest
            USING ERRCODE = 'check_violation', CONSTRAINT = 'entry_is_after_closed_periods';
    END IF;
    IF wrong IS NOT NULL OR entries_known <> cardinality(entries) THEN
        RAISE EXCEPTION 'postings came without their entry, or not all in one statement'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'posting_comes_with_its_entry';
    END IF;

    WITH moves AS MATERIALIZED (
        SELECT account_id, sum(units)::bigint AS units FROM booked GROUP BY account_id
    ), moved AS (
        UPDATE custody_ledgeraccount AS account
           SET posted_units = account.posted_units + moves.units
          FROM moves WHERE account.id = moves.account_id AND account.purpose = 'trading'
        RETURNING account.id, account.asset_id
    )
    SELECT coalesce(array_agg(id), '{}'), coalesce(array_agg(asset_id), '{}')
      INTO own_ids, own_assets FROM moved;

    SELECT coalesce(array_agg(DISTINCT booked.account_id), '{}') INTO shared_ids
      FROM booked LEFT JOIN unnest(own_ids) AS own (id) ON own.id = booked.account_id
     WHERE own.id IS NULL;
    -- In the order of ids, so that two writers of the same balances queue and never
    -- deadlock. Trading balances have one writer each and need no order.
    PERFORM 1 FROM custody_ledgeraccount
      WHERE id = ANY (shared_ids) ORDER BY id FOR NO KEY UPDATE;
    WITH moves AS MATERIALIZED (
        SELECT account_id, sum(units)::bigint AS units
          FROM booked WHERE account_id = ANY (shared_ids) GROUP BY account_id
    ), moved AS (
        UPDATE custody_ledgeraccount AS account
           SET posted_units = account.posted_units + moves.units
          FROM moves WHERE account.id = moves.account_id
        RETURNING account.id, account.asset_id
    )
    SELECT own_ids || array_agg(id), own_assets || array_agg(asset_id),
           coalesce(array_agg(asset_id), '{}')
      INTO own_ids, own_assets, shared_assets FROM moved;
    IF cardinality(shared_assets) <> cardinality(shared_ids) THEN
        RAISE EXCEPTION 'a posting names a ledger account that does not exist'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'posting_account_exists';
    END IF;

    SELECT booked.entry_id INTO wrong
      FROM booked JOIN unnest(own_ids, own_assets) AS account (id, asset_id)
        ON account.id = booked.account_id
     GROUP BY booked.entry_id, account.asset_id
    HAVING sum(booked.units) <> 0
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entry % does not sum to zero per asset', wrong
            USING ERRCODE = 'check_violation', CONSTRAINT = 'entry_is_balanced';
    END IF;
    RETURN NULL;
END $$;
"""

HOLDS = """
CREATE OR REPLACE FUNCTION custody_hold(account_ids bigint[], deltas bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE
    own bigint;
    shared bigint := 0;
BEGIN
    UPDATE custody_ledgeraccount AS account
       SET held_units = account.held_units + change.delta
      FROM unnest(account_ids, deltas) AS change (account_id, delta)
     WHERE account.id = change.account_id AND account.purpose = 'trading';
    GET DIAGNOSTICS own = ROW_COUNT;
    IF own < cardinality(account_ids) THEN
        PERFORM 1 FROM custody_ledgeraccount
          WHERE id = ANY (account_ids) AND purpose <> 'trading'
          ORDER BY id FOR NO KEY UPDATE;
        UPDATE custody_ledgeraccount AS account
           SET held_units = account.held_units + change.delta
          FROM unnest(account_ids, deltas) AS change (account_id, delta)
         WHERE account.id = change.account_id AND account.purpose <> 'trading';
        GET DIAGNOSTICS shared = ROW_COUNT;
    END IF;
    IF own + shared <> cardinality(account_ids) THEN
        RAISE EXCEPTION 'a hold names a ledger account twice, or one that does not exist'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'hold_account_exists';
    END IF;
END $$;
"""


def _before(text: str) -> str:
    functions = text.split("CREATE TRIGGER", maxsplit=1)[0]
    return functions.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


# As 0002 made them and 0013 changed one.
UNDO = (
    _before(RULES.POSTINGS)
    .replace("public\n-- Planned", "public, pg_temp\n-- Planned")
    .replace(DATED.DECLARED, DATED.DECLARED_TOO)
    .replace(DATED.COUNTED, DATED.COUNTED_AND_DATED)
) + _before(RULES.HOLDS)


class Migration(migrations.Migration):
    dependencies = [("custody", "0022_burns_are_asked_for")]

    operations = [migrations.RunSQL(POSTINGS + HOLDS, reverse_sql=UNDO)]
