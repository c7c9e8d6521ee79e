"""A block that has traded is booked and stays traded; one that was refused stays refused.

So far only the operation saw to it. Blocks from before there were blocks owe no dollars
(`owed_micros` 0): theirs were booked with their orders.
"""

from django.db import migrations

BOOKED = """
CREATE OR REPLACE FUNCTION custody_block_itself() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    steps text[] := '{}';
BEGIN
    PERFORM custody_check_block(NEW.id);
    IF NEW.owed_micros > 0 AND NEW.state IN ('filled', 'allocated', 'settled') THEN
        steps := CASE NEW.side WHEN 'buy' THEN '{shares_bought}' ELSE '{sale_filled}' END;
        IF NEW.side = 'buy' AND NEW.state IN ('allocated', 'settled') THEN
            steps := steps || '{shares_allocated}'::text[];
        END IF;
        IF NEW.state = 'settled' THEN
            steps := steps || CASE NEW.side WHEN 'buy' THEN 'shares_settled'
                                            ELSE 'sale_settled' END;
        END IF;
    END IF;
    IF EXISTS (SELECT FROM unnest(steps) AS step
                WHERE NOT EXISTS (SELECT FROM custody_journalentry
                                   WHERE key = step || ':' || NEW.id)) THEN
        RAISE EXCEPTION 'block % is % and not booked', NEW.id, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'traded_block_is_booked';
    END IF;
    RETURN NULL;
END $$;
"""

ONE_WAY = """
CREATE FUNCTION custody_block_goes_one_way() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    RAISE EXCEPTION 'block % was % and cannot become %', NEW.id, OLD.state, NEW.state
        USING ERRCODE = 'check_violation', CONSTRAINT = 'block_goes_one_way';
END $$;
CREATE TRIGGER custody_block_goes_one_way BEFORE UPDATE OF state ON custody_blockorder
    FOR EACH ROW
    WHEN ((OLD.state IN ('rejected', 'settled') AND NEW.state <> OLD.state)
          OR (OLD.state IN ('filled', 'allocated')
              AND NEW.state NOT IN ('filled', 'allocated', 'settled')))
    EXECUTE FUNCTION custody_block_goes_one_way();
"""

UNDO = """
DROP TRIGGER custody_block_goes_one_way ON custody_blockorder;
DROP FUNCTION custody_block_goes_one_way;
CREATE OR REPLACE FUNCTION custody_block_itself() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    PERFORM custody_check_block(NEW.id);
    RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("custody", "0020_house_entries")]

    operations = [migrations.RunSQL(BOOKED + ONE_WAY, reverse_sql=UNDO)]
