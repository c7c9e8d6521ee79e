from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('trading', '0008_candles'),
    ]

    operations = [
        migrations.AddField(
            model_name='orderterms',
            name='taker_fee_e6',
            field=models.IntegerField(default=0),
        ),
    ]
