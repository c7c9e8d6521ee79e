"""Where everything listens and with which secrets: the environment of all processes.

A server whose URL is set is used; for any other, the supervisor starts its own
on a free port. Ports and secrets are made once and kept in the var folder, so
that a second start finds what the first one left.
"""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bourse.environment import BASE_DIR, Environment
from bourse.supervisor.ports import LOOPBACK, Reservation, reserve_stable
from bourse.supervisor.postgres import APP_ROLE, OWNER_ROLE, Postgres
from bourse.supervisor.valkey import Valkey

DATABASE = "bourse"
WEB_PORT_FIRST_CHOICE = 8000
# Sandbox parties, and the setting that names the real party in their place.
PARTIES = {
    "chain": "solana_rpc_url",
    "custodian": "custodian_url",
    "kyc": "kyc_provider_url",
    "prices": "prices_url",
}
LISTENING = ("postgres", "valkey", *PARTIES, "web")
SECRETS = (
    "secret_key",
    "database_owner_password",
    "database_app_password",
    "valkey_password",
    "custodian_key",
    "custodian_secret",
    "kyc_provider_token",
    "kyc_provider_secret",
    "kyc_webhook_secret",
)
POSTGRES_SETTINGS = {
    "max_connections": "100",
    # Taken page by page as the books grow: a quiet machine's budget is 1.5 GB for everything.
    # Indexes that did not fit halved what an engine writes after a million orders.
    "shared_buffers": "1GB",
    # Orders, trades and postings are looked up by investor, so they are written all over their
    # indexes, and a page's first change after a checkpoint writes the page whole: at the usual
    # 1 GB there was a checkpoint every few seconds under load, and hardly anything but pages.
    "max_wal_size": "4GB",
    # Tables that grow are vacuumed all the time: gently, for orders are answered beside it.
    "autovacuum_vacuum_cost_delay": "10ms",
    "log_checkpoints": "off",
    # After a crash the data folder is written out first: at once, not its 1,900 files one by
    # one, which took most of the time until orders were answered again.
    "recovery_init_sync_method": "syncfs",
}


@dataclass
class Addresses:
    """What runs where. `embedded` names the parts that the supervisor starts itself."""

    environment: Environment
    var: Path
    embedded: frozenset[str]
    ports: dict[str, Reservation]
    secrets: dict[str, str]

    def port(self, name: str) -> int:
        return self.ports[name].port

    def party_url(self, name: str) -> str:
        return f"http://{LOOPBACK}:{self.port(name)}"

    @property
    def web_url(self) -> str:
        # Passkeys refuse an address; they want a name.
        return f"http://localhost:{self.port('web')}"

    def key_file(self, name: str) -> Path:
        """Where the demo keeps the API key of one of its traders."""
        return self.var / "keys" / f"{name}.json"

    def postgres(self) -> Postgres:
        return Postgres(self.var / "postgres", self.port("postgres"), POSTGRES_SETTINGS)

    def valkey(self) -> Valkey:
        return Valkey(self.var / "valkey", self.port("valkey"), self.secrets["valkey_password"])

    def settings(self) -> dict[str, str]:
        """What settings need and the outside did not say: goes into var/run.json."""
        found = {"BOURSE_VAR_DIR": str(self.var)}
        if self.environment.bourse_env == "development":
            found["BOURSE_CLOCK"] = self.environment.bourse_clock or "sandbox"
            found["SECRET_KEY"] = self.secrets["secret_key"]
        if "postgres" in self.embedded:
            found |= self._database_urls()
        if "valkey" in self.embedded:
            found["REDIS_URL"] = self.valkey().url(0)
            found["CELERY_BROKER_URL"] = self.valkey().url(1)
        for name, setting in PARTIES.items():
            if name in self.embedded:
                found[setting.upper()] = self.party_url(name)
        found |= self._party_secrets()
        return {name: value for name, value in found.items() if not os.environ.get(name)}

    def process_environment(self) -> dict[str, str]:
        """The whole environment of a child process."""
        paths = [str(BASE_DIR), str(BASE_DIR / "platform")]
        return {
            **os.environ,
            **self.settings(),
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "bourse.settings",
            "BOURSE_WEB_URL": self.web_url,
        }

    def _database_urls(self) -> dict[str, str]:
        postgres = self.postgres()
        return {
            "DATABASE_URL": postgres.url(APP_ROLE, self.secrets["database_app_password"], DATABASE),
            "DATABASE_OWNER_URL": postgres.url(
                OWNER_ROLE, self.secrets["database_owner_password"], DATABASE
            ),
        }

    def _party_secrets(self) -> dict[str, str]:
        found: dict[str, str] = {}
        if "custodian" in self.embedded:
            for name in ("custodian_key", "custodian_secret"):
                found[name.upper()] = self.secrets[name]
        if "kyc" in self.embedded:
            for name in ("kyc_provider_token", "kyc_provider_secret", "kyc_webhook_secret"):
                found[name.upper()] = self.secrets[name]
        return found


def claim(environment: Environment) -> Addresses:
    """Decide what is ours to start, and reserve a port for each of it."""
    var = environment.bourse_var_dir.resolve()
    embedded = frozenset(_embedded(environment))
    names = [name for name in LISTENING if name == "web" or name in embedded]
    ports_file = var / "ports.json"
    if not ports_file.exists():
        write_private(ports_file, {"web": WEB_PORT_FIRST_CHOICE})
    return Addresses(
        environment=environment,
        var=var,
        embedded=embedded,
        ports=reserve_stable(names, ports_file),
        secrets=keep_secrets(var / "secrets.json", SECRETS),
    )


def _embedded(environment: Environment) -> list[str]:
    found = []
    if not environment.database_url:
        found.append("postgres")
    if not environment.redis_url:
        found.append("valkey")
    if environment.bourse_env == "development":
        found += [name for name, setting in PARTIES.items() if not getattr(environment, setting)]
    return found


def keep_secrets(file: Path, names: tuple[str, ...]) -> dict[str, str]:
    """The secrets of these names: last time's, and new ones for those that are missing."""
    content = read_secrets(file)
    missing = [name for name in names if name not in content]
    if missing:
        content |= {name: secrets.token_urlsafe(48) for name in missing}
        write_private(file, content)
    return {name: str(content[name]) for name in names}


def read_secrets(file: Path) -> dict[str, Any]:
    """All that the secrets' file holds, the demo's logins included."""
    content: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return content


def write_private(file: Path, content: Mapping[str, Any]) -> None:
    """Replace a JSON file in one step, readable by its owner alone."""
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as out:
        json.dump(content, out, indent=1)
        out.write("\n")
    fresh.replace(file)
