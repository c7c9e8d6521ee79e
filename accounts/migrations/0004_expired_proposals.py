"""A proposal that nobody decided in time has expired: without a checker, and for good."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0003_narrower_rights'),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='proposal',
            name='state_goes_forward',
        ),
        migrations.RemoveConstraint(
            model_name='proposal',
            name='proposal_decided_by_a_checker',
        ),
        migrations.AlterField(
            model_name='proposal',
            name='state',
            field=models.CharField(choices=[('proposed', 'Proposed'), ('approved', 'Approved'), ('rejected', 'Rejected'), ('executed', 'Executed'), ('expired', 'Expired')], default='proposed', max_length=10),
        ),
        migrations.AlterField(
            model_name='proposalevent',
            name='state',
            field=models.CharField(choices=[('proposed', 'Proposed'), ('approved', 'Approved'), ('rejected', 'Rejected'), ('executed', 'Executed'), ('expired', 'Expired')], default='proposed', max_length=10),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='proposal',
            trigger=pgtrigger.compiler.Trigger(name='state_goes_forward', sql=pgtrigger.compiler.UpsertTriggerSql(declare='DECLARE _is_valid_transition BOOLEAN;', func='SELECT CONCAT(OLD."state", \':\', NEW."state") = ANY(\'{proposed:approved,proposed:rejected,proposed:expired,approved:executed}\'::text[]) INTO _is_valid_transition; IF (_is_valid_transition IS FALSE AND OLD."state" IS DISTINCT FROM NEW."state") THEN RAISE EXCEPTION \'pgtrigger: Invalid transition of field "state" from "%" to "%" on table %\', OLD."state", NEW."state", TG_TABLE_NAME; ELSE RETURN NEW; END IF;', hash='f24f457385d347edd197ba31501a00bd8f9f5461', operation='UPDATE', pgid='pgtrigger_state_goes_forward_3e110', table='accounts_proposal', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='proposal',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('checker__isnull', True), ('decided_at__isnull', True), ('state', 'proposed')), models.Q(('checker__isnull', True), ('decided_at__isnull', False), ('state', 'expired')), models.Q(('checker__isnull', False), ('decided_at__isnull', False), ('state__in', ['approved', 'rejected', 'executed'])), _connector='OR'), name='proposal_decided_by_a_checker'),
        ),
    ]
