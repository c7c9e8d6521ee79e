
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('custody', '0002_ledger_rules'),
    ]

    operations = [
        migrations.CreateModel(
            name='Pool',
            fields=[
                ('id', models.SmallIntegerField(primary_key=True, serialize=False)),
                ('epoch', models.BigIntegerField(default=0)),
                ('batch_no', models.BigIntegerField(default=0)),
                ('owner', models.TextField(blank=True, default='')),
                ('backend_pid', models.IntegerField(blank=True, null=True)),
                ('heartbeat_at', models.DateTimeField(blank=True, null=True)),
                ('processed_until', models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name='InboxItem',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('pool_id', models.SmallIntegerField()),
                ('kind', models.TextField()),
                ('payload', models.JSONField()),
                ('created_at', models.DateTimeField()),
                ('consumed_batch', models.BigIntegerField(null=True)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('consumed_batch__isnull', True)), fields=['pool_id', 'id'], name='inbox_unconsumed')],
            },
        ),
        migrations.CreateModel(
            name='Listing',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('symbol', models.TextField(unique=True)),
                ('wsname', models.TextField(unique=True)),
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
                ('asset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='listings', to='custody.asset')),
                ('quote', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='quoted_listings', to='custody.asset')),
                ('pool', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to='trading.pool')),
            ],
        ),
        migrations.CreateModel(
            name='Trade',
            fields=[
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('trade_no', models.BigIntegerField()),
                ('price_units', models.BigIntegerField()),
                ('quantity_units', models.BigIntegerField()),
                ('cash_units', models.BigIntegerField()),
                ('maker_order_id', models.UUIDField()),
                ('taker_order_id', models.UUIDField()),
                ('buyer_id', models.BigIntegerField()),
                ('seller_id', models.BigIntegerField()),
                ('taker_side', models.TextField(choices=[('buy', 'Buy'), ('sell', 'Sell')])),
                ('maker_fee_units', models.BigIntegerField()),
                ('taker_fee_units', models.BigIntegerField()),
                ('batch_no', models.BigIntegerField()),
                ('traded_at', models.DateTimeField()),
                ('listing', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, to='trading.listing')),
            ],
        ),
        migrations.CreateModel(
            name='BookEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('batch_no', models.BigIntegerField()),
                ('first_event_seq', models.BigIntegerField()),
                ('event_seq', models.BigIntegerField()),
                ('book_seq', models.BigIntegerField()),
                ('trade_no', models.BigIntegerField()),
                ('events', models.JSONField()),
                ('created_at', models.DateTimeField()),
                ('listing', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, to='trading.listing')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('listing', 'event_seq'), name='book_event_seq_once_per_listing')],
            },
        ),
        migrations.CreateModel(
            name='ListingCountryBlock',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('country', models.CharField(max_length=2)),
                ('reason', models.TextField(blank=True, default='')),
                ('listing', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='blocks', to='trading.listing')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('listing', 'country'), name='listing_block_once'), models.CheckConstraint(condition=models.Q(('country__regex', '^[A-Z]{2}$')), name='listing_block_country_is_alpha2')],
            },
        ),
        migrations.CreateModel(
            name='Order',
            fields=[
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('investor_id', models.BigIntegerField()),
                ('owner_group', models.UUIDField()),
                ('snapshot_id', models.BigIntegerField(null=True)),
                ('side', models.TextField(choices=[('buy', 'Buy'), ('sell', 'Sell')])),
                ('type', models.TextField(choices=[('limit', 'Limit'), ('market', 'Market')])),
                ('time_in_force', models.TextField(choices=[('gtc', 'Gtc'), ('ioc', 'Ioc'), ('fok', 'Fok')])),
                ('post_only', models.BooleanField(default=False)),
                ('price_units', models.BigIntegerField(null=True)),
                ('protection_price_units', models.BigIntegerField(null=True)),
                ('quantity_units', models.BigIntegerField(null=True)),
                ('cash_units', models.BigIntegerField(null=True)),
                ('filled_units', models.BigIntegerField(default=0)),
                ('filled_cash_units', models.BigIntegerField(default=0)),
                ('fee_units', models.BigIntegerField(default=0)),
                ('fee_millionths', models.BigIntegerField(default=0)),
                ('maker_fee_e6', models.IntegerField(default=0)),
                ('held_units', models.BigIntegerField(default=0)),
                ('status', models.TextField(choices=[('open', 'Open'), ('filled', 'Filled'), ('canceled', 'Canceled'), ('expired', 'Expired'), ('refused', 'Refused')])),
                ('reason', models.TextField(default='')),
                ('client_order_id', models.TextField(null=True)),
                ('body_hash', models.BinaryField(null=True)),
                ('user_ref', models.BigIntegerField(null=True)),
                ('source', models.TextField()),
                ('priority', models.BigIntegerField(default=0)),
                ('batch_no', models.BigIntegerField()),
                ('accepted_at', models.DateTimeField()),
                ('updated_at', models.DateTimeField()),
                ('listing', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, to='trading.listing')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('status', 'open')), fields=['investor_id'], name='order_open'), models.Index(fields=['investor_id', 'id'], name='order_by_investor'), models.Index(condition=models.Q(('client_order_id__isnull', False)), fields=['investor_id', 'client_order_id'], name='order_by_client_id')],
                'constraints': [models.CheckConstraint(condition=models.Q(('fee_units__gte', 0), ('filled_units__gte', 0), ('held_units__gte', 0)), name='order_amounts_are_not_negative'), models.CheckConstraint(condition=models.Q(('status', 'open'), ('held_units', 0), _connector='OR'), name='order_closed_holds_nothing'), models.CheckConstraint(condition=models.Q(('quantity_units__isnull', True), ('filled_units__lte', models.F('quantity_units')), _connector='OR'), name='order_not_overfilled')],
            },
        ),
        migrations.AddConstraint(
            model_name='listing',
            constraint=models.UniqueConstraint(fields=('asset', 'quote'), name='listing_once_per_pair'),
        ),
        migrations.AddConstraint(
            model_name='listing',
            constraint=models.CheckConstraint(condition=models.Q(('lot_units__gt', 0), ('min_cash_units__gt', 0), ('tick_units__gt', 0)), name='listing_steps_are_positive'),
        ),
        migrations.AddConstraint(
            model_name='listing',
            constraint=models.CheckConstraint(condition=models.Q(('maker_fee_e6__gte', 0), ('maker_fee_e6__lte', 100000), ('taker_fee_e6__gte', 0), ('taker_fee_e6__lte', 100000)), name='listing_fees_are_at_most_ten_percent'),
        ),
        migrations.AddConstraint(
            model_name='listing',
            constraint=models.CheckConstraint(condition=models.Q(('collar_e6__gt', 0), ('collar_e6__lt', 1000000), ('protection_e6__gt', 0), ('protection_e6__lt', 1000000)), name='listing_bands_are_fractions'),
        ),
        migrations.AddConstraint(
            model_name='listing',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['online', 'limit_only', 'post_only', 'reduce_only', 'cancel_only', 'halted'])), name='listing_state_is_known'),
        ),
        migrations.AddIndex(
            model_name='trade',
            index=models.Index(fields=['listing', 'trade_no'], name='trade_by_listing'),
        ),
        migrations.AddIndex(
            model_name='trade',
            index=models.Index(fields=['buyer_id', 'id'], name='trade_by_buyer'),
        ),
        migrations.AddIndex(
            model_name='trade',
            index=models.Index(fields=['seller_id', 'id'], name='trade_by_seller'),
        ),
        migrations.AddConstraint(
            model_name='trade',
            constraint=models.CheckConstraint(condition=models.Q(('cash_units__gt', 0), ('price_units__gt', 0), ('quantity_units__gt', 0)), name='trade_amounts_are_positive'),
        ),
    ]
