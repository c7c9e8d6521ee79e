"""Orders that ended in part, deposits sent back, and why a row does not go on."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


# Until now every order that filled was filled whole.
WHOLE = """
UPDATE custody_custodianorder SET filled_units = units WHERE state IN ('filled', 'settled');
UPDATE custody_redemption SET sold_units = units WHERE state IN ('sold', 'burned', 'paid');
"""

MINT = """
CREATE OR REPLACE FUNCTION custody_check_mint() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.state <> 'requested' THEN
        RAISE EXCEPTION 'a mint begins as requested, not as %', NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'mint_begins_as_requested';
    END IF;
    IF TG_OP = 'UPDATE' AND ((NEW.asset_id, NEW.share_asset_id, NEW.token_units, NEW.share_units,
                              NEW.started_by_id, NEW.order_id)
                IS DISTINCT FROM (OLD.asset_id, OLD.share_asset_id, OLD.token_units,
                                  OLD.share_units, OLD.started_by_id, OLD.order_id)
            OR (OLD.proposal_id IS NOT NULL
                AND NEW.proposal_id IS DISTINCT FROM OLD.proposal_id)) THEN
        RAISE EXCEPTION 'what mint % is about never changes', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'mint_is_what_was_proposed';
    END IF;
    IF NEW.state IN ('shares_settled', 'awaiting_approval', 'approved', 'minting')
       AND NEW.order_id IS NOT NULL
       AND NOT EXISTS (SELECT FROM custody_custodianorder
                        WHERE id = NEW.order_id AND state = 'settled' AND side = 'buy'
                          AND asset_id = NEW.share_asset_id AND filled_units >= NEW.share_units) THEN
        RAISE EXCEPTION 'the shares of mint % are not settled', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'mint_needs_settled_shares';
    END IF;
    -- The reservation lies in the ledger: what all mints hold is held there.
    IF NEW.held_units > 0
       AND NEW.held_units + (SELECT coalesce(sum(held_units), 0) FROM custody_mintrequest
                              WHERE share_asset_id = NEW.share_asset_id AND id <> NEW.id)
           > (SELECT coalesce(sum(held_units), 0) FROM custody_ledgeraccount
               WHERE asset_id = NEW.share_asset_id AND purpose = 'shares_free') THEN
        RAISE EXCEPTION 'mint % holds no settled shares in the ledger', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'mint_needs_settled_shares';
    END IF;
    IF NEW.state IN ('approved', 'minting', 'minted')
       AND NOT EXISTS (SELECT FROM accounts_proposal
                        WHERE id = NEW.proposal_id AND state IN ('approved', 'executed')
                          AND checker_id IS NOT NULL AND checker_id <> maker_id) THEN
        RAISE EXCEPTION 'mint % has no second officer''s approval', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'mint_needs_two_officers';
    END IF;
    IF NEW.state = 'minted'
       AND NOT EXISTS (SELECT FROM custody_journalentry WHERE key = 'mint:' || NEW.id) THEN
        RAISE EXCEPTION 'mint % is not booked', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'minted_is_booked';
    END IF;
    RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_rights'),
        ('custody', '0011_issuance_rules'),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='custodianorder',
            name='insert_insert',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='custodianorder',
            name='update_update',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='deposit',
            name='insert_insert',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='deposit',
            name='update_update',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='mintrequest',
            name='insert_insert',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='mintrequest',
            name='update_update',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='redemption',
            name='insert_insert',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='redemption',
            name='update_update',
        ),
        migrations.RemoveConstraint(
            model_name='custodianorder',
            name='filled_custodian_orders_are_priced',
        ),
        migrations.RemoveConstraint(
            model_name='deposit',
            name='deposit_state_is_known',
        ),
        migrations.AddField(
            model_name='custodianorder',
            name='filled_units',
            field=models.BigIntegerField(blank=True, help_text='Shares traded.', null=True),
        ),
        migrations.AddField(
            model_name='custodianorder',
            name='problem',
            field=models.CharField(blank=True, help_text='Why it does not go on.', max_length=200),
        ),
        migrations.AddField(
            model_name='custodianorderevent',
            name='filled_units',
            field=models.BigIntegerField(blank=True, help_text='Shares traded.', null=True),
        ),
        migrations.AddField(
            model_name='custodianorderevent',
            name='problem',
            field=models.CharField(blank=True, help_text='Why it does not go on.', max_length=200),
        ),
        migrations.AddField(
            model_name='deposit',
            name='problem',
            field=models.CharField(blank=True, help_text='Why it does not go on.', max_length=200),
        ),
        migrations.AddField(
            model_name='deposit',
            name='return_signature',
            field=models.CharField(blank=True, max_length=88),
        ),
        migrations.AddField(
            model_name='deposit',
            name='returned_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='depositevent',
            name='problem',
            field=models.CharField(blank=True, help_text='Why it does not go on.', max_length=200),
        ),
        migrations.AddField(
            model_name='depositevent',
            name='return_signature',
            field=models.CharField(blank=True, max_length=88),
        ),
        migrations.AddField(
            model_name='depositevent',
            name='returned_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='mintrequest',
            name='problem',
            field=models.CharField(blank=True, help_text='Why it does not go on.', max_length=200),
        ),
        migrations.AddField(
            model_name='mintrequestevent',
            name='problem',
            field=models.CharField(blank=True, help_text='Why it does not go on.', max_length=200),
        ),
        migrations.AddField(
            model_name='redemption',
            name='problem',
            field=models.CharField(blank=True, help_text='Why it does not go on.', max_length=200),
        ),
        migrations.AddField(
            model_name='redemption',
            name='sold_units',
            field=models.BigIntegerField(blank=True, help_text='Tokens, 8 decimals.', null=True),
        ),
        migrations.AddField(
            model_name='redemptionevent',
            name='problem',
            field=models.CharField(blank=True, help_text='Why it does not go on.', max_length=200),
        ),
        migrations.AddField(
            model_name='redemptionevent',
            name='sold_units',
            field=models.BigIntegerField(blank=True, help_text='Tokens, 8 decimals.', null=True),
        ),
        migrations.AlterField(
            model_name='deposit',
            name='state',
            field=models.CharField(choices=[('seen', 'Seen'), ('credited', 'Credited'), ('vanished', 'Vanished'), ('quarantined', 'Quarantined'), ('returned', 'Returned')], default='seen', max_length=12),
        ),
        migrations.AlterField(
            model_name='depositevent',
            name='state',
            field=models.CharField(choices=[('seen', 'Seen'), ('credited', 'Credited'), ('vanished', 'Vanished'), ('quarantined', 'Quarantined'), ('returned', 'Returned')], default='seen', max_length=12),
        ),
        migrations.RunSQL(WHOLE, reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(MINT, reverse_sql=migrations.RunSQL.noop),
        pgtrigger.migrations.AddTrigger(
            model_name='custodianorder',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "custody_custodianorderevent" ("asset_id", "cash_micros", "created_at", "custodian_order_id", "filled_at", "filled_units", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "price_micros", "problem", "reason", "requested_at", "settled_at", "settlement_date", "settles_at", "side", "state", "submitted_at", "units") VALUES (NEW."asset_id", NEW."cash_micros", NEW."created_at", NEW."custodian_order_id", NEW."filled_at", NEW."filled_units", NEW."id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."price_micros", NEW."problem", NEW."reason", NEW."requested_at", NEW."settled_at", NEW."settlement_date", NEW."settles_at", NEW."side", NEW."state", NEW."submitted_at", NEW."units"); RETURN NULL;', hash='104020d7603fcb031db7bb1543c5809bbb74f935', operation='INSERT', pgid='pgtrigger_insert_insert_9b8e7', table='custody_custodianorder', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='custodianorder',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "custody_custodianorderevent" ("asset_id", "cash_micros", "created_at", "custodian_order_id", "filled_at", "filled_units", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "price_micros", "problem", "reason", "requested_at", "settled_at", "settlement_date", "settles_at", "side", "state", "submitted_at", "units") VALUES (NEW."asset_id", NEW."cash_micros", NEW."created_at", NEW."custodian_order_id", NEW."filled_at", NEW."filled_units", NEW."id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."price_micros", NEW."problem", NEW."reason", NEW."requested_at", NEW."settled_at", NEW."settlement_date", NEW."settles_at", NEW."side", NEW."state", NEW."submitted_at", NEW."units"); RETURN NULL;', hash='34c2ecb22f10fdbf4465aba48c15935909a1c385', operation='UPDATE', pgid='pgtrigger_update_update_1b097', table='custody_custodianorder', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='deposit',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "custody_depositevent" ("address_id", "created_at", "credited_at", "entry_id", "id", "inner_index", "instruction_index", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "problem", "reason", "return_signature", "returned_at", "seen_at", "sender", "signature", "slot", "state", "transfer_id", "units") VALUES (NEW."address_id", NEW."created_at", NEW."credited_at", NEW."entry_id", NEW."id", NEW."inner_index", NEW."instruction_index", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."problem", NEW."reason", NEW."return_signature", NEW."returned_at", NEW."seen_at", NEW."sender", NEW."signature", NEW."slot", NEW."state", NEW."transfer_id", NEW."units"); RETURN NULL;', hash='2348716c4ce3a54e10b13e4d5de2755d376a7f24', operation='INSERT', pgid='pgtrigger_insert_insert_be46b', table='custody_deposit', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='deposit',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "custody_depositevent" ("address_id", "created_at", "credited_at", "entry_id", "id", "inner_index", "instruction_index", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "problem", "reason", "return_signature", "returned_at", "seen_at", "sender", "signature", "slot", "state", "transfer_id", "units") VALUES (NEW."address_id", NEW."created_at", NEW."credited_at", NEW."entry_id", NEW."id", NEW."inner_index", NEW."instruction_index", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."problem", NEW."reason", NEW."return_signature", NEW."returned_at", NEW."seen_at", NEW."sender", NEW."signature", NEW."slot", NEW."state", NEW."transfer_id", NEW."units"); RETURN NULL;', hash='da15bcf6bb06db909b76fca41b0c8d327bbf6cd4', operation='UPDATE', pgid='pgtrigger_update_update_a620e', table='custody_deposit', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='mintrequest',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "custody_mintrequestevent" ("approved_at", "asset_id", "chain_transaction_id", "created_at", "ended_at", "failure", "held_units", "id", "minted_at", "minting_at", "order_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "problem", "proposal_id", "reason", "requested_at", "share_asset_id", "share_units", "shares_bought_at", "shares_ordered_at", "shares_settled_at", "started_by_id", "state", "token_units") VALUES (NEW."approved_at", NEW."asset_id", NEW."chain_transaction_id", NEW."created_at", NEW."ended_at", NEW."failure", NEW."held_units", NEW."id", NEW."minted_at", NEW."minting_at", NEW."order_id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."problem", NEW."proposal_id", NEW."reason", NEW."requested_at", NEW."share_asset_id", NEW."share_units", NEW."shares_bought_at", NEW."shares_ordered_at", NEW."shares_settled_at", NEW."started_by_id", NEW."state", NEW."token_units"); RETURN NULL;', hash='50436b661ab94c2ab4239fca7349377a538a4174', operation='INSERT', pgid='pgtrigger_insert_insert_a3cc3', table='custody_mintrequest', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='mintrequest',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "custody_mintrequestevent" ("approved_at", "asset_id", "chain_transaction_id", "created_at", "ended_at", "failure", "held_units", "id", "minted_at", "minting_at", "order_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "problem", "proposal_id", "reason", "requested_at", "share_asset_id", "share_units", "shares_bought_at", "shares_ordered_at", "shares_settled_at", "started_by_id", "state", "token_units") VALUES (NEW."approved_at", NEW."asset_id", NEW."chain_transaction_id", NEW."created_at", NEW."ended_at", NEW."failure", NEW."held_units", NEW."id", NEW."minted_at", NEW."minting_at", NEW."order_id", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."problem", NEW."proposal_id", NEW."reason", NEW."requested_at", NEW."share_asset_id", NEW."share_units", NEW."shares_bought_at", NEW."shares_ordered_at", NEW."shares_settled_at", NEW."started_by_id", NEW."state", NEW."token_units"); RETURN NULL;', hash='0a0f577b4948e1a36d81674751e947e6cbc69462', operation='UPDATE', pgid='pgtrigger_update_update_37b91', table='custody_mintrequest', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='redemption',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "custody_redemptionevent" ("asset_id", "body_hash", "burned_at", "chain_transaction_id", "created_at", "fee_e6", "fee_units", "gross_units", "held_at", "id", "idempotency_key", "investor_id", "order_id", "paid_at", "paid_units", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "problem", "reason", "refused_at", "requested_at", "share_asset_id", "share_units", "sold_at", "sold_units", "state", "submitted_at", "transfer_in_id", "transfer_out_id", "units") VALUES (NEW."asset_id", NEW."body_hash", NEW."burned_at", NEW."chain_transaction_id", NEW."created_at", NEW."fee_e6", NEW."fee_units", NEW."gross_units", NEW."held_at", NEW."id", NEW."idempotency_key", NEW."investor_id", NEW."order_id", NEW."paid_at", NEW."paid_units", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."problem", NEW."reason", NEW."refused_at", NEW."requested_at", NEW."share_asset_id", NEW."share_units", NEW."sold_at", NEW."sold_units", NEW."state", NEW."submitted_at", NEW."transfer_in_id", NEW."transfer_out_id", NEW."units"); RETURN NULL;', hash='a77b75583538fbb7bdac0f6bbce9c3d7e892ce33', operation='INSERT', pgid='pgtrigger_insert_insert_6d1c5', table='custody_redemption', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='redemption',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "custody_redemptionevent" ("asset_id", "body_hash", "burned_at", "chain_transaction_id", "created_at", "fee_e6", "fee_units", "gross_units", "held_at", "id", "idempotency_key", "investor_id", "order_id", "paid_at", "paid_units", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "problem", "reason", "refused_at", "requested_at", "share_asset_id", "share_units", "sold_at", "sold_units", "state", "submitted_at", "transfer_in_id", "transfer_out_id", "units") VALUES (NEW."asset_id", NEW."body_hash", NEW."burned_at", NEW."chain_transaction_id", NEW."created_at", NEW."fee_e6", NEW."fee_units", NEW."gross_units", NEW."held_at", NEW."id", NEW."idempotency_key", NEW."investor_id", NEW."order_id", NEW."paid_at", NEW."paid_units", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."problem", NEW."reason", NEW."refused_at", NEW."requested_at", NEW."share_asset_id", NEW."share_units", NEW."sold_at", NEW."sold_units", NEW."state", NEW."submitted_at", NEW."transfer_in_id", NEW."transfer_out_id", NEW."units"); RETURN NULL;', hash='76632ac1bc8e974e9cb023ff404e9f645a8bc24a', operation='UPDATE', pgid='pgtrigger_update_update_6c99b', table='custody_redemption', when='AFTER')),
        ),
        migrations.AddConstraint(
            model_name='custodianorder',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state__in', ['filled', 'settled']), _negated=True), models.Q(('cash_micros__gte', 0), ('filled_at__isnull', False), ('filled_units__gt', 0), ('filled_units__lte', models.F('units')), ('price_micros__gt', 0), ('settles_at__isnull', False)), _connector='OR'), name='filled_custodian_orders_are_priced'),
        ),
        migrations.AddConstraint(
            model_name='deposit',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['seen', 'credited', 'vanished', 'quarantined', 'returned'])), name='deposit_state_is_known'),
        ),
        migrations.AddConstraint(
            model_name='deposit',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('returned_at__isnull', False), ('state', 'returned'), models.Q(('return_signature', ''), _negated=True)), models.Q(models.Q(('state', 'returned'), _negated=True), ('return_signature', ''), ('returned_at__isnull', True)), _connector='OR'), name='returned_deposits_say_how'),
        ),
        migrations.AddConstraint(
            model_name='deposit',
            constraint=models.UniqueConstraint(condition=models.Q(('return_signature', ''), _negated=True), fields=('return_signature',), name='a_return_is_of_one_deposit'),
        ),
        migrations.AddConstraint(
            model_name='redemption',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state__in', ['sold', 'burned', 'paid']), _negated=True), models.Q(('sold_units__gt', 0), ('sold_units__lte', models.F('units'))), _connector='OR'), name='sold_redemptions_say_how_much'),
        ),
    ]
