"""Sealed values: bound to their place and to the ring of their var folder."""

from pathlib import Path

import pytest
from django.conf import settings

from accounts.encryption import CannotOpen, open_sealed, seal


def use(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(settings, "VAR_DIR", folder)


def test_a_value_opens_only_where_it_was_sealed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(monkeypatch, tmp_path)
    sealed = seal(b"passport", place="case:1")

    assert open_sealed(sealed, place="case:1") == b"passport"
    with pytest.raises(CannotOpen):
        open_sealed(sealed, place="case:2")


def test_each_var_folder_has_a_key_of_its_own_whichever_was_read_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(monkeypatch, tmp_path / "one")
    sealed = seal(b"passport", place="case:1")

    use(monkeypatch, tmp_path / "two")
    with pytest.raises(CannotOpen):
        open_sealed(sealed, place="case:1")

    use(monkeypatch, tmp_path / "one")
    assert open_sealed(sealed, place="case:1") == b"passport"
