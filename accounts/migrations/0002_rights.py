"""What the application's role may not do: change the past."""

from django.db import migrations

APPEND_ONLY = [
    "accounts_eligibilitysnapshot",
    "accounts_consent",
    "accounts_caseevent",
    "accounts_personaldataaccess",
    "accounts_apikeyevent",
    "accounts_investorevent",
    "accounts_kyccaseevent",
    "accounts_proposalevent",
    "accounts_restrictionevent",
    "accounts_screeninghitevent",
]
NEVER_DELETED = ["accounts_proposal", "accounts_kyccase", "accounts_providerevent",
                 "accounts_disclosure", "accounts_restriction", "accounts_screeninghit"]
NEVER_CHANGED = ["accounts_disclosure"]


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [
        migrations.RunSQL(
            sql=f"REVOKE UPDATE, DELETE, TRUNCATE ON {', '.join(APPEND_ONLY)} FROM bourse_app",
            reverse_sql=f"GRANT UPDATE, DELETE ON {', '.join(APPEND_ONLY)} TO bourse_app",
        ),
        migrations.RunSQL(
            sql=f"REVOKE DELETE, TRUNCATE ON {', '.join(NEVER_DELETED)} FROM bourse_app",
            reverse_sql=f"GRANT DELETE ON {', '.join(NEVER_DELETED)} TO bourse_app",
        ),
        migrations.RunSQL(
            sql=f"REVOKE UPDATE ON {', '.join(NEVER_CHANGED)} FROM bourse_app",
            reverse_sql=f"GRANT UPDATE ON {', '.join(NEVER_CHANGED)} TO bourse_app",
        ),
    ]
