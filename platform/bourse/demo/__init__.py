"""What a fresh installation holds so that it can be tried at once.

    people   logins, groups and their rights, the investor, the market's traders
    venue    countries, calendar, catalogue, assets, listings, disclosures
    vault    dollars and shares at the custodian, minted tokens, money to trade with

Everything goes through the operations that people would use, on the sandbox;
each step may be repeated and then finds what is there.
"""

from collections.abc import Callable

Say = Callable[[str], None]
