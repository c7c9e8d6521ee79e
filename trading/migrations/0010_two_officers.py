"""Fee schedules and lifted switches are what two officers agreed on, or they are refused."""

from django.db import migrations

SCHEDULES = """
CREATE FUNCTION trading_check_fee_schedule() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    agreed jsonb;
BEGIN
    SELECT body INTO agreed FROM accounts_proposal
     WHERE id = NEW.proposal_id AND kind = 'fee_schedule' AND state IN ('approved', 'executed')
       AND checker_id IS NOT NULL AND checker_id <> maker_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'fee schedule "%" has no second officer''s approval', NEW.name
            USING ERRCODE = 'check_violation', CONSTRAINT = 'fee_schedule_needs_two_officers';
    END IF;
    IF (agreed ->> 'listing', agreed ->> 'partner') IS DISTINCT FROM
       ((SELECT symbol FROM trading_listing WHERE id = NEW.listing_id),
        (SELECT code FROM accounts_partner WHERE id = NEW.partner_id)) THEN
        RAISE EXCEPTION 'fee schedule "%" is for others than was confirmed', NEW.name
            USING ERRCODE = 'check_violation', CONSTRAINT = 'fee_schedule_is_what_was_confirmed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER trading_check_fee_schedule BEFORE INSERT OR UPDATE ON trading_feeschedule
    FOR EACH ROW EXECUTE FUNCTION trading_check_fee_schedule();

CREATE FUNCTION trading_check_fee_tier() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM trading_feeschedule AS schedule
          JOIN accounts_proposal AS proposal ON proposal.id = schedule.proposal_id
         CROSS JOIN LATERAL jsonb_array_elements(proposal.body -> 'tiers') AS tier
         WHERE schedule.id = NEW.schedule_id
           AND (tier ->> 'from_usd')::numeric * 1000000 = NEW.volume_from_units
           AND (tier ->> 'maker_percent')::numeric * 10000 = NEW.maker_e6
           AND (tier ->> 'taker_percent')::numeric * 10000 = NEW.taker_e6) THEN
        RAISE EXCEPTION 'fee schedule % was not confirmed with this tier', NEW.schedule_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'fee_tier_is_what_was_confirmed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER trading_check_fee_tier BEFORE INSERT OR UPDATE ON trading_feetier
    FOR EACH ROW EXECUTE FUNCTION trading_check_fee_tier();
"""
UNDO_SCHEDULES = """
DROP TRIGGER trading_check_fee_tier ON trading_feetier;
DROP TRIGGER trading_check_fee_schedule ON trading_feeschedule;
DROP FUNCTION trading_check_fee_tier, trading_check_fee_schedule;
"""
SWITCHES = """
CREATE FUNCTION trading_check_lift() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM accounts_proposal
                    WHERE id = NEW.lift_proposal_id AND kind = 'lift_kill_switch'
                      AND subject = 'kill_switch:' || NEW.id
                      AND state IN ('approved', 'executed')
                      AND checker_id IS NOT NULL AND checker_id <> maker_id) THEN
        RAISE EXCEPTION 'lifting switch % has no second officer''s approval', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'kill_switch_lift_needs_two_officers';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER trading_check_lift BEFORE INSERT OR UPDATE ON trading_killswitch
    FOR EACH ROW WHEN (NEW.lift_proposal_id IS NOT NULL) EXECUTE FUNCTION trading_check_lift();
"""
UNDO_SWITCHES = """
DROP TRIGGER trading_check_lift ON trading_killswitch;
DROP FUNCTION trading_check_lift;
"""


class Migration(migrations.Migration):

    dependencies = [("accounts", "0005_partners"), ("trading", "0009_taker_rate_of_terms")]

    operations = [
        migrations.RunSQL(SCHEDULES, reverse_sql=UNDO_SCHEDULES),
        migrations.RunSQL(SWITCHES, reverse_sql=UNDO_SWITCHES),
    ]
