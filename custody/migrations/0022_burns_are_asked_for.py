"""A burn is signed only for a redemption that is sold, as a mint for an approved request."""

from importlib import import_module

from django.db import migrations

BEFORE = import_module("custody.migrations.0016_settlement_rules").LEGS
REPLACED = BEFORE[BEFORE.index("CREATE OR REPLACE FUNCTION custody_check_chain_transaction") :]

BURNS = """
CREATE OR REPLACE FUNCTION custody_check_chain_transaction() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.kind, NEW.key, NEW.attempt, NEW.signature, NEW.signed_bytes,
            NEW.last_valid_block_height)
           IS DISTINCT FROM (OLD.kind, OLD.key, OLD.attempt, OLD.signature, OLD.signed_bytes,
                             OLD.last_valid_block_height) THEN
            RAISE EXCEPTION 'a signed transaction never changes'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'signed_once';
        END IF;
    ELSIF NEW.kind = 'mint'
          AND NOT EXISTS (SELECT FROM custody_mintrequest
                           WHERE 'mint:' || id = NEW.key AND state IN ('approved', 'minting')) THEN
        RAISE EXCEPTION 'no approved mint request asks for %', NEW.key
            USING ERRCODE = 'check_violation', CONSTRAINT = 'mint_needs_settled_shares';
    ELSIF NEW.kind = 'burn'
          AND NOT EXISTS (SELECT FROM custody_redemption
                           WHERE 'burn:' || id = NEW.key AND state = 'sold') THEN
        RAISE EXCEPTION 'no redemption that is sold asks for %', NEW.key
            USING ERRCODE = 'check_violation', CONSTRAINT = 'burn_needs_a_sold_redemption';
    ELSIF NEW.kind = 'move' THEN
        -- Locked: a leg cannot become stuck while a transaction of it is being signed.
        PERFORM FROM custody_settlementleg
          WHERE 'move:' || id = NEW.key AND state IN ('planned', 'signed') FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'no leg under way asks for %', NEW.key
                USING ERRCODE = 'check_violation', CONSTRAINT = 'move_needs_a_leg';
        END IF;
    END IF;
    RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("custody", "0021_blocks_are_booked")]

    operations = [migrations.RunSQL(BURNS, reverse_sql=REPLACED)]
