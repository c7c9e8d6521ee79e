"""What a ledger account is for, and which sign its balance may have.

    INVESTOR  what we owe an investor           >= 0
    HOUSE     what the house owns or owes       >= 0
    CONTRA    what lies with an outside party   <= 0, never held
    SIGNED    profit and loss                   any sign, never held

A unit that comes in from outside makes the outside party's contra account more
negative and somebody's account more positive: per asset everything sums to zero.
See docs/ledger.md for the chart of accounts.
"""

from django.db.models import TextChoices


class AssetKind(TextChoices):
    """What the ledger counts: where its units really are, and who issues them."""

    STABLECOIN = "stablecoin"  # USDC on chain: investors' cash
    TOKEN = "token"  # noqa: S105 (no secret; AAPLx on chain: issued by us)
    SHARE = "share"  # AAPL at the custodian: what backs a token
    FIAT = "fiat"  # the broker's dollars: treasury legs only


class Purpose(TextChoices):
    """The purpose of a ledger account; with owner, asset and pool it names one balance."""

    MAIN = "main"  # an investor's units at rest
    TRADING = "trading"  # with which an investor trades: its pool's engine alone writes it
    REDEMPTION = "redemption"  # in escrow until sold and paid
    WITHDRAWAL = "withdrawal"  # in escrow until sent on chain
    PLEDGED = "pledged"  # an investor's, given as security: not theirs to spend until released
    INVENTORY = "inventory"  # minted tokens not yet sold
    TREASURY = "treasury"  # the house's own cash
    FEES = "fees"  # trading fees earned, per pool
    TRANSIT = "transit"  # on the way between main and trading, per pool
    SUSPENSE = "suspense"  # arrived, and nobody knows whose it is
    DUST = "dust"  # what rounding left over
    SHARES_UNSETTLED = "shares_unsettled"  # bought, not yet allocated to its orders
    SHARES_ALLOCATED = "shares_allocated"  # bought for a mint, not yet delivered (T+1)
    SHARES_FREE = "shares_free"  # delivered, backing nothing yet
    SHARES_BACKING = "shares_backing"  # delivered, backing minted tokens
    PREFUNDING = "prefunding"  # dollars at the broker, free to buy with
    PAYABLE = "payable"  # dollars owed to the broker for purchases that have not settled
    EQUITY = "equity"  # capital paid in by the operator
    DIVIDENDS_PAYABLE = "dividends_payable"  # received, owed to the holders of the tokens
    WITHHOLDING_TAX_PAYABLE = "withholding_tax_payable"  # kept back, owed to a tax office
    RESULT = "result"  # signed: profit and loss
    CHAIN = "chain"  # contra: units on our chain wallets, or tokens in circulation
    CHAIN_ISSUANCE = "chain_issuance"  # contra: tokens in the issuance wallet
    CUSTODIAN_BOUGHT = "custodian_bought"  # contra: bought, not yet allocated
    CUSTODIAN_ALLOCATED = "custodian_allocated"  # contra: allocated, the broker owes delivery
    CUSTODIAN_SETTLED = "custodian_settled"  # contra: shares in our custody account
    CUSTODIAN_CASH = "custodian_cash"  # contra: dollars in our custody account
    RECEIVABLE = "receivable"  # contra: dollars the broker owes for sales that have not settled


INVESTOR_PURPOSES = frozenset(
    {Purpose.MAIN, Purpose.TRADING, Purpose.REDEMPTION, Purpose.WITHDRAWAL, Purpose.PLEDGED}
)
# Minus their sum are the tokens in circulation.
ON_CHAIN_PURPOSES = frozenset({Purpose.CHAIN, Purpose.CHAIN_ISSUANCE})
CONTRA_PURPOSES = ON_CHAIN_PURPOSES | {
    Purpose.CUSTODIAN_BOUGHT,
    Purpose.CUSTODIAN_ALLOCATED,
    Purpose.CUSTODIAN_SETTLED,
    Purpose.CUSTODIAN_CASH,
    Purpose.RECEIVABLE,
}
SIGNED_PURPOSES = frozenset({Purpose.RESULT})
HOUSE_PURPOSES = frozenset(Purpose) - INVESTOR_PURPOSES - CONTRA_PURPOSES - SIGNED_PURPOSES
# Only these may name a pool; `trading` must.
POOL_PURPOSES = frozenset({Purpose.TRADING, Purpose.FEES, Purpose.TRANSIT})
