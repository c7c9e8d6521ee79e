from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('trading', '0004_order_terms'),
    ]

    operations = [
        migrations.AddField(
            model_name='bookevent',
            name='levels',
            field=models.TextField(null=True),
        ),
    ]
