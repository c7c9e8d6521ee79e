"""The back office's pages of exports, each door with its permission."""

from typing import Any

import pytest
from django.test import Client

from reporting.models import ExportDownload, ExportFile

from .conftest import DAY, TEST_ISIN

LIST = "/admin/reporting/exportfile/"


@pytest.fixture
def trade(make_listing: Any, make_person: Any, house: int, make_trade: Any) -> Any:
    make_trade(make_listing("MSFT"), house, house)
    return make_trade(make_listing("AAPL", TEST_ISIN), make_person("Anna", "Muster", "DE"), house)


def client_of(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_staff_build_look_and_download(trade: Any, without_schemas: None, make_staff: Any) -> None:
    officer = client_of(
        make_staff("view_exportfile", "view_exportdownload", "run_export", "download_export")
    )

    built = officer.post(f"{LIST}build/", {"day": DAY.isoformat()})
    export = ExportFile.objects.get()
    assert built.headers["Location"] == f"{LIST}{export.pk}/change/"
    assert b"Build the day" in officer.get(LIST).content
    page = officer.get(f"{LIST}{export.pk}/change/").content.decode()
    assert "cannot be released" in page
    assert "The token has no ISIN of its own." in page
    assert "Release as final" not in page

    file = officer.post(f"{LIST}{export.pk}/download/")
    assert file.headers["Content-Disposition"].endswith('"rts22-20260302-test-not-validated.xml"')
    assert b"<FinInstrmRptgTxRpt>" in file.content
    assert ExportDownload.objects.count() == 1


def test_staff_without_the_right_do_none_of_it(
    trade: Any, without_schemas: None, make_staff: Any
) -> None:
    client_of(make_staff("view_exportfile", "run_export")).post(
        f"{LIST}build/", {"day": DAY.isoformat()}
    )
    export = ExportFile.objects.get()
    onlooker = client_of(make_staff("view_exportfile"))

    assert onlooker.post(f"{LIST}build/", {"day": DAY.isoformat()}).status_code == 403
    assert onlooker.post(f"{LIST}{export.pk}/download/").status_code == 403
    assert onlooker.post(f"{LIST}{export.pk}/release/").status_code == 403
    assert b"Download" not in onlooker.get(f"{LIST}{export.pk}/change/").content
    assert ExportDownload.objects.count() == 0


def test_nothing_happens_by_following_a_link(trade: Any, make_staff: Any) -> None:
    officer = client_of(make_staff("view_exportfile", "run_export", "download_export"))

    assert officer.get(f"{LIST}build/?day={DAY}").status_code == 405
    assert ExportFile.objects.count() == 0


def test_a_day_that_is_none_is_refused(db: None, make_staff: Any) -> None:
    officer = client_of(make_staff("view_exportfile", "run_export"))

    answer = officer.post(f"{LIST}build/", {"day": "yesterday"}, follow=True)

    assert b"Name a day as YYYY-MM-DD." in answer.content
