from django.db import migrations

import trading.models.records

# Written once and read whole: PostgreSQL would compress each row at the engine's expense.
UNCOMPRESSED = "ALTER TABLE trading_bookevent ALTER COLUMN events SET STORAGE EXTERNAL"


class Migration(migrations.Migration):
    dependencies = [("trading", "0011_reopening_over_a_restart")]

    operations = [
        migrations.AlterField(
            model_name="bookevent", name="events", field=trading.models.records.JsonText()
        ),
        migrations.RunSQL(UNCOMPRESSED, reverse_sql=migrations.RunSQL.noop),
    ]
