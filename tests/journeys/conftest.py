"""The journeys share one whole Bourse: starting it takes a minute, using it does not."""

from collections.abc import Iterator

import pytest

from tests.house import House


@pytest.fixture(scope="session")
def whole_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house") / "var")
    yield made
    made.stop()


@pytest.fixture
def house(whole_house: House) -> House:
    """The shared house, up."""
    whole_house.start()
    return whole_house
