"""House entries: proposals to book by hand, as a list of their own. No new table."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_narrower_rights"), ("custody", "0019_priced_means_known")]

    operations = [
        migrations.CreateModel(
            name="HouseEntry",
            fields=[],
            options={
                "verbose_name_plural": "house entries",
                "proxy": True,
                "default_permissions": ("add", "view"),
                "indexes": [],
                "constraints": [],
            },
            bases=("accounts.proposal",),
        ),
    ]
