"""Keys lie in one file that nobody else may read, and never get overwritten."""

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from bourse import settings as bourse_settings
from custody.gateways import chain_keys
from custody.gateways.chain_keys import ChainKeysUnusable


def test_keys_are_private_stable_and_apart(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "chain.json"
    made = chain_keys.create(path)

    again = chain_keys.load(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert again.deposit_wallet(7).pubkey() == made.deposit_wallet(7).pubkey()
    addresses = {
        *(str(getattr(again, role).pubkey()) for role in chain_keys.ROLES),
        *(str(again.deposit_wallet(number).pubkey()) for number in range(50)),
        *(str(again.mint(code).pubkey()) for code in ("AAPLx", "SPYx")),
    }
    assert len(addresses) == 5 + 50 + 2
    assert made.seed.hex() not in repr(made)


def test_a_file_from_before_there_was_an_issuance_wallet_derives_it(tmp_path: Path) -> None:
    path = tmp_path / "chain.json"
    chain_keys.create(path)
    seeds = json.loads(path.read_text())
    del seeds["issuance_wallet"]
    path.write_text(json.dumps(seeds))

    first, again = chain_keys.load(path), chain_keys.load(path)

    wallet = first.issuance_wallet.pubkey()
    assert wallet == again.issuance_wallet.pubkey()
    assert wallet not in {getattr(first, role).pubkey() for role in chain_keys.ROLES[:-1]}


def test_keys_are_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "chain.json"
    chain_keys.create(path)
    before = path.read_bytes()

    with pytest.raises(FileExistsError):
        chain_keys.create(path)

    assert path.read_bytes() == before


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "chain.json"
    chain_keys.create(path)
    path.chmod(0o640)

    with pytest.raises(ChainKeysUnusable, match="0600"):
        chain_keys.load(path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"payer": "zz"}', '{"payer": "00"}'])
def test_a_damaged_key_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "chain.json"
    path.write_text(content)
    path.chmod(0o600)

    with pytest.raises(ChainKeysUnusable):
        chain_keys.load(path)


def test_the_command_makes_keys_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "chain.json"
    monkeypatch.setattr(bourse_settings.ENV, "bourse_chain_keys_file", path)

    call_command("create_chain_keys")
    shown = capsys.readouterr().out
    with pytest.raises(CommandError, match="already"):
        call_command("create_chain_keys")

    assert [line.split()[0] for line in shown.splitlines()] == list(chain_keys.ROLES)
    secrets = json.loads(path.read_text()).values()
    assert not any(secret in shown for secret in secrets)
