"""Balances as of every seal, and closed periods; docs/ledger.md, "Looking back".

- each ledger seal writes the balances that it moved, in its own INSERT;
- a period is closed by `custody_close_period` alone, which recomputes its balances;
- nothing is booked that is dated into a closed period.
"""

import django.db.models.deletion
from django.db import migrations, models

BALANCES = """
CREATE FUNCTION custody_balance_seal() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    INSERT INTO custody_sealedbalance (account_id, seal_n, posted_units)
    SELECT moved.account_id, NEW.n, moved.units + COALESCE(before.posted_units, 0)
      FROM (SELECT posting.account_id, sum(posting.units)::bigint AS units
              FROM custody_journalentry AS entry
              JOIN custody_posting AS posting ON posting.entry_id = entry.id
             WHERE entry.xid >= NEW.xid_from AND entry.xid < NEW.xid_to
             GROUP BY posting.account_id
            HAVING sum(posting.units) <> 0) AS moved
      LEFT JOIN LATERAL (SELECT posted_units FROM custody_sealedbalance AS earlier
                          WHERE earlier.account_id = moved.account_id AND earlier.seal_n < NEW.n
                          ORDER BY earlier.seal_n DESC LIMIT 1) AS before ON true;
    RETURN NULL;
END $$;

-- By trigger, so that no sealer of whatever version can leave a seal without balances.
CREATE TRIGGER custody_balance_seal AFTER INSERT ON custody_seal
    FOR EACH ROW WHEN (NEW.chain = 'ledger') EXECUTE FUNCTION custody_balance_seal();

INSERT INTO custody_sealedbalance (account_id, seal_n, posted_units)
SELECT moved.account_id, moved.n,
       sum(moved.units) OVER (PARTITION BY moved.account_id ORDER BY moved.n)
  FROM (SELECT posting.account_id, seal.n, sum(posting.units) AS units
          FROM custody_seal AS seal
          JOIN custody_journalentry AS entry
            ON entry.xid >= seal.xid_from AND entry.xid < seal.xid_to
          JOIN custody_posting AS posting ON posting.entry_id = entry.id
         WHERE seal.chain = 'ledger'
         GROUP BY posting.account_id, seal.n
        HAVING sum(posting.units) <> 0) AS moved;
"""

CLOSE = """
CREATE FUNCTION custody_close_period(closing_n bigint, closed_at timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
SET plan_cache_mode = force_custom_plan
-- Writers queue behind the lock that is waited for below: not for long.
SET lock_timeout = '500ms'
AS $$
DECLARE
    closing custody_seal;
    last custody_period;
    from_xid xid8 := '0';
    seen xid8;
    earliest timestamptz;
    wrong bigint;
BEGIN
    LOCK TABLE custody_period IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO closing FROM custody_seal WHERE chain = 'ledger' AND n = closing_n;
    SELECT * INTO last FROM custody_period ORDER BY n DESC LIMIT 1;
    IF closing.n IS NULL OR closing.n <= last.seal_n THEN
        RAISE EXCEPTION 'ledger seal % ends no new period', closing_n
            USING ERRCODE = 'check_violation', CONSTRAINT = 'period_ends_at_a_later_seal';
    END IF;
    IF last.n IS NOT NULL THEN
        SELECT xid_to INTO from_xid FROM custody_seal WHERE chain = 'ledger' AND n = last.seal_n;
    END IF;

    -- From the last close and the postings since, not from the running balances: they
    -- have to agree.
    CREATE TEMPORARY TABLE closing_balance ON COMMIT DROP AS
    SELECT account_id, sum(units)::bigint AS posted_units
      FROM (SELECT account_id, posted_units AS units FROM custody_sealedbalance
             WHERE seal_n = last.seal_n
             UNION ALL
            SELECT posting.account_id, posting.units
              FROM custody_journalentry AS entry
              JOIN custody_posting AS posting ON posting.entry_id = entry.id
             WHERE entry.xid >= from_xid AND entry.xid < closing.xid_to) AS moved
     GROUP BY account_id;
    SELECT min(account.id) INTO wrong
      FROM custody_ledgeraccount AS account
      LEFT JOIN closing_balance AS recomputed ON recomputed.account_id = account.id
      LEFT JOIN LATERAL (SELECT posted_units FROM custody_sealedbalance AS running
                          WHERE running.account_id = account.id AND running.seal_n <= closing_n
                          ORDER BY running.seal_n DESC LIMIT 1) AS stated ON true
     WHERE COALESCE(recomputed.posted_units, 0) <> COALESCE(stated.posted_units, 0);
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'ledger account % differs from its postings as of seal %', wrong, closing_n
            USING ERRCODE = 'check_violation', CONSTRAINT = 'closing_balances_agree';
    END IF;
    INSERT INTO custody_sealedbalance (account_id, seal_n, posted_units)
    SELECT account_id, closing_n, posted_units FROM closing_balance ON CONFLICT DO NOTHING;
    DROP TABLE closing_balance;

    -- What is dated before the end is covered by the seal: looked up first without the
    -- lock, then, while nobody writes, what has come meanwhile.
    seen := pg_snapshot_xmin(pg_current_snapshot());
    SELECT min(created_at) INTO earliest
      FROM custody_journalentry WHERE xid >= closing.xid_to AND xid < seen;
    LOCK TABLE custody_journalentry IN SHARE ROW EXCLUSIVE MODE;
    SELECT LEAST(earliest, min(created_at), closing.sealed_at) INTO earliest
      FROM custody_journalentry WHERE xid >= closing.xid_to AND xid >= seen;
    IF earliest <= last.ends_at THEN
        RAISE EXCEPTION 'the period would end before the last one'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'period_ends_at_a_later_seal';
    END IF;
    INSERT INTO custody_period (n, seal_n, ends_at, closed_at)
    VALUES (COALESCE(last.n, 0) + 1, closing_n, earliest, custody_close_period.closed_at);
    RETURN COALESCE(last.n, 0) + 1;
END $$;
REVOKE ALL ON FUNCTION custody_close_period FROM PUBLIC;
GRANT EXECUTE ON FUNCTION custody_close_period TO bourse_app;
"""

APPEND_ONLY = """
-- Named last: a temporary table of the application's could else stand before a real one.
ALTER FUNCTION custody_book_postings() SET search_path = pg_catalog, public, pg_temp;
CREATE TRIGGER custody_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON custody_sealedbalance
    FOR EACH STATEMENT EXECUTE FUNCTION custody_refuse_change();
CREATE TRIGGER custody_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON custody_period
    FOR EACH STATEMENT EXECUTE FUNCTION custody_refuse_change();
REVOKE ALL ON custody_sealedbalance, custody_period FROM bourse_app;
GRANT SELECT ON custody_sealedbalance, custody_period TO bourse_app;
"""

# In the place where 0002's function counts the entries; the rest of it stays as it is.
COUNTED = """    SELECT count(*) INTO entries_known
      FROM custody_journalentry
     WHERE id = ANY (entries) AND xid IS NOT DISTINCT FROM pg_current_xact_id();
"""
COUNTED_AND_DATED = """    SELECT count(*), min(created_at) INTO entries_known, earliest
      FROM custody_journalentry
     WHERE id = ANY (entries) AND xid IS NOT DISTINCT FROM pg_current_xact_id();
    IF EXISTS (SELECT FROM custody_period WHERE ends_at > earliest) THEN
        RAISE EXCEPTION 'an entry is dated % into a closed period', earliest
            USING ERRCODE = 'check_violation', CONSTRAINT = 'entry_is_after_closed_periods';
    END IF;
"""


def _change_function(editor, old, new):
    """Replace a part of the trigger's function, which must be there once."""
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_functiondef('custody_book_postings'::regproc)")
        definition = cursor.fetchone()[0]
    for before, after in zip(old, new, strict=True):
        assert definition.count(before) == 1, before
        definition = definition.replace(before, after)
    editor.execute(definition, params=None)


DECLARED = "    entries_known bigint;\n"
DECLARED_TOO = "    entries_known bigint;\n    earliest timestamptz;\n"


def refuse_closed_periods(apps, editor):
    _change_function(editor, (DECLARED, COUNTED), (DECLARED_TOO, COUNTED_AND_DATED))


def allow_closed_periods(apps, editor):
    _change_function(editor, (DECLARED_TOO, COUNTED_AND_DATED), (DECLARED, COUNTED))


UNDO = """
DROP FUNCTION custody_close_period;
DROP TRIGGER custody_balance_seal ON custody_seal;
DROP FUNCTION custody_balance_seal;
"""


class Migration(migrations.Migration):
    dependencies = [("custody", "0012_partial_fills")]

    operations = [
        migrations.CreateModel(
            name="Period",
            fields=[
                ("n", models.BigIntegerField(primary_key=True, serialize=False)),
                ("seal_n", models.BigIntegerField(unique=True)),
                ("ends_at", models.DateTimeField(unique=True)),
                ("closed_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("n__gte", 1)), name="period_numbers_start_at_one"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SealedBalance",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "account_id",
                        "seal_n",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("seal_n", models.BigIntegerField()),
                ("posted_units", models.BigIntegerField()),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="sealed_balances",
                        to="custody.ledgeraccount",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="seal",
            index=models.Index(fields=["chain", "xid_to"], name="seal_by_xid_to"),
        ),
        migrations.RunSQL(BALANCES + CLOSE + APPEND_ONLY, reverse_sql=UNDO),
        migrations.RunPython(refuse_closed_periods, allow_closed_periods),
    ]
