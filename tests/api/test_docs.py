"""What the API, the Kraken surface and the exports say of themselves is written down."""

from django.urls import URLPattern

from bourse import api
from bourse.environment import BASE_DIR
from reporting import parties, transactions
from reporting.parties import Unnamed
from reporting.states import ExportState
from trading.kraken import order_requests, private, public, replies

DOCS = BASE_DIR / "docs"
BY_THE_SCHEMA_ITSELF = {"schema/", "docs/", "^.*$"}


def test_every_address_of_the_api_is_documented() -> None:
    page = (DOCS / "reference" / "http-api.md").read_text()
    for pattern in api.urlpatterns:
        assert isinstance(pattern, URLPattern)
        route = str(pattern.pattern)
        for kind in ("uuid:order_", "uuid:redemption_", "int:entry_", "str:"):
            route = route.replace(f"<{kind}", "{")
        route = route.replace(">", "}")
        if route not in BY_THE_SCHEMA_ITSELF:
            assert f"`{route}" in page or f" `{route}" in page, route


def test_every_kraken_method_flag_and_word_is_documented() -> None:
    page = (DOCS / "reference" / "kraken.md").read_text()
    for method in [*public.METHODS, *private.METHODS]:
        assert method in page, method
    for code, word in replies.WORDS.items():
        if code not in ("malformed_order", "malformed_amount", "client_order_id_reused"):
            assert word in page or word == replies.INTERNAL, word
    for flag in order_requests.KNOWN_FLAGS:
        assert flag in page, flag


def test_every_state_and_reason_of_an_export_is_documented() -> None:
    page = (DOCS / "exports.md").read_text()
    for state in ExportState:
        assert f"| {state.value.replace('_', ' ')} |" in page, state
    reasons = [
        each
        for module in (parties, transactions)
        for each in vars(module).values()
        if isinstance(each, Unnamed)
    ]
    assert len(reasons) == 6
    for reason in reasons:
        assert f"`{reason.code}`" in page, reason.code
