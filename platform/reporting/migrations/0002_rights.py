"""Who downloaded a report stays recorded."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("reporting", "0001_initial")]
    operations = [
        migrations.RunSQL(
            sql="REVOKE UPDATE, DELETE ON reporting_exportdownload FROM bourse_app",
            reverse_sql="GRANT UPDATE, DELETE ON reporting_exportdownload TO bourse_app",
        ),
    ]
