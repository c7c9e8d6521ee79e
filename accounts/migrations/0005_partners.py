"""Partners, and which of them brought an investor."""

import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_expired_proposals'),
        ('pghistory', '0007_auto_20250421_0444'),
    ]

    operations = [
        migrations.CreateModel(
            name='Partner',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(max_length=40, unique=True)),
                ('name', models.CharField(max_length=150)),
                ('is_active', models.BooleanField(default=True)),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'permissions': [('set_partner', 'May say which partner brought an investor')],
            },
        ),
        migrations.CreateModel(
            name='PartnerEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.BigIntegerField()),
                ('code', models.CharField(max_length=40)),
                ('name', models.CharField(max_length=150)),
                ('is_active', models.BooleanField(default=True)),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'abstract': False,
            },
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='investor',
            name='insert_insert',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='investor',
            name='update_update',
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='investor',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "accounts_investorevent" ("created_at", "display_name", "first_approved_at", "id", "is_house", "kind", "kyc_status", "owner_group", "partner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "residence_country", "user_id") VALUES (NEW."created_at", NEW."display_name", NEW."first_approved_at", NEW."id", NEW."is_house", NEW."kind", NEW."kyc_status", NEW."owner_group", NEW."partner_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."residence_country", NEW."user_id"); RETURN NULL;', hash='745f17a4c36e70cb2034c7dd8047b3f4f07fd2ec', operation='INSERT', pgid='pgtrigger_insert_insert_843c9', table='accounts_investor', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='investor',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "accounts_investorevent" ("created_at", "display_name", "first_approved_at", "id", "is_house", "kind", "kyc_status", "owner_group", "partner_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "residence_country", "user_id") VALUES (NEW."created_at", NEW."display_name", NEW."first_approved_at", NEW."id", NEW."is_house", NEW."kind", NEW."kyc_status", NEW."owner_group", NEW."partner_id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."residence_country", NEW."user_id"); RETURN NULL;', hash='0e2a9314707dc21bbb6fe8e5a173f0a1b6666eb8', operation='UPDATE', pgid='pgtrigger_update_update_9336b', table='accounts_investor', when='AFTER')),
        ),
        migrations.AddConstraint(
            model_name='partner',
            constraint=models.CheckConstraint(condition=models.Q(('code__regex', '^[a-z0-9][a-z0-9-]*$')), name='partner_code_is_plain'),
        ),
        migrations.AddConstraint(
            model_name='partner',
            constraint=models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='partner_has_a_name'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='partner',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "accounts_partnerevent" ("code", "created_at", "id", "is_active", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (NEW."code", NEW."created_at", NEW."id", NEW."is_active", NEW."name", _pgh_attach_context(), NOW(), \'insert\', NEW."id"); RETURN NULL;', hash='63971d70a50dedc022702015414cebefe9c31e86', operation='INSERT', pgid='pgtrigger_insert_insert_08b99', table='accounts_partner', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='partner',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "accounts_partnerevent" ("code", "created_at", "id", "is_active", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (NEW."code", NEW."created_at", NEW."id", NEW."is_active", NEW."name", _pgh_attach_context(), NOW(), \'update\', NEW."id"); RETURN NULL;', hash='ee43f6bc4b1ee05fa34c959f112bc7e4f6c682f8', operation='UPDATE', pgid='pgtrigger_update_update_c8f71', table='accounts_partner', when='AFTER')),
        ),
        migrations.AddField(
            model_name='investor',
            name='partner',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='investors', to='accounts.partner'),
        ),
        migrations.AddField(
            model_name='investorevent',
            name='partner',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='accounts.partner'),
        ),
        migrations.AddField(
            model_name='partnerevent',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='partnerevent',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='accounts.partner'),
        ),
        migrations.RunSQL(
            'REVOKE DELETE, TRUNCATE ON accounts_partner FROM bourse_app',
            reverse_sql=migrations.RunSQL.noop,
        ),
    ]
