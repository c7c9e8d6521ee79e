"""Fee schedules and volumes, kill switches, and how engines learn of them."""

import django.contrib.postgres.indexes
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


INBOX = """
CREATE FUNCTION trading_on_fees() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM trading_tell_engines('fees', jsonb_build_object('table', TG_TABLE_NAME));
    RETURN NULL;
END $$;
CREATE TRIGGER trading_inbox AFTER INSERT ON trading_feeschedule
    FOR EACH STATEMENT EXECUTE FUNCTION trading_on_fees();
CREATE TRIGGER trading_inbox AFTER INSERT ON trading_feetier
    FOR EACH STATEMENT EXECUTE FUNCTION trading_on_fees();
CREATE TRIGGER trading_inbox AFTER INSERT ON trading_volumeday
    FOR EACH STATEMENT EXECUTE FUNCTION trading_on_fees();

CREATE FUNCTION trading_on_kill_switch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM trading_tell_engines('kill_switch', jsonb_build_object(
        'switch_id', NEW.id, 'is_set', NEW.lifted_at IS NULL));
    RETURN NULL;
END $$;
CREATE TRIGGER trading_inbox AFTER INSERT OR UPDATE ON trading_killswitch
    FOR EACH ROW EXECUTE FUNCTION trading_on_kill_switch();

CREATE TRIGGER trading_inbox_partner AFTER UPDATE OF partner_id ON accounts_investor
    FOR EACH ROW WHEN (OLD.partner_id IS DISTINCT FROM NEW.partner_id)
    EXECUTE FUNCTION trading_on_owner_group();
"""
UNDO_INBOX = """
DROP TRIGGER trading_inbox_partner ON accounts_investor;
DROP TRIGGER trading_inbox ON trading_killswitch;
DROP TRIGGER trading_inbox ON trading_volumeday;
DROP TRIGGER trading_inbox ON trading_feetier;
DROP TRIGGER trading_inbox ON trading_feeschedule;
DROP FUNCTION trading_on_kill_switch, trading_on_fees;
"""
# Every investor has a tier: the lowest begins at nothing. Asked at the end of the transaction.
TIERS = """
CREATE FUNCTION trading_check_fee_tiers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM trading_feetier
                    WHERE schedule_id = NEW.schedule_id AND volume_from_units = 0) THEN
        RAISE EXCEPTION 'fee schedule % has no tier from nothing on', NEW.schedule_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'fee_tiers_begin_at_nothing';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER fee_tiers_begin_at_nothing AFTER INSERT ON trading_feetier
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION trading_check_fee_tiers();
"""
UNDO_TIERS = """
DROP TRIGGER fee_tiers_begin_at_nothing ON trading_feetier;
DROP FUNCTION trading_check_fee_tiers;
"""
RIGHTS = """
REVOKE UPDATE, DELETE, TRUNCATE ON trading_feeschedule, trading_feetier, trading_volumeday,
    trading_investorvolume, trading_killswitcheffect FROM bourse_app;
REVOKE UPDATE, DELETE, TRUNCATE ON trading_killswitch FROM bourse_app;
GRANT UPDATE (lifted_at, lift_proposal_id) ON trading_killswitch TO bourse_app;
"""

class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0005_partners'),
        ('pghistory', '0007_auto_20250421_0444'),
        ('trading', '0005_public_levels'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='FeeSchedule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=100)),
                ('valid_from', models.DateTimeField()),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'permissions': [('propose_fees', 'May propose and confirm fee schedules')],
            },
        ),
        migrations.CreateModel(
            name='FeeScheduleEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.BigIntegerField()),
                ('name', models.CharField(max_length=100)),
                ('valid_from', models.DateTimeField()),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='FeeTier',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('volume_from_units', models.BigIntegerField()),
                ('maker_e6', models.IntegerField()),
                ('taker_e6', models.IntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='InvestorVolume',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('investor_id', models.BigIntegerField()),
                ('day', models.DateField()),
                ('day_units', models.BigIntegerField()),
                ('month_units', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='KillSwitch',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('scope', models.TextField(choices=[('investor', 'Investor'), ('listing', 'Listing'), ('partner', 'Partner'), ('venue', 'Venue')])),
                ('key', models.BigIntegerField(default=0)),
                ('reason', models.TextField()),
                ('public_words', models.TextField(blank=True, default='')),
                ('set_at', models.DateTimeField()),
                ('lifted_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'verbose_name_plural': 'kill switches',
                'permissions': [('set_kill_switch', 'May stop trading, and propose to lift that')],
            },
        ),
        migrations.CreateModel(
            name='KillSwitchEffect',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('pool_id', models.SmallIntegerField()),
                ('is_set', models.BooleanField()),
                ('batch_no', models.BigIntegerField()),
                ('orders_pulled', models.IntegerField(default=0)),
                ('at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='KillSwitchEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.BigIntegerField()),
                ('scope', models.TextField(choices=[('investor', 'Investor'), ('listing', 'Listing'), ('partner', 'Partner'), ('venue', 'Venue')])),
                ('key', models.BigIntegerField(default=0)),
                ('reason', models.TextField()),
                ('public_words', models.TextField(blank=True, default='')),
                ('set_at', models.DateTimeField()),
                ('lifted_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='VolumeDay',
            fields=[
                ('day', models.DateField(primary_key=True, serialize=False)),
                ('closed_at', models.DateTimeField()),
            ],
        ),
        migrations.AddIndex(
            model_name='trade',
            index=django.contrib.postgres.indexes.BrinIndex(fields=['traded_at'], name='trade_by_time'),
        ),
        migrations.AddField(
            model_name='feeschedule',
            name='listing',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, to='trading.listing'),
        ),
        migrations.AddField(
            model_name='feeschedule',
            name='partner',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.partner'),
        ),
        migrations.AddField(
            model_name='feeschedule',
            name='proposal',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='fee_schedule', to='accounts.proposal'),
        ),
        migrations.AddField(
            model_name='feescheduleevent',
            name='listing',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='trading.listing'),
        ),
        migrations.AddField(
            model_name='feescheduleevent',
            name='partner',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='accounts.partner'),
        ),
        migrations.AddField(
            model_name='feescheduleevent',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='feescheduleevent',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='trading.feeschedule'),
        ),
        migrations.AddField(
            model_name='feescheduleevent',
            name='proposal',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='accounts.proposal'),
        ),
        migrations.AddField(
            model_name='feetier',
            name='schedule',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='tiers', to='trading.feeschedule'),
        ),
        migrations.AddConstraint(
            model_name='investorvolume',
            constraint=models.UniqueConstraint(fields=('day', 'investor_id'), name='volume_once_per_day'),
        ),
        migrations.AddConstraint(
            model_name='investorvolume',
            constraint=models.CheckConstraint(condition=models.Q(('day_units__gte', 0), ('month_units__gt', 0), ('month_units__gte', models.F('day_units'))), name='volume_adds_up'),
        ),
        migrations.AddField(
            model_name='killswitch',
            name='lift_proposal',
            field=models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.proposal'),
        ),
        migrations.AddField(
            model_name='killswitch',
            name='set_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='killswitcheffect',
            name='switch',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='effects', to='trading.killswitch'),
        ),
        migrations.AddField(
            model_name='killswitchevent',
            name='lift_proposal',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='accounts.proposal'),
        ),
        migrations.AddField(
            model_name='killswitchevent',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='killswitchevent',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='trading.killswitch'),
        ),
        migrations.AddField(
            model_name='killswitchevent',
            name='set_by',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name='feeschedule',
            constraint=models.UniqueConstraint(fields=('listing', 'partner', 'valid_from'), name='fee_schedule_once_per_moment', nulls_distinct=False),
        ),
        migrations.AddConstraint(
            model_name='feeschedule',
            constraint=models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='fee_schedule_has_a_name'),
        ),
        migrations.AddConstraint(
            model_name='feeschedule',
            constraint=models.CheckConstraint(condition=models.Q(('valid_from__gte', models.F('created_at'))), name='fee_schedule_never_looks_back'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='feeschedule',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "trading_feescheduleevent" ("created_at", "id", "listing_id", "name", "partner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "proposal_id", "valid_from") VALUES (NEW."created_at", NEW."id", NEW."listing_id", NEW."name", NEW."partner_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."proposal_id", NEW."valid_from"); RETURN NULL;', hash='9bfb17ba1fda1b01ea94ef0359cdc1ade8b9c915', operation='INSERT', pgid='pgtrigger_insert_insert_cfe69', table='trading_feeschedule', when='AFTER')),
        ),
        migrations.AddConstraint(
            model_name='feetier',
            constraint=models.UniqueConstraint(fields=('schedule', 'volume_from_units'), name='fee_tier_once_per_volume'),
        ),
        migrations.AddConstraint(
            model_name='feetier',
            constraint=models.CheckConstraint(condition=models.Q(('volume_from_units__gte', 0)), name='fee_tier_volume_is_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='feetier',
            constraint=models.CheckConstraint(condition=models.Q(('maker_e6__gte', 0), ('maker_e6__lte', 100000), ('taker_e6__gte', 0), ('taker_e6__lte', 100000)), name='fee_tier_rates_are_at_most_ten_percent'),
        ),
        migrations.AddConstraint(
            model_name='killswitch',
            constraint=models.CheckConstraint(condition=models.Q(('scope__in', ['investor', 'listing', 'partner', 'venue'])), name='kill_switch_scope_is_known'),
        ),
        migrations.AddConstraint(
            model_name='killswitch',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('key', 0), ('scope', 'venue')), models.Q(models.Q(('scope', 'venue'), _negated=True), ('key__gt', 0)), _connector='OR'), name='kill_switch_names_whom'),
        ),
        migrations.AddConstraint(
            model_name='killswitch',
            constraint=models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='kill_switch_says_why'),
        ),
        migrations.AddConstraint(
            model_name='killswitch',
            constraint=models.UniqueConstraint(condition=models.Q(('lifted_at__isnull', True)), fields=('scope', 'key'), name='kill_switch_set_once'),
        ),
        migrations.AddConstraint(
            model_name='killswitch',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('lift_proposal__isnull', True), ('lifted_at__isnull', True)), models.Q(('lift_proposal__isnull', False), ('lifted_at__isnull', False)), _connector='OR'), name='kill_switch_lifted_by_proposal'),
        ),
        migrations.AddConstraint(
            model_name='killswitch',
            constraint=models.CheckConstraint(condition=models.Q(('lifted_at__isnull', True), ('lifted_at__gte', models.F('set_at')), _connector='OR'), name='kill_switch_lifted_after_set'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='killswitch',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "trading_killswitchevent" ("id", "key", "lift_proposal_id", "lifted_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "public_words", "reason", "scope", "set_at", "set_by_id") VALUES (NEW."id", NEW."key", NEW."lift_proposal_id", NEW."lifted_at", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."public_words", NEW."reason", NEW."scope", NEW."set_at", NEW."set_by_id"); RETURN NULL;', hash='7600a6033dd9806134078c7bbec561e9a2ef4cd8', operation='INSERT', pgid='pgtrigger_insert_insert_0b079', table='trading_killswitch', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='killswitch',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "trading_killswitchevent" ("id", "key", "lift_proposal_id", "lifted_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "public_words", "reason", "scope", "set_at", "set_by_id") VALUES (NEW."id", NEW."key", NEW."lift_proposal_id", NEW."lifted_at", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."public_words", NEW."reason", NEW."scope", NEW."set_at", NEW."set_by_id"); RETURN NULL;', hash='e44f2b54e39f62246626045e87836415524781e9', operation='UPDATE', pgid='pgtrigger_update_update_8ac44', table='trading_killswitch', when='AFTER')),
        ),
        migrations.AddConstraint(
            model_name='killswitcheffect',
            constraint=models.UniqueConstraint(fields=('switch', 'pool_id', 'is_set'), name='kill_switch_effect_once'),
        ),
        migrations.AddConstraint(
            model_name='killswitcheffect',
            constraint=models.CheckConstraint(condition=models.Q(('orders_pulled__gte', 0), models.Q(('is_set', True), ('orders_pulled', 0), _connector='OR')), name='kill_switch_lifted_pulls_nothing'),
        ),
        migrations.RunSQL(INBOX, reverse_sql=UNDO_INBOX),
        migrations.RunSQL(TIERS, reverse_sql=UNDO_TIERS),
        migrations.RunSQL(RIGHTS, reverse_sql=migrations.RunSQL.noop),
    ]
