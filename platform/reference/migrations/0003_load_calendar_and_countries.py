"""Load the files that the product cannot do without: days and countries.

Later files are loaded by `load_calendar` and `load_countries`.
"""

from django.db import migrations

from reference.loading import read_countries, read_trading_days


def load(apps, schema_editor):
    alias = schema_editor.connection.alias
    for name, rows in (("TradingDay", read_trading_days()), ("CountryRule", read_countries())):
        model = apps.get_model("reference", name)
        model.objects.using(alias).bulk_create([model(**row) for row in rows])


class Migration(migrations.Migration):

    dependencies = [
        ('reference', '0002_remember_when_closes_were_asked'),
    ]

    operations = [migrations.RunPython(load, migrations.RunPython.noop)]
