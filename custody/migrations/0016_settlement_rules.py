"""What the database guarantees about settlement, and the blocks of orders from before.

- a block is what its orders ask for, and its fill is divided among them to the last unit;
- what was formed or planned never changes; a leg that is final is booked;
- a transaction between our wallets exists only for a leg that is under way.

Each order from before there were blocks becomes the block of itself, under its own id, at
which the custodian knows it. The dollars at the broker move from treasury to prefunding.
"""

from django.db import migrations, transaction

BLOCKS = """
CREATE FUNCTION custody_check_block(of_block uuid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE
    block custody_blockorder%ROWTYPE;
    orders record;
BEGIN
    SELECT * INTO block FROM custody_blockorder WHERE id = of_block;
    IF NOT FOUND OR block.state = 'rejected' THEN
        RETURN;  -- its orders ended with it, or are sent again in others
    END IF;
    SELECT coalesce(sum(units), 0) AS units, coalesce(sum(filled_units), 0) AS filled_units,
           coalesce(sum(cash_micros), 0) AS cash_micros,
           bool_and(asset_id = block.asset_id AND side = block.side) AS are_alike
      INTO orders FROM custody_custodianorder WHERE block_id = of_block;
    IF orders.units <> block.units OR orders.are_alike IS NOT TRUE THEN
        RAISE EXCEPTION 'block % is not what its orders ask for', of_block
            USING ERRCODE = 'check_violation', CONSTRAINT = 'block_is_its_orders';
    END IF;
    IF block.state IN ('allocated', 'settled')
       AND (orders.filled_units, orders.cash_micros)
           IS DISTINCT FROM (block.filled_units::numeric, block.cash_micros::numeric) THEN
        RAISE EXCEPTION 'the parts of block % do not add up to its fill', of_block
            USING ERRCODE = 'check_violation', CONSTRAINT = 'block_is_divided_exactly';
    END IF;
END $$;

CREATE FUNCTION custody_block_of_order() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    IF NEW.block_id IS NOT NULL THEN
        PERFORM custody_check_block(NEW.block_id);
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.block_id IS DISTINCT FROM NEW.block_id
       AND OLD.block_id IS NOT NULL THEN
        PERFORM custody_check_block(OLD.block_id);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION custody_block_itself() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    PERFORM custody_check_block(NEW.id);
    RETURN NULL;
END $$;

-- Deferred: a block and its orders are judged when their transaction is whole.
CREATE CONSTRAINT TRIGGER custody_block_adds_up AFTER INSERT OR UPDATE ON custody_custodianorder
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION custody_block_of_order();
CREATE CONSTRAINT TRIGGER custody_block_adds_up AFTER INSERT OR UPDATE ON custody_blockorder
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION custody_block_itself();

CREATE FUNCTION custody_block_stays() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    IF (NEW.id, NEW.asset_id, NEW.side, NEW.units)
       IS DISTINCT FROM (OLD.id, OLD.asset_id, OLD.side, OLD.units)
       OR (OLD.filled_units IS NOT NULL
           AND (NEW.filled_units, NEW.cash_micros, NEW.owed_micros)
               IS DISTINCT FROM (OLD.filled_units, OLD.cash_micros, OLD.owed_micros)) THEN
        RAISE EXCEPTION 'what block % is about never changes', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'block_is_what_was_sent';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER custody_block_stays BEFORE UPDATE ON custody_blockorder
    FOR EACH ROW EXECUTE FUNCTION custody_block_stays();
"""

LEGS = """
CREATE FUNCTION custody_check_settlement_leg() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.state <> 'planned' THEN
        RAISE EXCEPTION 'a leg begins as planned, not as %', NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'leg_begins_as_planned';
    END IF;
    IF TG_OP = 'UPDATE' AND (NEW.id, NEW.asset_id, NEW.direction, NEW.units)
            IS DISTINCT FROM (OLD.id, OLD.asset_id, OLD.direction, OLD.units) THEN
        RAISE EXCEPTION 'what leg % is about never changes', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'leg_is_what_was_planned';
    END IF;
    IF NEW.state = 'final'
       AND NOT EXISTS (SELECT FROM custody_journalentry
                        WHERE key = 'tokens_moved:' || NEW.id) THEN
        RAISE EXCEPTION 'leg % is not booked', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'final_leg_is_booked';
    END IF;
    IF NEW.state IN ('stuck', 'failed')
       AND EXISTS (SELECT FROM custody_chaintransaction
                    WHERE key = 'move:' || NEW.id AND state NOT IN ('failed', 'expired')) THEN
        RAISE EXCEPTION 'leg % has a transaction that may land', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'leg_may_still_land';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER custody_check_settlement_leg BEFORE INSERT OR UPDATE ON custody_settlementleg
    FOR EACH ROW EXECUTE FUNCTION custody_check_settlement_leg();

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

RIGHTS = """
REVOKE DELETE ON custody_blockorder, custody_settlementleg FROM bourse_app;
"""

# Orders from before. A sale whose burn is not booked has its dollars booked by its block, so
# the custodian is asked once more; whatever else was filled has its dollars booked already.
BEFORE = """
INSERT INTO custody_blockorder
       (id, asset_id, side, units, state, custodian_order_id, filled_units, cash_micros,
        price_micros, owed_micros, settlement_date, settles_at, reason, attempts, problem,
        formed_at, submitted_at, filled_at, allocated_at, settled_at)
SELECT o.id, o.asset_id, o.side, o.units,
       CASE WHEN o.state NOT IN ('filled', 'settled') THEN o.state
            WHEN is_unbooked THEN 'submitted'
            WHEN o.state = 'settled' THEN 'settled'
            WHEN o.side = 'buy' THEN 'filled'
            ELSE 'allocated' END,
       o.custodian_order_id,
       CASE WHEN NOT is_unbooked THEN o.filled_units END,
       CASE WHEN NOT is_unbooked THEN o.cash_micros END,
       CASE WHEN NOT is_unbooked THEN o.price_micros END,
       0, o.settlement_date, o.settles_at, o.reason, 0, '',
       o.requested_at, o.submitted_at,
       CASE WHEN NOT is_unbooked THEN o.filled_at END,
       CASE WHEN NOT is_unbooked AND NOT (o.state = 'filled' AND o.side = 'buy')
            THEN o.filled_at END,
       CASE WHEN NOT is_unbooked THEN o.settled_at END
  FROM custody_custodianorder o,
       LATERAL (SELECT o.side = 'sell' AND o.state IN ('filled', 'settled')
                       AND EXISTS (SELECT FROM custody_redemption r
                                    WHERE r.order_id = o.id
                                      AND r.state NOT IN ('burned', 'paid')) AS is_unbooked) AS b
 WHERE o.block_id IS NULL;
UPDATE custody_custodianorder SET block_id = id WHERE block_id IS NULL;
SET CONSTRAINTS ALL IMMEDIATE;
"""

UNDO = """
DROP TRIGGER custody_check_settlement_leg ON custody_settlementleg;
DROP TRIGGER custody_block_stays ON custody_blockorder;
DROP TRIGGER custody_block_adds_up ON custody_blockorder;
DROP TRIGGER custody_block_adds_up ON custody_custodianorder;
DROP FUNCTION custody_check_settlement_leg, custody_block_stays, custody_block_itself,
    custody_block_of_order, custody_check_block(uuid);
"""

TREASURY_DOLLARS = """
SELECT account.id, account.asset_id, account.posted_units FROM custody_ledgeraccount account
  JOIN custody_asset asset ON asset.id = account.asset_id AND asset.kind = 'fiat'
 WHERE account.owner_id IS NULL AND account.purpose = 'treasury' AND account.posted_units > 0
"""


def carry_dollars_over(apps, schema_editor):
    """The broker's dollars were the treasury's; now they are its prefunding."""
    from custody import ledger
    from custody.ledger import Entry, Line
    from kernel import clock

    with schema_editor.connection.cursor() as cursor:
        cursor.execute(TREASURY_DOLLARS)
        found = cursor.fetchall()
    for account_id, asset_id, units in found:
        prefunding = ledger.get_account_id(None, asset_id, "prefunding")
        lines = (Line(account_id, -units), Line(prefunding, units))
        key = f"prefunding_carried_over:{asset_id}"
        with transaction.atomic():
            ledger.post([Entry("prefunding carried over", key, key, lines)], clock.now())


class Migration(migrations.Migration):
    dependencies = [("custody", "0015_settlement")]

    operations = [
        migrations.RunSQL(BLOCKS + LEGS + RIGHTS + BEFORE, reverse_sql=UNDO),
        migrations.RunPython(carry_dollars_over, migrations.RunPython.noop),
    ]
