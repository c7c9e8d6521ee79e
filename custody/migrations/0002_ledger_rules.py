"""What the database itself guarantees about the ledger; docs/ledger.md tells why.

- postings arrive with their entry, in one INSERT, sum to zero per asset, and move
  the balances: nothing else moves them;
- journal tables and seals are append-only, for the application by its rights, for
  everybody by a trigger;
- a `trading` balance is written only by a session that claimed its pool.
"""

from django.db import migrations

POSTINGS = """
CREATE FUNCTION custody_book_postings() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public
-- Planned anew at each call, knowing how many postings came: a plan made for two lines
-- would be a disaster for six thousand.
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    entries bigint[];
    entries_known bigint;
    wrong bigint;
    accounts_named bigint;
    accounts_moved bigint;
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
    SELECT count(*) INTO entries_known
      FROM custody_journalentry
     WHERE id = ANY (entries) AND xid IS NOT DISTINCT FROM pg_current_xact_id();
    IF wrong IS NOT NULL OR entries_known <> cardinality(entries) THEN
        RAISE EXCEPTION 'postings came without their entry, or not all in one statement'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'posting_comes_with_its_entry';
    END IF;

    SELECT booked.entry_id INTO wrong
      FROM booked JOIN custody_ledgeraccount AS account ON account.id = booked.account_id
     GROUP BY booked.entry_id, account.asset_id
    HAVING sum(booked.units) <> 0
     LIMIT 1;
    IF FOUND AND NOT EXISTS (
        SELECT FROM booked WHERE account_id NOT IN (SELECT id FROM custody_ledgeraccount)
    ) THEN
        RAISE EXCEPTION 'entry % does not sum to zero per asset', wrong
            USING ERRCODE = 'check_violation', CONSTRAINT = 'entry_is_balanced';
    END IF;

    -- In the order of ids, so that two writers of the same balances queue and never
    -- deadlock. Trading balances have one writer each and need no order.
    PERFORM 1 FROM custody_ledgeraccount
      WHERE id IN (SELECT account_id FROM booked) AND purpose <> 'trading'
      ORDER BY id FOR NO KEY UPDATE;

    WITH moves AS MATERIALIZED (
        SELECT account_id, sum(units)::bigint AS units FROM booked GROUP BY account_id
    ), moved AS (
        UPDATE custody_ledgeraccount AS account
           SET posted_units = account.posted_units + moves.units
          FROM moves WHERE account.id = moves.account_id
        RETURNING account.id
    )
    SELECT (SELECT count(*) FROM moves), (SELECT count(*) FROM moved)
      INTO accounts_named, accounts_moved;
    IF accounts_named <> accounts_moved THEN
        RAISE EXCEPTION 'a posting names a ledger account that does not exist'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'posting_account_exists';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER custody_book_postings AFTER INSERT ON custody_posting
    REFERENCING NEW TABLE AS booked
    FOR EACH STATEMENT EXECUTE FUNCTION custody_book_postings();
"""

HOLDS = """
CREATE FUNCTION custody_hold(account_ids bigint[], deltas bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE
    accounts_changed bigint;
BEGIN
    PERFORM 1 FROM custody_ledgeraccount
      WHERE id = ANY (account_ids) AND purpose <> 'trading'
      ORDER BY id FOR NO KEY UPDATE;
    UPDATE custody_ledgeraccount AS account
       SET held_units = account.held_units + change.delta
      FROM unnest(account_ids, deltas) AS change (account_id, delta)
     WHERE account.id = change.account_id;
    GET DIAGNOSTICS accounts_changed = ROW_COUNT;
    IF accounts_changed <> cardinality(account_ids) THEN
        RAISE EXCEPTION 'a hold names a ledger account twice, or one that does not exist'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'hold_account_exists';
    END IF;
END $$;
"""

ONE_WRITER = """
CREATE FUNCTION custody_refuse_foreign_pool() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'ledger account % belongs to the engine of pool %', NEW.id, NEW.pool
        USING ERRCODE = 'check_violation', CONSTRAINT = 'trading_balance_has_one_writer';
END $$;

-- The condition is judged without calling the function, so the engine pays next to nothing.
CREATE TRIGGER custody_trading_balance_has_one_writer
    AFTER UPDATE ON custody_ledgeraccount FOR EACH ROW
    WHEN (NEW.purpose = 'trading'
          AND current_setting('bourse.pool', true) IS DISTINCT FROM NEW.pool::text)
    EXECUTE FUNCTION custody_refuse_foreign_pool();
"""

APPEND_ONLY = """
CREATE FUNCTION custody_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: correct by a new row', TG_TABLE_NAME
        USING ERRCODE = 'check_violation', CONSTRAINT = 'history_is_append_only';
END $$;
CREATE TRIGGER custody_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON custody_journalentry
    FOR EACH STATEMENT EXECUTE FUNCTION custody_refuse_change();
CREATE TRIGGER custody_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON custody_posting
    FOR EACH STATEMENT EXECUTE FUNCTION custody_refuse_change();
CREATE TRIGGER custody_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON custody_seal
    FOR EACH STATEMENT EXECUTE FUNCTION custody_refuse_change();
CREATE TRIGGER custody_append_only BEFORE DELETE OR TRUNCATE ON custody_ledgeraccount
    FOR EACH STATEMENT EXECUTE FUNCTION custody_refuse_change();
"""

ASSETS = """
CREATE FUNCTION custody_refuse_other_asset() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what % is cannot change: its balances would mean something else', OLD.code
        USING ERRCODE = 'check_violation', CONSTRAINT = 'asset_stays_what_it_is';
END $$;
CREATE TRIGGER custody_asset_stays_what_it_is BEFORE UPDATE ON custody_asset FOR EACH ROW
    WHEN ((OLD.code, OLD.kind, OLD.decimals, OLD.instrument_id)
          IS DISTINCT FROM (NEW.code, NEW.kind, NEW.decimals, NEW.instrument_id))
    EXECUTE FUNCTION custody_refuse_other_asset();
"""

RIGHTS = """
REVOKE ALL ON custody_journalentry, custody_posting, custody_seal, custody_ledgeraccount
    FROM bourse_app;
GRANT SELECT ON custody_journalentry, custody_posting, custody_seal, custody_ledgeraccount
    TO bourse_app;
-- By column: the transaction's id and a first balance are never the application's to say.
GRANT INSERT (id, kind, key, reference, reverses_id, content_hash, created_at)
    ON custody_journalentry TO bourse_app;
GRANT INSERT (entry_id, line_no, account_id, units) ON custody_posting TO bourse_app;
GRANT INSERT (owner_id, asset_id, purpose, pool) ON custody_ledgeraccount TO bourse_app;
GRANT UPDATE (held_units) ON custody_ledgeraccount TO bourse_app;
GRANT INSERT ON custody_seal TO bourse_app;
"""

STORAGE = """
-- Room on each page for the next versions of its rows, so that a balance moves without
-- touching an index (HOT).
ALTER TABLE custody_ledgeraccount SET (fillfactor = 50);
ALTER TABLE custody_journalentry ADD CONSTRAINT journal_entry_hash_is_sha256
    CHECK (octet_length(content_hash) = 32);
CREATE SEQUENCE custody_entry_block_seq AS bigint;
GRANT USAGE ON SEQUENCE custody_entry_block_seq TO bourse_app;
"""

UNDO = """
DROP TRIGGER custody_asset_stays_what_it_is ON custody_asset;
DROP FUNCTION custody_refuse_other_asset;
DROP TRIGGER custody_append_only ON custody_ledgeraccount;
DROP TRIGGER custody_append_only ON custody_seal;
DROP TRIGGER custody_append_only ON custody_posting;
DROP TRIGGER custody_append_only ON custody_journalentry;
DROP TRIGGER custody_trading_balance_has_one_writer ON custody_ledgeraccount;
DROP TRIGGER custody_book_postings ON custody_posting;
DROP FUNCTION custody_refuse_change, custody_refuse_foreign_pool, custody_book_postings,
    custody_hold;
DROP SEQUENCE custody_entry_block_seq;
ALTER TABLE custody_journalentry DROP CONSTRAINT journal_entry_hash_is_sha256;
"""


class Migration(migrations.Migration):
    dependencies = [("custody", "0001_ledger")]

    operations = [
        migrations.RunSQL(
            STORAGE + POSTINGS + HOLDS + ONE_WRITER + APPEND_ONLY + ASSETS + RIGHTS,
            reverse_sql=UNDO,
        ),
    ]
