"""More purposes in the chart of accounts; tokens in the issuance wallet circulate too.

See docs/ledger.md. A `result` account has any sign and is never held.
"""

from django.db import migrations, models
from django.db.models import F, Q

BACKING = """
CREATE OR REPLACE FUNCTION custody_check_backing(of_instrument bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE
    required numeric;
    backing numeric;
BEGIN
    -- Σ tokens × multiplier, in base units of the share, rounded up once per token.
    SELECT coalesce(sum(ceil(circulating.units * circulating.multiplier_e18
                             * power(10::numeric, circulating.places) / 1000000000000000000)), 0)
      INTO required
      FROM (SELECT -sum(account.posted_units) AS units, token.multiplier_e18,
                   share.decimals - token.decimals AS places
              FROM custody_asset token
              JOIN custody_asset share ON share.instrument_id = token.instrument_id
                                      AND share.kind = 'share'
              JOIN custody_ledgeraccount account ON account.asset_id = token.id
                                        AND account.purpose IN ('chain', 'chain_issuance')
             WHERE token.instrument_id = of_instrument AND token.kind = 'token'
             GROUP BY token.id, share.id) AS circulating;
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
                  AND account.purpose IN ('chain', 'chain_issuance') AND account.posted_units < 0
                WHERE token.instrument_id = of_instrument AND token.kind = 'token'
                  AND NOT EXISTS (SELECT FROM custody_asset share
                                   WHERE share.instrument_id = of_instrument
                                     AND share.kind = 'share')) THEN
        RAISE EXCEPTION 'tokens of instrument % have no share asset', of_instrument
            USING ERRCODE = 'check_violation', CONSTRAINT = 'tokens_are_backed';
    END IF;
END $$;
"""

TRIGGER = """
DROP TRIGGER custody_tokens_are_backed ON custody_ledgeraccount;
CREATE CONSTRAINT TRIGGER custody_tokens_are_backed
    AFTER INSERT OR UPDATE ON custody_ledgeraccount
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.purpose IN ('chain', 'chain_issuance', 'shares_backing'))
    EXECUTE FUNCTION custody_backing_of_account();
"""

PURPOSES = [
    "main", "trading", "redemption", "withdrawal", "pledged", "inventory", "treasury", "fees",
    "transit", "suspense", "dust", "shares_unsettled", "shares_allocated", "shares_free",
    "shares_backing", "prefunding", "payable", "equity", "dividends_payable",
    "withholding_tax_payable", "result", "chain", "chain_issuance", "custodian_bought",
    "custodian_allocated", "custodian_settled", "custodian_cash", "receivable",
]  # fmt: skip
INVESTOR = ["main", "pledged", "redemption", "trading", "withdrawal"]
CONTRA = [
    "chain", "chain_issuance", "custodian_allocated", "custodian_bought", "custodian_cash",
    "custodian_settled", "receivable",
]  # fmt: skip
SIGNED = ["result"]


class Migration(migrations.Migration):
    dependencies = [("custody", "0013_looking_back")]

    operations = [
        migrations.RemoveConstraint("ledgeraccount", "ledger_account_purpose_is_known"),
        migrations.RemoveConstraint("ledgeraccount", "ledger_account_owner_fits_purpose"),
        migrations.RemoveConstraint("ledgeraccount", "ledger_account_holds_are_covered"),
        migrations.AlterField(
            "ledgeraccount",
            "purpose",
            models.TextField(
                choices=[(each, each.replace("_", " ").title()) for each in PURPOSES]
            ),
        ),
        migrations.AddConstraint(
            "ledgeraccount",
            models.CheckConstraint(
                condition=Q(purpose__in=PURPOSES), name="ledger_account_purpose_is_known"
            ),
        ),
        migrations.AddConstraint(
            "ledgeraccount",
            models.CheckConstraint(
                condition=Q(purpose__in=INVESTOR, owner__isnull=False)
                | (~Q(purpose__in=INVESTOR) & Q(owner__isnull=True)),
                name="ledger_account_owner_fits_purpose",
            ),
        ),
        migrations.AddConstraint(
            "ledgeraccount",
            models.CheckConstraint(
                condition=(
                    Q(held_units__gte=0, posted_units__gte=F("held_units"))
                    & (Q(purpose="trading") | ~Q(purpose__in=sorted(CONTRA + SIGNED)))
                )
                | Q(posted_units__lte=0, held_units=0, purpose__in=CONTRA)
                | Q(held_units=0, purpose__in=SIGNED),
                name="ledger_account_holds_are_covered",
            ),
        ),
        migrations.RunSQL(BACKING + TRIGGER, reverse_sql=migrations.RunSQL.noop),
    ]
