"""Make sure that the browser tests find Chromium, or say how.

Debian's and Ubuntu's root gets it by apt; everybody else is told.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HINT = "The browser tests need Chromium: install it, or name it in CHROMIUM=/path/to/chromium."


def find() -> str | None:
    """The browser to drive: $CHROMIUM, else one from the path."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named if Path(named).exists() else None
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def install() -> bool:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    print("installing chromium", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"],
    ):
        done = subprocess.run(command, env=quiet, stdout=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            return False
    return True


def main() -> int:
    if find() is None and not (install() and find()):
        print(HINT, file=sys.stderr)
        # The rest of the suite is worth running; the browser tests say what they miss.
    return 0


if __name__ == "__main__":
    sys.exit(main())
