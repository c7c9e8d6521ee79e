
import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('custody', '0002_ledger_rules'),
        ('pghistory', '0007_auto_20250421_0444'),
        ('trading', '0002_inbox'),
    ]

    operations = [
        migrations.CreateModel(
            name='ListingCountryBlockEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.BigIntegerField()),
                ('country', models.CharField(max_length=2)),
                ('reason', models.TextField(blank=True, default='')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='ListingEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.BigIntegerField()),
                ('symbol', models.TextField()),
                ('wsname', models.TextField()),
                ('tick_units', models.BigIntegerField(default=10000)),
                ('lot_units', models.BigIntegerField(default=100)),
                ('min_cash_units', models.BigIntegerField(default=1000000)),
                ('maker_fee_e6', models.IntegerField(default=1000)),
                ('taker_fee_e6', models.IntegerField(default=2500)),
                ('protection_e6', models.IntegerField(default=50000)),
                ('collar_e6', models.IntegerField(default=500000)),
                ('state', models.TextField(choices=[('online', 'Online'), ('limit_only', 'Limit only'), ('post_only', 'Post only'), ('reduce_only', 'Reduce only'), ('cancel_only', 'Cancel only'), ('halted', 'Halted')], default='online')),
                ('state_reason', models.TextField(blank=True, default='')),
                ('state_until', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.AlterModelOptions(
            name='listing',
            options={'permissions': [('set_listing_state', 'May halt listings and change their state')]},
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='listing',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "trading_listingevent" ("asset_id", "collar_e6", "created_at", "id", "lot_units", "maker_fee_e6", "min_cash_units", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "pool_id", "protection_e6", "quote_id", "state", "state_reason", "state_until", "symbol", "taker_fee_e6", "tick_units", "wsname") VALUES (NEW."asset_id", NEW."collar_e6", NEW."created_at", NEW."id", NEW."lot_units", NEW."maker_fee_e6", NEW."min_cash_units", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."pool_id", NEW."protection_e6", NEW."quote_id", NEW."state", NEW."state_reason", NEW."state_until", NEW."symbol", NEW."taker_fee_e6", NEW."tick_units", NEW."wsname"); RETURN NULL;', hash='704e12fe2a71dd20f5b3d3fb36ca06d512130b3d', operation='INSERT', pgid='pgtrigger_insert_insert_dc5b3', table='trading_listing', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='listing',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "trading_listingevent" ("asset_id", "collar_e6", "created_at", "id", "lot_units", "maker_fee_e6", "min_cash_units", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "pool_id", "protection_e6", "quote_id", "state", "state_reason", "state_until", "symbol", "taker_fee_e6", "tick_units", "wsname") VALUES (NEW."asset_id", NEW."collar_e6", NEW."created_at", NEW."id", NEW."lot_units", NEW."maker_fee_e6", NEW."min_cash_units", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."pool_id", NEW."protection_e6", NEW."quote_id", NEW."state", NEW."state_reason", NEW."state_until", NEW."symbol", NEW."taker_fee_e6", NEW."tick_units", NEW."wsname"); RETURN NULL;', hash='27389399028068f90e6c3cd42c47bbbe88612452', operation='UPDATE', pgid='pgtrigger_update_update_fb2a7', table='trading_listing', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='listingcountryblock',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "trading_listingcountryblockevent" ("country", "id", "listing_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason") VALUES (NEW."country", NEW."id", NEW."listing_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."reason"); RETURN NULL;', hash='3db0be00fd754410c09585110df9f5b9b2d91090', operation='INSERT', pgid='pgtrigger_insert_insert_20cf1', table='trading_listingcountryblock', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='listingcountryblock',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "trading_listingcountryblockevent" ("country", "id", "listing_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason") VALUES (NEW."country", NEW."id", NEW."listing_id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."reason"); RETURN NULL;', hash='33e1971e976e5918b0143f8375900f5069d19558', operation='UPDATE', pgid='pgtrigger_update_update_45938', table='trading_listingcountryblock', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='listingcountryblock',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "trading_listingcountryblockevent" ("country", "id", "listing_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reason") VALUES (OLD."country", OLD."id", OLD."listing_id", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."reason"); RETURN NULL;', hash='2db36482b3dfebc7c9198fd237b51aa210fdf8bd', operation='DELETE', pgid='pgtrigger_delete_delete_e06b8', table='trading_listingcountryblock', when='AFTER')),
        ),
        migrations.AddField(
            model_name='listingcountryblockevent',
            name='listing',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='trading.listing'),
        ),
        migrations.AddField(
            model_name='listingcountryblockevent',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='listingcountryblockevent',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='trading.listingcountryblock'),
        ),
        migrations.AddField(
            model_name='listingevent',
            name='asset',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='custody.asset'),
        ),
        migrations.AddField(
            model_name='listingevent',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='listingevent',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='trading.listing'),
        ),
        migrations.AddField(
            model_name='listingevent',
            name='pool',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='trading.pool'),
        ),
        migrations.AddField(
            model_name='listingevent',
            name='quote',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='custody.asset'),
        ),
    ]
