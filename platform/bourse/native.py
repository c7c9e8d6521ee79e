"""The engine's hot path compiled to machine code, where that has been built.

`scripts/native.py` compiles the modules below with mypyc, from the same source that
runs without it, into `var/native/<hash of the sources>`. `install` lets this process
import them from there, and only where the hash is that of the sources as they are
now: what was built of other sources is never loaded. Nor is what somebody else could
have put there, for the sources say nothing of what a library really holds. See
docs/decisions/0010.
"""

import hashlib
import logging
import os
import stat
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

logger = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "var" / "native"
GROUP = "bourse_native"  # the library that all of them share
MODULES = (
    "trading.engine.terms",
    "trading.engine.book",
    "trading.engine.fees",
    "trading.engine.matching",
    "trading.engine.market",
    "trading.engine.effects",
    "trading.engine.core",
    "trading.engine.auction",
    "trading.engine.admission",
    "trading.engine.judging",
    "trading.engine.specials",
    "trading.engine.conditions",
    "trading.engine.timers",
    "trading.engine.rates",
    "trading.engine.sessions",
    "trading.engine.protection",
    "trading.engine.phases",
    "trading.engine.calls",
    "trading.engine.guarding",
    "trading.engine.stopping",
    "trading.engine.stops",
    "trading.engine.throttle",
    "trading.engine.state",
    "trading.engine.living",
    "trading.engine.placing",
    "trading.engine.triggering",
    "trading.engine.changing",
    "trading.engine.pool",
    "custody.ledger_core",
    "trading.recent",
    "trading.order_views",
    "trading.batches",
    "trading.terms_records",
    "trading.records",
    "trading.batch_news",
    "trading.intake",
)
# Compiled code relies on the types in what it imports as well.
SOURCES = (
    "trading/engine/*.py",
    "trading/commands.py",
    "trading/states.py",
    "trading/recent.py",
    "trading/order_views.py",
    "trading/batches.py",
    "trading/batch_news.py",
    "trading/batch_refusals.py",
    "trading/intake.py",
    "trading/records.py",
    "trading/terms_records.py",
    "custody/ledger_core.py",
    "custody/engine_entries.py",
    "custody/entry_kinds.py",
    "platform/kernel/*.py",
)
SUFFIX = EXTENSION_SUFFIXES[0]  # names the interpreter, its version and the processor


def source_of(module: str) -> Path:
    return ROOT / f"{module.replace('.', '/')}.py"


def build_folder() -> Path:
    """Where the build of the sources as they are now lies, or would."""
    digest = hashlib.sha256(f"{SUFFIX} {MODULES}".encode())
    for pattern in SOURCES:
        for path in sorted(ROOT.glob(pattern)):
            content = path.read_bytes()
            digest.update(f"\n{path.relative_to(ROOT)} {len(content)}\n".encode())
            digest.update(content)
    return FOLDER / digest.hexdigest()[:32]


def install() -> bool:
    """Import the compiled modules from now on; False where there is none that may be.

    To be called before the first of them is imported.
    """
    folder = build_folder()
    if not folder.is_dir():
        return False
    if not is_ours(folder):
        logger.error("%s is not loaded: others could have written there", folder)
        return False
    loaded = [name for name in MODULES if name in sys.modules]
    assert not loaded, f"too late, these are imported already: {loaded}"
    sys.meta_path.insert(0, _Finder(folder))
    return True


def is_ours(folder: Path) -> bool:
    """Whether only root, this user and the owner of the sources could have made a build."""
    owners = _owners()
    found = [path.stat() for path in (folder.parent, folder, *folder.rglob("*"))]
    return all(
        each.st_uid in owners and not each.st_mode & (stat.S_IWGRP | stat.S_IWOTH) for each in found
    )


def _owners() -> set[int]:
    return {0, os.geteuid(), Path(__file__).stat().st_uid}


class _Finder(MetaPathFinder):
    """Finds the compiled modules, and the library that they share."""

    def __init__(self, folder: Path) -> None:
        self._paths = {
            name: folder / f"{name.replace('.', '/')}{SUFFIX}"
            for name in (*MODULES, f"{GROUP}__mypyc")
        }

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        found = self._paths.get(fullname)
        if found is None:
            return None
        loader = ExtensionFileLoader(fullname, str(found))
        return spec_from_file_location(fullname, found, loader=loader)
