"""A count of reserves names the ledger seal that it follows."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("custody", "0016_settlement_rules")]

    operations = [
        migrations.AddField(
            model_name="reserveattestation",
            name="ledger_seal",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="attestations",
                to="custody.seal",
            ),
        ),
    ]
