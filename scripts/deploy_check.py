"""Run `manage.py check --deploy` as production would, with throw-away values.

Nothing here is a configuration to copy: deploy/production.env.example is.
"""

import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def throw_away(folder: Path) -> dict[str, str]:
    """A complete production environment in which nothing can be reached."""
    key_file = folder / "key"
    key_file.write_text(secrets.token_hex(32))
    names = ("CUSTODIAN_KEY", "CUSTODIAN_SECRET", "KYC_PROVIDER_TOKEN", "KYC_PROVIDER_SECRET")
    return {
        "BOURSE_ENV": "production",
        "BOURSE_VAR_DIR": str(folder),
        "SECRET_KEY": secrets.token_urlsafe(64),
        "ALLOWED_HOSTS": "bourse.example",
        "DATABASE_URL": "postgresql://bourse_app:x@db.example/bourse",
        "DATABASE_OWNER_URL": "postgresql://bourse_owner:y@db.example/bourse",
        "REDIS_URL": "rediss://bourse:z@valkey.example/0",
        "SOLANA_RPC_URL": "https://rpc.example",
        "CUSTODIAN_URL": "https://broker.example",
        "KYC_PROVIDER_URL": "https://kyc.example",
        "PRICES_URL": "https://prices.example",
        "KYC_WEBHOOK_SECRET": secrets.token_hex(16),
        "BOURSE_PII_KEYS": "one:" + secrets.token_urlsafe(32),
        "BOURSE_SEAL_KEY_FILE": str(key_file),
        "BOURSE_CHAIN_KEYS_FILE": str(key_file),
        "EMAIL_URL": "smtp+tls://mail.example:587",
        "FIRM_LEI": "5493001KJTIIGC8Y1R12",
        "FIRM_COUNTRY": "DE",
        "VENUE_MIC": "XBRS",
        **{name: secrets.token_hex(16) for name in names},
    }


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
            cwd=ROOT,
            env={**os.environ, **throw_away(Path(folder))},
            check=False,
        )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
