"""What holds for every address of /api/v1, also for those that are added later."""

import pytest
from django.test import Client
from django.urls import URLPattern
from rest_framework.views import APIView

from bourse import api
from bourse.permissions import Nobody

PATTERNS = [pattern for pattern in api.urlpatterns if isinstance(pattern, URLPattern)]
PUBLIC = {
    "schema/",
    "docs/",
    "session/",
    "disclosures/",
    "instruments/",
    "instruments/<str:ticker>/",
    "listings/",
    "listings/<str:symbol>/",
    "listings/<str:symbol>/depth/",
    "listings/<str:symbol>/trades/",
    "listings/<str:symbol>/candles/",
    "listings/<str:symbol>/ticker/",
    "listings/<str:symbol>/level3/",
    "listings/<str:symbol>/updates/",
    "reserves/",
    "seals/",
    "seals/heads/",
    "^.*$",
}


def view_class(pattern: URLPattern) -> type[APIView]:
    found: type[APIView] = pattern.callback.cls  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: str(pattern.pattern))
def test_it_names_its_permissions(pattern: URLPattern) -> None:
    own = view_class(pattern).permission_classes

    assert own
    assert Nobody not in own
    assert (
        "permission_classes" in vars(view_class(pattern))
        or "docs" in str(pattern.pattern)
        or ("schema" in str(pattern.pattern))
    )


def test_what_is_not_public_answers_nobody_who_did_not_sign_in(db: None) -> None:
    client = Client()
    for pattern in PATTERNS:
        route = str(pattern.pattern)
        if route in PUBLIC:
            continue
        target = route.replace("<uuid:order_id>", "0192f2c0-1111-7aaa-8bbb-000000000001")
        target = target.replace("<uuid:redemption_id>", "0192f2c0-1111-7aaa-8bbb-000000000001")
        target = target.replace("<str:client_order_id>", "mine").replace("<str:subject>", "AAPLx")
        target = target.replace("<int:entry_id>", "1")
        answer = client.get(f"/api/v1/{target}")
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated"), route


def test_a_view_without_permissions_of_its_own_answers_nobody() -> None:
    assert APIView.permission_classes == [Nobody]


def test_an_address_that_is_not_there_answers_in_our_shape(db: None) -> None:
    answer = Client().get("/api/v1/no/such/thing")

    assert answer.status_code == 404
    assert answer.json() == {
        "code": "not_found",
        "message": "There is no such address in this API.",
        "details": {},
    }


def test_the_schema_is_complete_and_the_docs_keep_to_the_content_policy(db: None) -> None:
    schema = Client().get("/api/v1/schema/?format=json")
    docs = Client().get("/api/v1/docs/")
    script = Client().get("/api/v1/docs/?script=")

    assert schema.status_code == docs.status_code == script.status_code == 200
    paths = schema.json()["paths"]
    documented = {str(pattern.pattern) for pattern in PATTERNS} - {"schema/", "docs/", "^.*$"}
    assert len(paths) == len(documented)
    page = docs.content.decode()
    assert "<style" not in page
    assert "<script>" not in page
    assert "script-src 'self'" in docs.headers["Content-Security-Policy"]
