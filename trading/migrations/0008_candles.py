
import django.db.models.deletion
from django.db import migrations, models


RIGHTS = "REVOKE DELETE, TRUNCATE ON trading_candle, trading_candleprogress FROM bourse_app"


class Migration(migrations.Migration):

    dependencies = [
        ('trading', '0007_market_breaker'),
    ]

    operations = [
        migrations.CreateModel(
            name='CandleProgress',
            fields=[
                ('listing', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='candle_progress', serialize=False, to='trading.listing')),
                ('trade_no', models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name='Candle',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('step_seconds', models.IntegerField()),
                ('start_at', models.DateTimeField()),
                ('multiplier_e18', models.DecimalField(decimal_places=0, max_digits=38)),
                ('first_no', models.BigIntegerField()),
                ('last_no', models.BigIntegerField()),
                ('open_units', models.BigIntegerField()),
                ('high_units', models.BigIntegerField()),
                ('low_units', models.BigIntegerField()),
                ('close_units', models.BigIntegerField()),
                ('volume_units', models.BigIntegerField()),
                ('cash_units', models.BigIntegerField()),
                ('trades', models.BigIntegerField()),
                ('listing', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, to='trading.listing')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('listing', 'step_seconds', 'start_at', 'multiplier_e18'), name='candle_once'), models.CheckConstraint(condition=models.Q(('step_seconds__in', [60, 3600, 86400])), name='candle_step_is_known')],
            },
        ),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
