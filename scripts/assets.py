"""Copy what the portal serves of its npm packages into static/vendor.

Run after `npm ci --ignore-scripts`. Nothing is bundled or changed: a file in
static/vendor is byte for byte the one whose hash package-lock.json pins.
"""

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ROOT / "node_modules"
VENDOR = ROOT / "static" / "vendor"

FILES = {
    "@alpinejs/csp/dist/module.esm.min.js": "alpine-csp.mjs",
    "htmx.org/dist/htmx.min.js": "htmx.js",
    "lightweight-charts/dist/lightweight-charts.standalone.production.mjs": (
        "lightweight-charts.mjs"
    ),
    "lightweight-charts/LICENSE": "lightweight-charts.LICENSE.txt",
}


def main() -> int:
    missing = [source for source in FILES if not (PACKAGES / source).is_file()]
    if missing:
        print(f"Not installed: {', '.join(missing)}. Run `make assets`.", file=sys.stderr)
        return 2
    VENDOR.mkdir(parents=True, exist_ok=True)
    for source, target in FILES.items():
        shutil.copyfile(PACKAGES / source, VENDOR / target)
    print(f"{len(FILES)} files in {VENDOR.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
