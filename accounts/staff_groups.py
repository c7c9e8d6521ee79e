"""The groups of staff and what they may do; kept in step with every migration.

Patterns name permissions of apps as `app.codename`; an app above adds nothing
here but its permissions' names.
"""

from fnmatch import fnmatch
from typing import Any

from django.contrib.auth.models import Group, Permission

GROUPS: dict[str, list[str]] = {
    "Compliance officers": [
        "accounts.view_*",
        "accounts.decide_kyc",
        "accounts.restrict_investor",
        "accounts.reveal_personal_data",
        "accounts.check_proposal",
        "accounts.add_disclosure",
        "accounts.set_partner",
        "trading.set_kill_switch",
        "custody.view_*",
        "trading.view_*",
        "reference.view_*",
        "reporting.view_*",
    ],
    "Custody officers": [
        "accounts.view_investor",
        "accounts.view_proposal",
        "accounts.check_proposal",
        "custody.view_*",
        "custody.add_mintrequest",
        "custody.add_houseentry",
        "trading.view_*",
        "reference.view_*",
        "reporting.view_*",
    ],
    "Market operators": [
        "trading.view_*",
        "trading.set_listing_state",
        "trading.set_kill_switch",
        "trading.propose_fees",
        "trading.change_listing",
        "accounts.view_proposal",
        "accounts.view_partner",
        "custody.view_*",
        "reference.view_*",
        "reporting.view_*",
        "reporting.run_export",
        "reporting.download_export",
        "reporting.release_export",
    ],
}


def sync_groups(*, using: str, **kwargs: Any) -> None:
    """After migrations: give each group the permissions that its patterns name."""
    permissions = Permission.objects.using(using).select_related("content_type")
    named = [(f"{each.content_type.app_label}.{each.codename}", each) for each in permissions]
    for name, patterns in GROUPS.items():
        group, _ = Group.objects.using(using).get_or_create(name=name)
        matching = [
            each for label, each in named if any(fnmatch(label, pattern) for pattern in patterns)
        ]
        group.permissions.set(matching)
