"""Comparing the ledger with the chain, the custodian and our stablecoin wallets.

    figures   one comparison as plain values, and whether it adds up
    books     the ledger's side: what is booked, and what is rightly under way
    parties   the other side, as each party reports it
    run       one run: read both sides, judge, keep, open cases
    cases     two officers close a case; nothing else does

Nothing here repairs anything. See docs/reconciliation.md.
"""
