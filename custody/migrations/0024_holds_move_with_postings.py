"""A balance's holds move in the same step as its postings, and plans fit any number of lines.

An engine's batch releases what its orders held, moves the units and holds for new
orders: three updates of the same balances, which were one. `custody_book` hands the
holds to the postings' trigger, which applies both at once; what is refused is judged
of the sum, as the batch is.

The trigger's statements are planned once for a session. PostgreSQL guesses the lines
of a statement by those of the session's first, so a session that began with many
looked at all balances for each few that came later, and the other way round.
"""

from importlib import import_module

from django.db import migrations

STEPS = import_module("custody.migrations.0023_balances_in_fewer_steps")

POSTINGS = """
CREATE OR REPLACE FUNCTION custody_book_postings() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
-- Balances are looked up one by one, by arrays whose length no plan knows: good for two
-- lines and for six thousand.
SET plan_cache_mode = force_generic_plan
-- Nor which tables will have grown since: an almost empty one would be read whole for ever.
SET enable_seqscan = off
AS $$
DECLARE
    entries bigint[];
    entries_known bigint;
    earliest timestamptz;
    wrong bigint;
    held text := coalesce(current_setting('bourse.holds', true), '');
    ids bigint[];
    sums bigint[];
    holds bigint[];
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

    IF held = '' THEN
        SELECT array_agg(account_id), array_agg(units), array_agg(0::bigint)
          INTO ids, sums, holds
          FROM (SELECT account_id, sum(units)::bigint AS units
                  FROM booked GROUP BY account_id) AS moves;
    ELSE
        PERFORM set_config('bourse.holds', '', true);
        SELECT array_agg(account_id), array_agg(units), array_agg(delta)
          INTO ids, sums, holds
          FROM (SELECT account_id, sum(units)::bigint AS units, sum(delta)::bigint AS delta
                  FROM (SELECT account_id, units, 0::bigint AS delta FROM booked
                         UNION ALL
                        SELECT id, 0, delta
                          FROM unnest(split_part(held, ';', 1)::bigint[],
                                      split_part(held, ';', 2)::bigint[]) AS hold (id, delta)
                       ) AS lines
                 GROUP BY account_id) AS moves;
    END IF;
    WITH moved AS (
        UPDATE custody_ledgeraccount AS account
           SET posted_units = account.posted_units + moves.units,
               held_units = account.held_units + moves.delta
          FROM unnest(ids, sums, holds) AS moves (account_id, units, delta)
         WHERE account.id = moves.account_id AND account.purpose = 'trading'
        RETURNING account.id, account.asset_id
    )
    SELECT coalesce(array_agg(id), '{}'), coalesce(array_agg(asset_id), '{}')
      INTO own_ids, own_assets FROM moved;

    IF cardinality(own_ids) < cardinality(ids) THEN
        SELECT array_agg(id) INTO shared_ids
          FROM (SELECT unnest(ids) AS id EXCEPT SELECT unnest(own_ids)) AS shared;
        -- In the order of ids, so that two writers of the same balances queue and never
        -- deadlock. Trading balances have one writer each and need no order.
        PERFORM 1 FROM custody_ledgeraccount
          WHERE id = ANY (shared_ids) ORDER BY id FOR NO KEY UPDATE;
        WITH moved AS (
            UPDATE custody_ledgeraccount AS account
               SET posted_units = account.posted_units + moves.units,
                   held_units = account.held_units + moves.delta
              FROM unnest(ids, sums, holds) AS moves (account_id, units, delta)
             WHERE moves.account_id = ANY (shared_ids) AND account.id = moves.account_id
            RETURNING account.id, account.asset_id
        )
        SELECT own_ids || array_agg(id), own_assets || array_agg(asset_id),
               coalesce(array_agg(asset_id), '{}')
          INTO own_ids, own_assets, shared_assets FROM moved;
        IF cardinality(shared_assets) <> cardinality(shared_ids) THEN
            RAISE EXCEPTION 'a posting names a ledger account that does not exist'
                USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'posting_account_exists';
        END IF;
    END IF;

    -- Two lists without an index between them: this plan must know how long they are.
    PERFORM set_config('plan_cache_mode', 'force_custom_plan', true);
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

BOOK = """
CREATE FUNCTION custody_book(
    entry_ids bigint[], line_nos smallint[], account_ids bigint[], units bigint[],
    held_ids bigint[], deltas bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF held_ids IS NULL OR cardinality(held_ids) IS DISTINCT FROM cardinality(deltas) THEN
        RAISE EXCEPTION 'each hold needs its ledger account'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'hold_account_exists';
    END IF;
    PERFORM set_config('bourse.holds', held_ids::text || ';' || deltas::text, true);
    INSERT INTO custody_posting (entry_id, line_no, account_id, units)
    SELECT * FROM unnest(entry_ids, line_nos, account_ids, units);
    IF current_setting('bourse.holds') <> '' THEN
        RAISE EXCEPTION 'holds came without postings'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'posting_comes_with_its_entry';
    END IF;
END $$;
"""

UNDO = STEPS.POSTINGS + """
DROP FUNCTION custody_book(bigint[], smallint[], bigint[], bigint[], bigint[], bigint[]);
"""


class Migration(migrations.Migration):
    dependencies = [("custody", "0023_balances_in_fewer_steps")]

    operations = [migrations.RunSQL(POSTINGS + BOOK, reverse_sql=UNDO)]
