"""How the staff's desk looks, and where its navigation leads (django-unfold's settings)."""

from typing import Any

from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse, reverse_lazy
from django.utils.functional import lazy


def address_of(model: str) -> str:
    """The list of a model such as "accounts_kyccase"; empty when the desk has none."""
    try:
        return reverse(f"admin:{model}_changelist")
    except NoReverseMatch:
        return ""


_lazy_address = lazy(address_of, str)


def _item(title: str, icon: str, model: str) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": _lazy_address(model),
        "permission": lambda request: is_reachable(request, model),
    }


def is_reachable(request: Any, model: str) -> bool:
    """Whether this officer may see the list, and it exists."""
    app, name = model.split("_", 1)
    return bool(address_of(model)) and bool(request.user.has_perm(f"{app}.view_{name}"))


def _group(title: str, *items: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "separator": True, "collapsible": True, "items": list(items)}


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Bourse desk",
    "SITE_HEADER": "Bourse",
    "SITE_SUBHEADER": "Compliance and custody",
    "SITE_SYMBOL": "account_balance",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("img/favicon.svg")}
    ],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "ENVIRONMENT": "bourse.admin_desk.environment",
    "DASHBOARD_CALLBACK": "bourse.admin_desk.dashboard",
    "STYLES": [lambda request: static("css/desk.css")],
    "COLORS": {
        # The portal's accent, in unfold's steps.
        "primary": {
            "50": "oklch(97% .014 265)",
            "100": "oklch(93.2% .032 265)",
            "200": "oklch(88.2% .059 264)",
            "300": "oklch(80.9% .105 264)",
            "400": "oklch(70.7% .165 264)",
            "500": "oklch(58% .19 264)",
            "600": "oklch(48% .19 264)",
            "700": "oklch(42% .17 264)",
            "800": "oklch(37% .14 264)",
            "900": "oklch(32% .11 264)",
            "950": "oklch(25% .08 264)",
        }
    },
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": [
            {
                "title": "",
                "items": [
                    {"title": "Desk", "icon": "dashboard", "link": reverse_lazy("admin:index")}
                ],
            },
            _group(
                "Compliance",
                _item("KYC cases", "badge", "accounts_kyccase"),
                _item("Investors", "group", "accounts_investor"),
                _item("Partners", "handshake", "accounts_partner"),
                _item("Restrictions", "block", "accounts_restriction"),
                _item("Proposals", "how_to_vote", "accounts_proposal"),
                _item("Sanctions lists", "policy", "accounts_sanctionslist"),
                _item("Disclosures", "description", "accounts_disclosure"),
            ),
            _group(
                "Custody",
                _item("Mints", "add_circle", "custody_mintrequest"),
                _item("Redemptions", "currency_exchange", "custody_redemption"),
                _item("Deposits", "south_west", "custody_deposit"),
                {
                    "title": "Settlement",
                    "icon": "sync_alt",
                    "link": reverse_lazy("settlement"),
                    "permission": lambda request: request.user.has_perm(
                        "custody.view_settlementleg"
                    ),
                },
                _item("Custodian orders", "shopping_cart", "custody_custodianorder"),
                _item("Block orders", "inventory", "custody_blockorder"),
                _item("Settlement legs", "moving", "custody_settlementleg"),
                _item("Reserves", "balance", "custody_reserveattestation"),
                _item("Reconciliation", "compare_arrows", "custody_reconciliationrun"),
                _item("Differences", "difference", "custody_reconciliationcase"),
                _item("Chain transactions", "link", "custody_chaintransaction"),
                _item("Assets", "token", "custody_asset"),
            ),
            _group(
                "Ledger",
                _item("Accounts", "account_balance_wallet", "custody_ledgeraccount"),
                _item("House entries", "edit_note", "custody_houseentry"),
                _item("Journal", "receipt_long", "custody_journalentry"),
                _item("Seals", "verified", "custody_seal"),
                {
                    "title": "Trial balance",
                    "icon": "scale",
                    "link": reverse_lazy("admin:custody_trial_balance"),
                    "permission": lambda request: request.user.has_perm(
                        "custody.view_ledgeraccount"
                    ),
                },
                _item("Pool transfers", "swap_horiz", "custody_pooltransfer"),
            ),
            _group(
                "Trading",
                _item("Kill switches", "emergency_home", "trading_killswitch"),
                _item("Listings", "candlestick_chart", "trading_listing"),
                _item("Orders", "list_alt", "trading_order"),
                _item("Trades", "handshake", "trading_trade"),
                _item("Fee schedules", "percent", "trading_feeschedule"),
                _item("Volumes", "bar_chart", "trading_investorvolume"),
                _item("Pools", "memory", "trading_pool"),
                _item("Inbox", "inbox", "trading_inboxitem"),
            ),
            _group(
                "Reporting and reference",
                _item("Exports", "upload_file", "reporting_exportfile"),
                _item("Instruments", "monitoring", "reference_instrument"),
                _item("Reference prices", "sell", "reference_referenceprice"),
                _item("Trading days", "calendar_month", "reference_tradingday"),
                _item("Countries", "public", "reference_countryrule"),
            ),
            _group(
                "House",
                _item("Staff and logins", "manage_accounts", "accounts_user"),
                _item("Groups", "groups", "auth_group"),
                _item("API keys", "key", "accounts_apikey"),
                _item("Mail and notices", "outbox", "accounts_outbox"),
                _item("Personal data read", "visibility", "accounts_personaldataaccess"),
            ),
        ],
    },
}
