"""Kraken's Spot REST protocol over our own operations, so that existing clients work by a URL.

Two paths, `/0/public/<Method>` and `/0/private/<Method>`, and for each a table
of what exists: a method that is not in the table is refused. See
docs/reference/kraken.md for the methods, and for what differs and why.
"""
