"""Compile what every command goes through with mypyc into var/native, where there is a C compiler.

Run by `make .venv`, and by hand after a change; see platform/bourse/native.py. Without
a compiler, or without mypy, it says so and leaves with 0: the engine then runs as it is.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "platform"))

from bourse import native  # noqa: E402

CONFIG = """\
[mypy]
mypy_path = {root}:{root}/platform
explicit_package_bases = true
strict = true
follow_imports = silent
plugins =
"""


def main() -> int:
    folder = native.build_folder()
    if folder.is_dir():
        return 0
    missing = _missing()
    if missing:
        print(f"the engine is not compiled ({missing}); it runs as plain Python")
        return 0
    print("compiling the engine")
    os.umask(0o022)  # what others may write to is not loaded
    native.FOLDER.mkdir(parents=True, exist_ok=True)
    native.FOLDER.chmod(0o755)
    with tempfile.TemporaryDirectory(dir=native.FOLDER, prefix="building-") as name:
        building = Path(name)
        done = subprocess.run(
            [sys.executable, __file__, "--into", name],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            print(done.stdout, file=sys.stderr)
            print("The engine does not compile; it runs as plain Python.", file=sys.stderr)
            return 1
        try:
            (building / "lib").rename(folder)
        except OSError:  # somebody else was faster
            assert folder.is_dir()
    for other in native.FOLDER.iterdir():
        if other != folder and not other.name.startswith("building-"):
            shutil.rmtree(other, ignore_errors=True)
    return 0


def _missing() -> str:
    """What a build would need and does not find, in words; "" when all is there."""
    from sysconfig import get_path

    compiler = os.environ.get("CC", "cc").split()[0]
    if shutil.which(compiler) is None:
        return "no C compiler"
    if not Path(get_path("include"), "Python.h").is_file():
        return "no Python headers"
    needed = [name for name in ("mypyc", "setuptools") if not importlib.util.find_spec(name)]
    return f"no {needed[0]}" if needed else ""


def build(into: Path) -> None:
    """In a process of its own: mypyc and setuptools change directories and print."""
    from mypyc.build import mypycify
    from setuptools import Distribution

    config = into / "mypy.ini"
    config.write_text(CONFIG.format(root=ROOT))
    paths = [str(native.source_of(module).relative_to(ROOT)) for module in native.MODULES]
    extensions = mypycify(
        [f"--config-file={config}", f"--cache-dir={into / 'cache'}", *paths],
        opt_level="3",
        group_name=native.GROUP,
        target_dir=str(into / "c"),
    )
    command = Distribution({"name": native.GROUP, "ext_modules": extensions}).get_command_obj(
        "build_ext"
    )
    command.build_lib, command.build_temp = str(into / "lib"), str(into / "objects")
    command.ensure_finalized()
    command.run()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--into"]:
        build(Path(sys.argv[2]))
    else:
        sys.exit(main())
