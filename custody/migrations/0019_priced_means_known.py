"""A filled order or block has a fill, a price and cash: NULL passed the CHECK so far."""

from django.db import migrations, models
from django.db.models import F, Q

KNOWN = {
    "filled_units__isnull": False,
    "cash_micros__isnull": False,
    "price_micros__isnull": False,
    "filled_units__gt": 0,
    "filled_units__lte": F("units"),
    "cash_micros__gte": 0,
    "price_micros__gt": 0,
    "settles_at__isnull": False,
    "filled_at__isnull": False,
}


class Migration(migrations.Migration):
    dependencies = [("custody", "0018_reconciliation")]

    operations = [
        migrations.RemoveConstraint("custodianorder", "filled_custodian_orders_are_priced"),
        migrations.AddConstraint(
            "custodianorder",
            models.CheckConstraint(
                condition=~Q(state__in=["filled", "settled"])
                | Q(**KNOWN),
                name="filled_custodian_orders_are_priced",
            ),
        ),
        migrations.RemoveConstraint("blockorder", "filled_block_orders_are_priced"),
        migrations.AddConstraint(
            "blockorder",
            models.CheckConstraint(
                condition=~Q(state__in=["filled", "allocated", "settled"])
                | Q(**KNOWN, owed_micros__gte=0, owed_micros__lte=F("cash_micros")),
                name="filled_block_orders_are_priced",
            ),
        ),
    ]
