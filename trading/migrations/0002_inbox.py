"""The engine's inbox, and what the application may not do to the record of trading.

Each trigger writes its inbox rows in the transaction that changed the fact, so
a fact and the engine's notice of it are never apart. Triggers on the tables of
the rooms below belong here: those rooms know nothing of the engine.
"""

from django.db import migrations

INBOX = """
CREATE FUNCTION trading_tell_engines(item_kind text, item jsonb, only_pool smallint DEFAULT NULL)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    INSERT INTO trading_inboxitem (pool_id, kind, payload, created_at)
    SELECT id, item_kind, item, clock_timestamp() FROM trading_pool
     WHERE only_pool IS NULL OR id = only_pool;
$$;

CREATE FUNCTION trading_on_eligibility() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM trading_tell_engines('eligibility', jsonb_build_object(
        'investor_id', NEW.investor_id, 'snapshot_id', NEW.id));
    RETURN NULL;
END $$;
CREATE TRIGGER trading_inbox AFTER INSERT ON accounts_eligibilitysnapshot
    FOR EACH ROW EXECUTE FUNCTION trading_on_eligibility();

CREATE FUNCTION trading_on_owner_group() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM trading_tell_engines('eligibility', jsonb_build_object('investor_id', NEW.id));
    RETURN NULL;
END $$;
CREATE TRIGGER trading_inbox AFTER UPDATE OF owner_group ON accounts_investor
    FOR EACH ROW WHEN (OLD.owner_group IS DISTINCT FROM NEW.owner_group)
    EXECUTE FUNCTION trading_on_owner_group();

CREATE FUNCTION trading_on_pool_transfer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM trading_tell_engines(
        'pool_transfer', jsonb_build_object('pool_transfer_id', NEW.id), NEW.pool);
    RETURN NULL;
END $$;
CREATE TRIGGER trading_inbox AFTER INSERT ON custody_pooltransfer
    FOR EACH ROW EXECUTE FUNCTION trading_on_pool_transfer();

CREATE FUNCTION trading_on_listing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM trading_tell_engines('listing', jsonb_build_object(
        'listing_id', NEW.id, 'state', NEW.state, 'reason', NEW.state_reason), NEW.pool_id);
    RETURN NULL;
END $$;
CREATE TRIGGER trading_inbox AFTER INSERT OR UPDATE ON trading_listing
    FOR EACH ROW EXECUTE FUNCTION trading_on_listing();

CREATE FUNCTION trading_on_country_block() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed bigint = CASE WHEN TG_OP = 'DELETE' THEN OLD.listing_id ELSE NEW.listing_id END;
BEGIN
    PERFORM trading_tell_engines('listing', jsonb_build_object('listing_id', changed));
    RETURN NULL;
END $$;
CREATE TRIGGER trading_inbox AFTER INSERT OR UPDATE OR DELETE ON trading_listingcountryblock
    FOR EACH ROW EXECUTE FUNCTION trading_on_country_block();

-- One item for each round of the price feed, not one for each price.
CREATE FUNCTION trading_on_reference() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    instruments jsonb;
BEGIN
    SELECT jsonb_agg(instrument_id) INTO instruments FROM changed;
    IF instruments IS NOT NULL THEN
        PERFORM trading_tell_engines(
            'reference', jsonb_build_object('instrument_ids', instruments));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER trading_inbox_insert AFTER INSERT ON reference_referenceprice
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION trading_on_reference();
CREATE TRIGGER trading_inbox_update AFTER UPDATE ON reference_referenceprice
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION trading_on_reference();

CREATE FUNCTION trading_on_multiplier() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM trading_tell_engines('reference', jsonb_build_object(
        'instrument_ids', jsonb_build_array(NEW.instrument_id)));
    RETURN NULL;
END $$;
CREATE TRIGGER trading_inbox AFTER UPDATE OF multiplier_e18 ON custody_asset
    FOR EACH ROW WHEN (OLD.multiplier_e18 IS DISTINCT FROM NEW.multiplier_e18)
    EXECUTE FUNCTION trading_on_multiplier();
"""

UNDO_INBOX = """
DROP TRIGGER trading_inbox ON custody_asset;
DROP TRIGGER trading_inbox_update ON reference_referenceprice;
DROP TRIGGER trading_inbox_insert ON reference_referenceprice;
DROP TRIGGER trading_inbox ON trading_listingcountryblock;
DROP TRIGGER trading_inbox ON trading_listing;
DROP TRIGGER trading_inbox ON custody_pooltransfer;
DROP TRIGGER trading_inbox ON accounts_investor;
DROP TRIGGER trading_inbox ON accounts_eligibilitysnapshot;
DROP FUNCTION trading_on_multiplier, trading_on_reference, trading_on_country_block,
    trading_on_listing, trading_on_pool_transfer, trading_on_owner_group,
    trading_on_eligibility, trading_tell_engines;
"""

FIRST_POOL = "INSERT INTO trading_pool (id, epoch, batch_no, owner) VALUES (1, 0, 0, '')"

RIGHTS = """
REVOKE UPDATE, DELETE, TRUNCATE ON trading_trade, trading_bookevent FROM bourse_app;
REVOKE DELETE, TRUNCATE ON trading_order, trading_pool, trading_listing FROM bourse_app;
"""

# Rows that are updated often keep room on their page, so that their indexes stay as they are.
STORAGE = """
ALTER TABLE trading_pool SET (fillfactor = 10);
ALTER TABLE trading_order SET (fillfactor = 85);
"""
UNDO_STORAGE = """
ALTER TABLE trading_pool RESET (fillfactor);
ALTER TABLE trading_order RESET (fillfactor);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0001_initial"),
        ("accounts", "0002_rights"),
        ("custody", "0002_ledger_rules"),
        ("reference", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(FIRST_POOL, reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(INBOX, reverse_sql=UNDO_INBOX),
        migrations.RunSQL(RIGHTS, reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(STORAGE, reverse_sql=UNDO_STORAGE),
    ]
