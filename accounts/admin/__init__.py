"""The back office of accounts. Nothing is edited in place: staff act, and acts are recorded."""

from accounts.admin import cases, investors, logins, proposals, records

__all__ = ["cases", "investors", "logins", "proposals", "records"]
