"""What the database itself guarantees about issuance; docs/custody.md tells why.

- tokens in circulation never stand for more shares than `shares_backing` holds;
- a mint moves past approval only with settled shares and two officers;
- a signed mint transaction exists only for an approved request;
- signed bytes and attestations are never changed.
"""

from django.db import migrations

BACKING = """
CREATE FUNCTION custody_check_backing(of_instrument bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE
    required numeric;
    backing numeric;
BEGIN
    -- Σ tokens × multiplier, in base units of the share, rounded up.
    SELECT coalesce(sum(ceil(-account.posted_units * token.multiplier_e18
                             * power(10::numeric, share.decimals - token.decimals)
                             / 1000000000000000000)), 0)
      INTO required
      FROM custody_asset token
      JOIN custody_asset share ON share.instrument_id = token.instrument_id
                              AND share.kind = 'share'
      JOIN custody_ledgeraccount account ON account.asset_id = token.id
                                        AND account.purpose = 'chain'
     WHERE token.instrument_id = of_instrument AND token.kind = 'token';
    SELECT coalesce(sum(account.posted_units), 0) INTO backing
      FROM custody_asset share
      JOIN custody_ledgeraccount account ON account.asset_id = share.id
                                        AND account.purpose = 'shares_backing'
     WHERE share.instrument_id = of_instrument AND share.kind = 'share';
    IF required > backing THEN
        RAISE EXCEPTION 'tokens of instrument % stand for % share units and % back them',
            of_instrument, required, backing
            USING ERRCODE = 'check_violation', CONSTRAINT = 'tokens_are_backed';
    END IF;
    -- Tokens without any share asset would slip through the join above.
    IF EXISTS (SELECT FROM custody_asset token
                 JOIN custody_ledgeraccount account ON account.asset_id = token.id
                  AND account.purpose = 'chain' AND account.posted_units < 0
                WHERE token.instrument_id = of_instrument AND token.kind = 'token'
                  AND NOT EXISTS (SELECT FROM custody_asset share
                                   WHERE share.instrument_id = of_instrument
                                     AND share.kind = 'share')) THEN
        RAISE EXCEPTION 'tokens of instrument % have no share asset', of_instrument
            USING ERRCODE = 'check_violation', CONSTRAINT = 'tokens_are_backed';
    END IF;
END $$;

CREATE FUNCTION custody_backing_of_account() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    of_instrument bigint;
BEGIN
    SELECT instrument_id INTO of_instrument FROM custody_asset WHERE id = NEW.asset_id;
    IF of_instrument IS NOT NULL THEN
        PERFORM custody_check_backing(of_instrument);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION custody_backing_of_asset() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    IF NEW.instrument_id IS NOT NULL THEN
        PERFORM custody_check_backing(NEW.instrument_id);
    END IF;
    RETURN NULL;
END $$;

-- Deferred: a mint is judged when its transaction is whole. The condition is judged
-- without calling the function, so the engine's balances pay next to nothing.
CREATE CONSTRAINT TRIGGER custody_tokens_are_backed
    AFTER INSERT OR UPDATE ON custody_ledgeraccount
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.purpose IN ('chain', 'shares_backing'))
    EXECUTE FUNCTION custody_backing_of_account();
CREATE CONSTRAINT TRIGGER custody_tokens_are_backed
    AFTER UPDATE ON custody_asset
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.multiplier_e18 <> OLD.multiplier_e18)
    EXECUTE FUNCTION custody_backing_of_asset();
"""

MINT = """
CREATE FUNCTION custody_check_mint() RETURNS trigger
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
                          AND asset_id = NEW.share_asset_id AND units >= NEW.share_units) THEN
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
CREATE TRIGGER custody_check_mint BEFORE INSERT OR UPDATE ON custody_mintrequest
    FOR EACH ROW EXECUTE FUNCTION custody_check_mint();
"""

CHAIN = """
CREATE FUNCTION custody_check_chain_transaction() RETURNS trigger
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
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER custody_check_chain_transaction BEFORE INSERT OR UPDATE ON custody_chaintransaction
    FOR EACH ROW EXECUTE FUNCTION custody_check_chain_transaction();
"""

RIGHTS = """
REVOKE DELETE ON custody_chaintransaction, custody_custodianorder, custody_deposit,
    custody_depositaddress, custody_mintrequest, custody_redemption FROM bourse_app;
REVOKE UPDATE, DELETE ON custody_reserveattestation FROM bourse_app;
"""

UNDO = """
GRANT DELETE ON custody_chaintransaction, custody_custodianorder, custody_deposit,
    custody_depositaddress, custody_mintrequest, custody_redemption TO bourse_app;
GRANT UPDATE, DELETE ON custody_reserveattestation TO bourse_app;
DROP TRIGGER custody_check_chain_transaction ON custody_chaintransaction;
DROP TRIGGER custody_check_mint ON custody_mintrequest;
DROP TRIGGER custody_tokens_are_backed ON custody_asset;
DROP TRIGGER custody_tokens_are_backed ON custody_ledgeraccount;
DROP FUNCTION custody_check_chain_transaction, custody_check_mint, custody_backing_of_asset,
    custody_backing_of_account, custody_check_backing(bigint);
"""


class Migration(migrations.Migration):
    dependencies = [("custody", "0010_issuance")]

    operations = [
        migrations.RunSQL(BACKING + MINT + CHAIN + RIGHTS, reverse_sql=UNDO),
    ]
