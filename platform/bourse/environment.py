"""Every setting Bourse reads from its environment, typed.

docs/reference/settings.md explains each; a test compares the two. A server's
URL that is not set is looked up in the run file that the supervisor writes.
"""

import json
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

BASE_DIR = Path(__file__).resolve().parents[2]
UNSAFE_SECRET_KEY = "unsafe-development-key-never-use-it-in-production"  # noqa: S105


class EnvironmentWrong(Exception):
    """A variable has a value that it cannot have; the message is one sentence."""


class Environment(BaseSettings):
    """The environment as typed fields; names are the variables in lower case."""

    model_config = SettingsConfigDict(extra="ignore", case_sensitive=False)

    bourse_env: Literal["development", "production"] = "development"
    debug: bool = False
    secret_key: str = ""
    allowed_hosts: str = "localhost,127.0.0.1,[::1],testserver"
    csrf_trusted_origins: str = ""
    trusted_proxies: str = ""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    bourse_var_dir: Path = BASE_DIR / "var"
    bourse_clock: Literal["", "system", "sandbox"] = ""
    bourse_pii_keys: str = ""
    bourse_seal_key_file: Path | None = None
    bourse_chain_keys_file: Path | None = None
    regulatory_schema_dir: Path | None = None
    bourse_faults_dir: Path | None = None
    bourse_native: bool = True
    redemption_fee_ppm: int = Field(default=2_500, ge=0, lt=1_000_000)
    mint_decision_days: int = Field(default=7, ge=1, le=365)
    mint_tokens_max_value: int = Field(default=10_000_000, gt=0)
    messages_per_second: int = Field(default=250, ge=0, le=1_000_000)
    market_breaker_ticker: str = Field(default="SPY", max_length=12)
    database_pool_max: int = Field(default=8, ge=0, le=200)

    database_url: str = ""
    database_owner_url: str = ""
    redis_url: str = ""
    celery_broker_url: str = ""
    solana_rpc_url: str = ""
    custodian_url: str = ""
    custodian_key: str = ""
    custodian_secret: str = ""
    kyc_provider_url: str = ""
    kyc_provider_token: str = ""
    kyc_provider_secret: str = ""
    kyc_webhook_secret: str = ""
    prices_url: str = ""
    prices_api_key: str = ""
    halts_url: str = ""
    email_url: str = ""
    email_from: str = "Bourse <no-reply@localhost>"

    firm_lei: str = ""
    firm_country: str = ""
    venue_mic: str = ""

    @field_validator("bourse_faults_dir")
    @classmethod
    def _refuse_faults_in_production(cls, value: Path | None, known: ValidationInfo) -> Path | None:
        if value is not None and known.data.get("bourse_env") != "development":
            raise ValueError("processes are made to stop in fault runs alone, never in production")
        return value

    @cached_property
    def run_file(self) -> dict[str, Any]:
        """What the supervisor wrote when all was ready, or nothing.

        Production reads nothing but its environment.
        """
        if self.bourse_env == "production":
            return {}
        path = self.bourse_var_dir / "run.json"
        try:
            content: dict[str, Any] = json.loads(path.read_text())
        except (OSError, json.JSONDecodeError):
            return {}
        return content

    @property
    def clock_file(self) -> Path | None:
        """Where the sandbox keeps its clock's offset; None for real time."""
        if self.server("bourse_clock") != "sandbox":
            return None
        return self.bourse_var_dir / "sandbox" / "clock.json"

    def server(self, name: str) -> str:
        """A setting such as `database_url`, else the run file's entry, else ""."""
        value: str = getattr(self, name)
        return value or str(self.run_file.get("env", {}).get(name.upper(), ""))


def read() -> Environment:
    """The environment of this process.

    :raises EnvironmentWrong: a value is not one of its kind.
    """
    try:
        return Environment()
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        raise EnvironmentWrong(f"The configuration is wrong: {'; '.join(wrong)}") from None
