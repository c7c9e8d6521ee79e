"""Which countries are served; every country has a rule."""

import pycountry
import pytest
from django.db import IntegrityError, transaction

from kernel.refusals import NotFound
from reference.loading import load_countries, read_countries
from reference.models import CountryRule
from reference.queries import get_country_rule, is_country_offered
from reference.states import CountryStatus


def test_every_country_of_the_standard_has_a_rule():
    assert {row["country"] for row in read_countries()} == {c.alpha_2 for c in pycountry.countries}


@pytest.mark.parametrize("country", ["DE", "FR", "NO", "LI"])
def test_the_european_economic_area_is_served(db, country):
    assert is_country_offered(country)


@pytest.mark.parametrize("country", ["US", "PR", "CA", "GB", "AU", "IR", "KP", "CU", "SY", "RU"])
def test_a_blocked_country_is_refused_with_a_reason(db, country):
    assert not is_country_offered(country)
    assert get_country_rule(country).reason.startswith("Not offered")


@pytest.mark.parametrize("country", ["XX", "de", "", "DEU"])
def test_what_is_no_country_is_not_served(db, country):
    assert not is_country_offered(country)
    with pytest.raises(NotFound):
        get_country_rule(country)


def test_a_rule_is_changed_by_loading_another_file(db):
    row = {"country": "FR", "name": "France", "status": "blocked", "reason": "Not offered: paused."}

    assert load_countries(rows=[row]) == 1
    assert not is_country_offered("FR")
    assert load_countries(rows=[row]) == 0


def test_the_database_refuses_a_block_without_a_reason(db):
    with pytest.raises(IntegrityError), transaction.atomic():
        CountryRule.objects.filter(country="US").update(reason="", status=CountryStatus.BLOCKED)
