from datetime import date
from pathlib import Path

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction

from accounts import declared, documents, personal_data, queries
from accounts.encryption import CannotOpen
from accounts.models import Investor, KycCase, Outbox, PersonalDataAccess, User
from accounts.operations import kyc
from accounts.operations.investors import open_case
from accounts.personal_data import reveal
from accounts.states import KycStatus
from kernel.refusals import Forbidden
from reference.models import CountryRule
from tests.accounts.stories import (
    NOW,
    details,
    fill_in,
    hand_in,
    make_case,
    make_officer,
    make_user,
    picture,
    put_at,
    reload,
)

pytestmark = pytest.mark.usefixtures("germany")


def test_opening_a_case_twice_gives_the_same_one() -> None:
    erika = make_user("erika")

    assert open_case(user=erika, now=NOW) == open_case(user=erika, now=NOW)
    assert Investor.objects.get(user=erika).kyc_status == KycStatus.DRAFT


def test_staff_do_not_become_investors(olga: User) -> None:
    with pytest.raises(Forbidden):
        open_case(user=olga, now=NOW)


def test_what_is_missing_is_named_step_by_step() -> None:
    case = open_case(user=make_user("erika"), now=NOW)
    assert [item.code for item in queries.list_missing(case)] == ["form", "identity_document"]

    kyc.save_form(investor_id=case.investor_id, form=details(), now=NOW)
    kyc.add_document(
        investor_id=case.investor_id, kind="id_card_front", issuing_country="DE",
        content=picture(), now=NOW,
    )  # fmt: skip
    assert [item.code for item in queries.list_missing(reload(case))] == ["id_card_side"]

    with pytest.raises(kyc.Incomplete) as refused:
        hand_in(case)
    assert refused.value.details == {"missing": ["id_card_side"]}


def test_a_complete_case_is_submitted() -> None:
    case = hand_in(make_case())

    assert case.status == KycStatus.SUBMITTED
    assert reload(case).investor.kyc_status == KycStatus.SUBMITTED


def test_a_second_click_on_send_is_refused() -> None:
    case = hand_in(make_case())

    with pytest.raises(kyc.CaseClosed):
        hand_in(case)


def test_names_and_address_are_nowhere_in_plain_text() -> None:
    case = make_case()

    assert case.form_sealed is not None
    for plain in (b"Erika", b"Mustermann", b"1985-08-12", b"Heidestra"):
        assert plain not in bytes(case.form_sealed)


def test_a_sealed_form_does_not_open_in_another_row() -> None:
    erika, max_ = make_case(), make_case("max")
    KycCase.objects.filter(id=max_.id).update(form_sealed=erika.form_sealed)

    with pytest.raises(CannotOpen):
        personal_data.reveal_to_system(case_id=max_.id, purpose="test", now=NOW)


def test_every_look_at_personal_data_is_recorded() -> None:
    case = make_case()
    reader = make_officer("rita", "reveal_personal_data")

    data = reveal(case_id=case.id, reader=reader, purpose="case review", now=NOW)

    assert data.full_name == "Erika Mustermann"
    access = PersonalDataAccess.objects.get(reader=reader)
    assert (access.case_id, access.purpose) == (case.id, "case review")


def test_an_officer_without_the_permission_reads_nothing(olga: User) -> None:
    case = make_case()

    with pytest.raises(Forbidden):
        reveal(case_id=case.id, reader=olga, purpose="curiosity", now=NOW)
    assert not PersonalDataAccess.objects.filter(reader=olga).exists()


def test_another_investor_reads_nothing() -> None:
    case, charlie = make_case(), make_user("charlie")

    with pytest.raises(Forbidden):
        reveal(case_id=case.id, reader=charlie, purpose="curiosity", now=NOW)


def test_somebody_a_day_short_of_eighteen_is_refused() -> None:
    case = open_case(user=make_user("timo"), now=NOW)
    young = details(birth_date=date(2008, 3, 3))
    grown = details(birth_date=date(2008, 3, 2))

    with pytest.raises(declared.Underage):
        kyc.save_form(investor_id=case.investor_id, form=young, now=NOW)
    assert kyc.save_form(investor_id=case.investor_id, form=grown, now=NOW).form_sealed


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"nationality": "XX"}, kyc.UnknownCountry),
        ({"residence_country": "de"}, kyc.UnknownCountry),
        ({"given_names": "123"}, declared.MalformedDetails),
        ({"city": "  "}, declared.MalformedDetails),
        ({"tax_residences": []}, declared.MalformedDetails),
        ({"birth_date": date(1800, 1, 1)}, declared.MalformedDetails),
    ],
)
def test_details_that_cannot_be_right_are_refused(
    change: dict[str, object], refusal: type[Exception]
) -> None:
    case = open_case(user=make_user("erika"), now=NOW)

    with pytest.raises(refusal):
        kyc.save_form(investor_id=case.investor_id, form=details(**change), now=NOW)
    assert reload(case).form_sealed is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"nationality": "US"}, "you are a US citizen"),
        ({"passport_of": "US"}, "your identity document was issued by the United States"),
        ({"is_us_person": True}, "you declared that you are one"),
    ],
)
def test_a_us_person_is_refused_and_told_why(changes: dict[str, object], why: str) -> None:
    case = hand_in(make_case(**changes))

    assert (case.status, case.reason_code) == (KycStatus.REJECTED, "us_person")
    assert why in case.investor_message
    assert why in Outbox.objects.get(topic="kyc_rejected").body
    assert not queries.get_eligibility(investor_id=case.investor_id).may_buy  # type: ignore[union-attr]


def test_whoever_lives_where_we_do_not_serve_is_told_why() -> None:
    case = hand_in(make_case(residence_country="CA"))

    assert (case.status, case.reason_code) == (KycStatus.REJECTED, "country_not_served")
    assert "Canada. No prospectus there." in case.investor_message


def test_a_country_without_a_rule_is_not_served() -> None:
    CountryRule.objects.filter(country="FR").delete()
    case = hand_in(make_case(residence_country="FR"))

    assert case.reason_code == "country_not_served"


def test_the_database_never_lets_a_us_person_be_approved() -> None:
    case = make_case(nationality="US")

    with pytest.raises(IntegrityError, match="no_us_person_is_approved"), transaction.atomic():
        put_at(case, KycStatus.APPROVED)


def test_a_refusal_can_be_challenged_once() -> None:
    case = hand_in(make_case(nationality="US"))

    again = kyc.request_review(investor_id=case.investor_id, text="I am German.", now=NOW)

    assert (again.status, again.reason_code) == (KycStatus.MANUAL_REVIEW, "review_requested")
    with pytest.raises(kyc.NothingToReview):
        kyc.request_review(investor_id=case.investor_id, text="Now!", now=NOW)


def test_a_document_is_kept_sealed_and_drawn_anew() -> None:
    case = make_case()
    document = case.documents.get()

    sealed = documents.path_of(document.id)
    assert sealed.is_relative_to(settings.VAR_DIR)
    assert sealed.stat().st_mode & 0o777 == 0o600
    assert b"JFIF" not in sealed.read_bytes()
    assert documents.load(document.id).startswith(b"\xff\xd8\xff")


def test_a_file_that_was_swapped_on_the_disk_does_not_open() -> None:
    first, second = make_case(), make_case("max")
    one, other = first.documents.get(), second.documents.get()
    documents.path_of(other.id).write_bytes(documents.path_of(one.id).read_bytes())

    with pytest.raises(CannotOpen):
        documents.load(other.id)


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"%PDF-1.7 a contract", documents.DocumentNotAPicture),
        (b"MZ\x90\x00 a program", documents.DocumentNotAPicture),
        (b"<svg onload='alert(1)'>", documents.DocumentNotAPicture),
        (b"GIF89a" + bytes(100), documents.DocumentNotAPicture),
        (b"", documents.DocumentNotAPicture),
        (picture()[:100], documents.DocumentUnreadable),
        (picture(size=(20, 20)), documents.DocumentUnreadable),
        (picture() + bytes(documents.UPLOAD_BYTES_MAX), documents.DocumentTooLarge),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(
    content: bytes, refusal: type[Exception]
) -> None:
    case = open_case(user=make_user("erika"), now=NOW)

    with pytest.raises(refusal):
        kyc.add_document(
            investor_id=case.investor_id, kind="passport", issuing_country="DE",
            content=content, now=NOW,
        )  # fmt: skip
    assert not case.documents.exists()
    assert not list(Path(settings.VAR_DIR).glob("documents/*"))


def test_what_hides_behind_a_picture_does_not_survive() -> None:
    hidden = picture(form="JPEG") + b"<script>alert(1)</script>"

    assert b"script" not in documents.clean(hidden).content


def test_a_png_header_before_a_jpeg_is_refused() -> None:
    with pytest.raises(documents.DocumentUnreadable):
        documents.clean(b"\x89PNG\r\n\x1a\n" + picture(form="JPEG"))


def test_the_same_picture_twice_is_refused() -> None:
    case = make_case()

    with pytest.raises(kyc.DocumentTwice):
        fill_in(case)


def test_a_foreign_document_cannot_be_removed() -> None:
    erika, mallory = make_case(), make_case("mallory")

    with pytest.raises(kyc.NotFound):
        kyc.remove_document(
            investor_id=mallory.investor_id, document_id=erika.documents.get().id, now=NOW
        )


def test_a_submitted_case_cannot_be_edited() -> None:
    case = hand_in(make_case())

    with pytest.raises(kyc.CaseClosed):
        kyc.save_form(investor_id=case.investor_id, form=details(), now=NOW)
    with pytest.raises(kyc.CaseClosed):
        kyc.remove_document(
            investor_id=case.investor_id, document_id=case.documents.get().id, now=NOW
        )
