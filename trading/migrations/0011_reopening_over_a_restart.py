"""What shuts a listing, for the engine that finds it open again."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('trading', '0010_two_officers'),
    ]

    operations = [
        migrations.AddField(
            model_name='listingphase',
            name='shut_by',
            field=models.TextField(blank=True, default=''),
        ),
        migrations.AddConstraint(
            model_name='listingphase',
            constraint=models.CheckConstraint(condition=models.Q(('shut_by__in', ['', 'session_closed', 'share_halted'])), name='listing_phase_shut_by_is_known'),
        ),
    ]
