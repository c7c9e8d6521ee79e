"""What was proposed cannot be rewritten, what was recorded cannot be taken back.

The triggers say the same; these rights hold also where a trigger is passed over.
"""

from django.db import migrations

DECISION = "state, checker_id, decision_reason, decided_at, executed_at"


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_rights"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("pghistory", "0007_auto_20250421_0444"),
    ]
    operations = [
        migrations.RunSQL(
            sql=[
                "REVOKE UPDATE ON accounts_proposal FROM bourse_app",
                f"GRANT UPDATE ({DECISION}) ON accounts_proposal TO bourse_app",
            ],
            reverse_sql="GRANT UPDATE ON accounts_proposal TO bourse_app",
        ),
        migrations.RunSQL(
            sql="REVOKE UPDATE, DELETE ON django_admin_log FROM bourse_app",
            reverse_sql="GRANT UPDATE, DELETE ON django_admin_log TO bourse_app",
        ),
        migrations.RunSQL(
            sql="REVOKE DELETE ON accounts_investor, accounts_apikey, pghistory_context"
            " FROM bourse_app",
            reverse_sql="GRANT DELETE ON accounts_investor, accounts_apikey, pghistory_context"
            " TO bourse_app",
        ),
    ]
