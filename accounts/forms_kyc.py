"""The forms of the verification: what is asked, in which words."""

import re
from typing import Any

from django import forms

from accounts.models import KycDocument
from accounts.operations.kyc import Form
from accounts.personal_data import PersonalData, TaxResidence
from reference.queries import list_countries

KINDS = [
    (KycDocument.Kind.PASSPORT.value, "Passport (the page with your photo)"),
    (KycDocument.Kind.ID_CARD_FRONT.value, "ID card, front"),
    (KycDocument.Kind.ID_CARD_BACK.value, "ID card, back"),
    (KycDocument.Kind.RESIDENCE_PERMIT.value, "Residence permit"),
    (KycDocument.Kind.DRIVING_LICENCE.value, "Driving licence"),
    (KycDocument.Kind.PROOF_OF_ADDRESS.value, "Proof of address"),
]
YES_NO = [("no", "No"), ("yes", "Yes")]


def country_choices() -> list[tuple[str, str]]:
    return [("", "Choose a country"), *((each.country, each.name) for each in list_countries())]


class DetailsForm(forms.Form):
    """About you: as it stands in the identity document."""

    given_names = forms.CharField(max_length=100, label="Given names")
    family_names = forms.CharField(max_length=100, label="Family names")
    birth_date = forms.DateField(
        label="Date of birth", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    nationality = forms.ChoiceField(label="Nationality", choices=country_choices)
    residence_country = forms.ChoiceField(label="Country where you live", choices=country_choices)
    street = forms.CharField(max_length=200, label="Street and number")
    postal_code = forms.CharField(
        max_length=20, label="Postal code", help_text="Where there is none, write 00000."
    )
    city = forms.CharField(max_length=100, label="City")
    tax_country = forms.ChoiceField(
        label="Country where you pay tax", choices=country_choices,
        help_text="Where you are resident for tax; usually where you live.",
    )  # fmt: skip
    tax_number = forms.CharField(
        max_length=50, label="Tax number there",
        help_text="In Germany the eleven digits of your Steuer-ID.",
    )  # fmt: skip
    is_us_person = forms.ChoiceField(
        label="Are you a US person?", choices=YES_NO, widget=forms.RadioSelect,
        help_text="A citizen or resident of the United States, or somebody who pays tax there.",
    )  # fmt: skip
    is_pep = forms.ChoiceField(
        label="Do you or somebody close to you hold a high public office?", choices=YES_NO,
        widget=forms.RadioSelect,
        help_text="Such as a minister, a judge of a highest court or a party leader. "
        "It is not a reason to refuse you; a person looks at it.",
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """German tax numbers are the one form we know: eleven digits, spaces allowed."""
        data: dict[str, Any] = super().clean() or {}
        if data.get("tax_country") == "DE" and "tax_number" in data:
            data["tax_number"] = "".join(data["tax_number"].split())
            if not re.fullmatch(r"[0-9]{11}", data["tax_number"]):
                self.add_error("tax_number", "A German Steuer-ID has eleven digits.")
        return data

    def as_declared(self) -> Form:
        """The valid form as the operation takes it."""
        data = self.cleaned_data
        residence = TaxResidence(country=data["tax_country"], tax_number=data["tax_number"])
        return Form(
            personal=PersonalData(
                given_names=data["given_names"],
                family_names=data["family_names"],
                birth_date=data["birth_date"],
                street=data["street"],
                postal_code=data["postal_code"],
                city=data["city"],
                tax_residences=[residence],
            ),
            nationality=data["nationality"],
            residence_country=data["residence_country"],
            is_us_person=data["is_us_person"] == "yes",
            is_pep=data["is_pep"] == "yes",
        )


def details_of(personal: PersonalData, case: Any) -> dict[str, Any]:
    """What was declared before, as initial values of DetailsForm."""
    residence = personal.tax_residences[0]
    return {
        "given_names": personal.given_names,
        "family_names": personal.family_names,
        "birth_date": personal.birth_date,
        "street": personal.street,
        "postal_code": personal.postal_code,
        "city": personal.city,
        "tax_country": residence.country,
        "tax_number": residence.tax_number,
        "nationality": case.nationality,
        "residence_country": case.residence_country,
        "is_us_person": "yes" if case.is_us_person else "no",
        "is_pep": "yes" if case.is_pep else "no",
    }


class DocumentForm(forms.Form):
    """One picture of one document."""

    kind = forms.ChoiceField(label="What is it?", choices=KINDS)
    issuing_country = forms.ChoiceField(label="Issued by", choices=country_choices)
    file = forms.FileField(
        label="Photo or scan",
        help_text="JPEG, PNG or WebP, at most 8 MB. All four corners visible, nothing covered.",
        widget=forms.ClearableFileInput(attrs={"accept": "image/jpeg,image/png,image/webp"}),
    )


class ReviewForm(forms.Form):
    """Objecting to a refusal."""

    text = forms.CharField(
        label="What is wrong with the decision?",
        max_length=2_000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="A person who was not part of the decision reads it.",
    )
