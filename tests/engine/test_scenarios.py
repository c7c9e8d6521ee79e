"""Every scenario file plays as it is written; cash and tokens are conserved in each."""

from pathlib import Path

import pytest

from tests.engine.scenario_play import Play, read

FOLDER = Path(__file__).parent / "scenarios"
FILES = sorted(path for path in FOLDER.glob("*.txt") if path.name != "README.txt")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_scenario_plays_as_written(path: Path) -> None:
    scenario = read(path)
    play = Play(scenario)

    for line in scenario.sections["WHEN"]:
        play.step(line)
    for line in scenario.sections["THEN"]:
        play.check(line)


def test_there_are_scenarios_of_every_type_of_order() -> None:
    words = " ".join(path.read_text() for path in FILES)

    assert len(FILES) >= 30
    for word in (
        *("market", "stop_loss", "take_profit", "trailing_stop", "show=", "pair", "stop-loss="),
        *("ioc", "fok", "day", "until=", "post-only", "reduce-only", "validate-only"),
        *("cancel_newest", "cancel_oldest", "cancel_both", "decrement"),
        *("amend", "replace", "cancel-all", "cancel-all-after", "listing"),
    ):
        assert word in words, word


def test_a_scenario_that_is_not_true_fails(tmp_path: Path) -> None:
    path = tmp_path / "wrong.txt"
    path.write_text("# Wrong\nGIVEN\nann 100 USDC\nWHEN\nann buy 1 limit=90 as a -> filled\n")
    scenario = read(path)

    with pytest.raises(AssertionError, match="told 'open"):
        Play(scenario).step(scenario.sections["WHEN"][0])
