"""Runs that compare the ledger with the outside, and the cases that differences open.

- runs and figures are written once;
- a case begins open, with the figures of its run, and is about the same for ever;
- two officers close it, and only while its newest figures match;
- no mint or burn is signed for a token that an open case halts.
"""

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
import kernel.ids
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

HALT = """
CREATE FUNCTION custody_token_is_halted(of_token bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    SELECT EXISTS (
        SELECT FROM custody_reconciliationcase AS opened
          JOIN custody_asset AS differs ON differs.id = opened.asset_id
         WHERE opened.state = 'open'
           -- Every token is paid for and paid out in money.
           AND (differs.kind IN ('stablecoin', 'fiat')
                OR differs.instrument_id = (SELECT instrument_id FROM custody_asset
                                             WHERE id = of_token)))
$$;

CREATE FUNCTION custody_refuse_while_halted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    of_request uuid;
    of_token bigint;
BEGIN
    IF NEW.key ~ '^(mint|burn):[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
        of_request := split_part(NEW.key, ':', 2)::uuid;
        SELECT asset_id INTO of_token FROM custody_mintrequest
         WHERE id = of_request AND NEW.kind = 'mint';
        IF of_token IS NULL THEN
            SELECT asset_id INTO of_token FROM custody_redemption
             WHERE id = of_request AND NEW.kind = 'burn';
        END IF;
    END IF;
    -- Whose request nobody knows is nobody's to sign while anything is halted.
    IF custody_token_is_halted(of_token)
       OR (of_token IS NULL
           AND EXISTS (SELECT FROM custody_reconciliationcase WHERE state = 'open')) THEN
        RAISE EXCEPTION 'a difference is open: no % is signed for %', NEW.kind, NEW.key
            USING ERRCODE = 'check_violation', CONSTRAINT = 'halted_tokens_are_not_signed_for';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER custody_refuse_while_halted BEFORE INSERT ON custody_chaintransaction
    FOR EACH ROW WHEN (NEW.kind IN ('mint', 'burn'))
    EXECUTE FUNCTION custody_refuse_while_halted();
"""

CASES = """
CREATE FUNCTION custody_check_reconciliation_case() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    newest text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'open' OR NOT EXISTS (
               SELECT FROM custody_reconciliationfigure
                WHERE run_id = NEW.run_id AND asset_id = NEW.asset_id AND what = NEW.what
                  AND verdict = 'break'
                  AND (ledger_units, party_units, in_flight_low, in_flight_high)
                    = (NEW.ledger_units, NEW.party_units, NEW.in_flight_low, NEW.in_flight_high))
        THEN
            RAISE EXCEPTION 'a case begins open, with the figures of its run'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'case_is_of_its_run';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.id, NEW.asset_id, NEW.what, NEW.run_id, NEW.ledger_units, NEW.party_units,
        NEW.difference_units, NEW.in_flight_low, NEW.in_flight_high, NEW.opened_at)
       IS DISTINCT FROM (OLD.id, OLD.asset_id, OLD.what, OLD.run_id, OLD.ledger_units,
                         OLD.party_units, OLD.difference_units, OLD.in_flight_low,
                         OLD.in_flight_high, OLD.opened_at)
       OR OLD.state = 'closed' THEN
        RAISE EXCEPTION 'what case % found never changes, and what is closed stays closed', OLD.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'case_is_what_was_found';
    END IF;
    IF NEW.state = 'closed' THEN
        IF NOT EXISTS (SELECT FROM accounts_proposal
                        WHERE id = NEW.proposal_id AND state IN ('approved', 'executed')
                          AND kind = 'reconciliation_case'
                          AND subject = 'reconciliation_case:' || NEW.id
                          AND checker_id IS NOT NULL AND checker_id <> maker_id) THEN
            RAISE EXCEPTION 'case % has no second officer''s approval', NEW.id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'case_needs_two_officers';
        END IF;
        SELECT verdict INTO newest FROM custody_reconciliationfigure
         WHERE asset_id = NEW.asset_id AND what = NEW.what ORDER BY id DESC LIMIT 1;
        IF newest IS DISTINCT FROM 'matches' THEN
            RAISE EXCEPTION 'the figures of case % do not match', NEW.id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'closed_cases_match';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER custody_check_reconciliation_case
    BEFORE INSERT OR UPDATE ON custody_reconciliationcase
    FOR EACH ROW EXECUTE FUNCTION custody_check_reconciliation_case();
"""

RIGHTS = """
CREATE TRIGGER custody_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
    ON custody_reconciliationrun
    FOR EACH STATEMENT EXECUTE FUNCTION custody_refuse_change();
CREATE TRIGGER custody_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
    ON custody_reconciliationfigure
    FOR EACH STATEMENT EXECUTE FUNCTION custody_refuse_change();
REVOKE UPDATE, DELETE ON custody_reconciliationrun, custody_reconciliationfigure FROM bourse_app;
REVOKE UPDATE, DELETE ON custody_reconciliationcase FROM bourse_app;
GRANT UPDATE (state, closed_at, explanation, proposal_id, matches_since)
    ON custody_reconciliationcase TO bourse_app;
"""

UNDO = """
DROP TRIGGER custody_refuse_while_halted ON custody_chaintransaction;
DROP TRIGGER custody_check_reconciliation_case ON custody_reconciliationcase;
DROP TRIGGER custody_append_only ON custody_reconciliationrun;
DROP TRIGGER custody_append_only ON custody_reconciliationfigure;
DROP FUNCTION custody_refuse_while_halted, custody_check_reconciliation_case,
    custody_token_is_halted;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0003_narrower_rights'),
        ('custody', '0017_attestation_seal'),
        ('pghistory', '0007_auto_20250421_0444'),
    ]

    operations = [
        migrations.CreateModel(
            name='ReconciliationCase',
            fields=[
                ('id', models.UUIDField(default=kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('what', models.CharField(choices=[('supply', 'Tokens in circulation on the chain'), ('hot_wallet', 'Tokens in the hot wallet'), ('issuance_wallet', 'Tokens in the issuance wallet'), ('shares', 'Shares at the custodian'), ('shares_settled', 'Settled shares at the custodian'), ('wallets', 'Stablecoins in our wallets'), ('cash', 'Dollars at the custodian')], max_length=16)),
                ('ledger_units', models.BigIntegerField()),
                ('party_units', models.BigIntegerField()),
                ('difference_units', models.BigIntegerField(help_text='How much more the party has.')),
                ('in_flight_low', models.BigIntegerField()),
                ('in_flight_high', models.BigIntegerField()),
                ('state', models.CharField(choices=[('open', 'Open'), ('closed', 'Closed')], default='open', max_length=8)),
                ('matches_since', models.DateTimeField(blank=True, null=True)),
                ('explanation', models.TextField(blank=True)),
                ('opened_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('asset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reconciliation_cases', to='custody.asset')),
                ('proposal', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.proposal')),
            ],
        ),
        migrations.CreateModel(
            name='ReconciliationRun',
            fields=[
                ('id', models.UUIDField(default=kernel.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('interval', 'Every few minutes'), ('again', 'A second look'), ('close', 'At the close'), ('on_demand', 'Asked for')], max_length=10)),
                ('trading_date', models.DateField(blank=True, null=True)),
                ('as_of', models.DateTimeField()),
                ('finished_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
            ],
            options={
                'indexes': [models.Index(fields=['-as_of'], name='reconciliation_runs_by_time')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('kind', 'close'), ('trading_date__isnull', False)), models.Q(models.Q(('kind', 'close'), _negated=True), ('trading_date__isnull', True)), _connector='OR'), name='close_runs_name_their_day'), models.UniqueConstraint(condition=models.Q(('kind', 'close')), fields=('trading_date',), name='one_close_run_a_trading_day'), models.CheckConstraint(condition=models.Q(('kind__in', ['interval', 'again', 'close', 'on_demand'])), name='reconciliation_kind_is_known')],
            },
        ),
        migrations.CreateModel(
            name='ReconciliationCaseEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.UUIDField(default=kernel.ids.uuid7, editable=False, serialize=False)),
                ('what', models.CharField(choices=[('supply', 'Tokens in circulation on the chain'), ('hot_wallet', 'Tokens in the hot wallet'), ('issuance_wallet', 'Tokens in the issuance wallet'), ('shares', 'Shares at the custodian'), ('shares_settled', 'Settled shares at the custodian'), ('wallets', 'Stablecoins in our wallets'), ('cash', 'Dollars at the custodian')], max_length=16)),
                ('ledger_units', models.BigIntegerField()),
                ('party_units', models.BigIntegerField()),
                ('difference_units', models.BigIntegerField(help_text='How much more the party has.')),
                ('in_flight_low', models.BigIntegerField()),
                ('in_flight_high', models.BigIntegerField()),
                ('state', models.CharField(choices=[('open', 'Open'), ('closed', 'Closed')], default='open', max_length=8)),
                ('matches_since', models.DateTimeField(blank=True, null=True)),
                ('explanation', models.TextField(blank=True)),
                ('opened_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('asset', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='custody.asset')),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='custody.reconciliationcase')),
                ('proposal', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='accounts.proposal')),
                ('run', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='custody.reconciliationrun')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.AddField(
            model_name='reconciliationcase',
            name='run',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='cases', to='custody.reconciliationrun'),
        ),
        migrations.CreateModel(
            name='ReconciliationFigure',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('what', models.CharField(choices=[('supply', 'Tokens in circulation on the chain'), ('hot_wallet', 'Tokens in the hot wallet'), ('issuance_wallet', 'Tokens in the issuance wallet'), ('shares', 'Shares at the custodian'), ('shares_settled', 'Settled shares at the custodian'), ('wallets', 'Stablecoins in our wallets'), ('cash', 'Dollars at the custodian')], max_length=16)),
                ('ledger_units', models.BigIntegerField()),
                ('party_units', models.BigIntegerField(blank=True, null=True)),
                ('in_flight_low', models.BigIntegerField(default=0)),
                ('in_flight_high', models.BigIntegerField(default=0)),
                ('verdict', models.CharField(choices=[('matches', 'Matches'), ('suspected', 'Suspected'), ('break', 'Break'), ('unavailable', 'Unavailable')], max_length=12)),
                ('note', models.CharField(blank=True, max_length=200)),
                ('asset', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='custody.asset')),
                ('run', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='figures', to='custody.reconciliationrun')),
            ],
            options={
                'indexes': [models.Index(fields=['asset', 'what', '-id'], name='figures_of_a_comparison')],
                'constraints': [models.UniqueConstraint(fields=('run', 'asset', 'what'), name='one_figure_a_comparison_and_run'), models.CheckConstraint(condition=models.Q(('what__in', ['supply', 'hot_wallet', 'issuance_wallet', 'shares', 'shares_settled', 'wallets', 'cash'])), name='figure_compares_something_known'), models.CheckConstraint(condition=models.Q(('in_flight_low__lte', models.F('in_flight_high'))), name='figure_in_flight_is_a_range'), models.CheckConstraint(condition=models.Q(models.Q(('party_units__gte', django.db.models.expressions.CombinedExpression(models.F('ledger_units'), '+', models.F('in_flight_low'))), ('party_units__lte', django.db.models.expressions.CombinedExpression(models.F('ledger_units'), '+', models.F('in_flight_high'))), ('verdict', 'matches')), models.Q(('party_units__isnull', False), ('verdict__in', ['suspected', 'break'])), ('verdict', 'unavailable'), _connector='OR'), name='figure_says_what_it_shows')],
            },
        ),
        migrations.AddIndex(
            model_name='reconciliationcase',
            index=models.Index(fields=['-opened_at'], name='reconciliation_cases_by_age'),
        ),
        migrations.AddConstraint(
            model_name='reconciliationcase',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'open')), fields=('asset', 'what'), name='one_open_case_a_comparison'),
        ),
        migrations.AddConstraint(
            model_name='reconciliationcase',
            constraint=models.CheckConstraint(condition=models.Q(('difference_units', django.db.models.expressions.CombinedExpression(models.F('party_units'), '-', models.F('ledger_units'))), models.Q(('difference_units', 0), ('in_flight_high__gte', 0), ('in_flight_low__lte', 0), _negated=True)), name='case_is_of_a_difference'),
        ),
        migrations.AddConstraint(
            model_name='reconciliationcase',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', True), ('explanation', ''), ('proposal__isnull', True), ('state', 'open')), models.Q(('closed_at__isnull', False), ('proposal__isnull', False), ('state', 'closed'), models.Q(('explanation', ''), _negated=True)), _connector='OR'), name='closed_cases_are_explained'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='reconciliationcase',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "custody_reconciliationcaseevent" ("asset_id", "closed_at", "created_at", "difference_units", "explanation", "id", "in_flight_high", "in_flight_low", "ledger_units", "matches_since", "opened_at", "party_units", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "proposal_id", "run_id", "state", "what") VALUES (NEW."asset_id", NEW."closed_at", NEW."created_at", NEW."difference_units", NEW."explanation", NEW."id", NEW."in_flight_high", NEW."in_flight_low", NEW."ledger_units", NEW."matches_since", NEW."opened_at", NEW."party_units", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."proposal_id", NEW."run_id", NEW."state", NEW."what"); RETURN NULL;', hash='debada5980e5d16e532638b8d3cdd4e521fd52de', operation='INSERT', pgid='pgtrigger_insert_insert_9e65e', table='custody_reconciliationcase', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='reconciliationcase',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "custody_reconciliationcaseevent" ("asset_id", "closed_at", "created_at", "difference_units", "explanation", "id", "in_flight_high", "in_flight_low", "ledger_units", "matches_since", "opened_at", "party_units", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "proposal_id", "run_id", "state", "what") VALUES (NEW."asset_id", NEW."closed_at", NEW."created_at", NEW."difference_units", NEW."explanation", NEW."id", NEW."in_flight_high", NEW."in_flight_low", NEW."ledger_units", NEW."matches_since", NEW."opened_at", NEW."party_units", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."proposal_id", NEW."run_id", NEW."state", NEW."what"); RETURN NULL;', hash='2ebed309a320e560e0abc76a31a623fa5ba479d1', operation='UPDATE', pgid='pgtrigger_update_update_dd0ae', table='custody_reconciliationcase', when='AFTER')),
        ),
        migrations.RunSQL(HALT + CASES + RIGHTS, reverse_sql=UNDO),
    ]
