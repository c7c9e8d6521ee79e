"""The back office of accounts. Nothing is edited in place: staff act, and acts are recorded."""

from accounts.admin import cases, investors, logins, partners, proposals, records

__all__ = ["cases", "investors", "logins", "partners", "proposals", "records"]
