"""The keys with which we sign on the chain; they live in one file, mode 0600.

Roles are separate keys, so that each can move to its own signer: the payer of
fees, the mint authority, compliance (freeze, pause, permanent delegate), the
issuance wallet (minted and not sold) and the hot wallet (sold). Deposit wallets
and mints are derived from a seed, so the file is written once and never changes;
losing it loses them all. A file from before there was an issuance wallet derives
that too.
"""

import hashlib
import hmac
import json
import os
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from solders.keypair import Keypair

ROLES = ("payer", "mint_authority", "compliance", "hot_wallet", "issuance_wallet")
OTHERS_MAY = 0o077


class ChainKeysUnusable(Exception):
    """The key file is absent, readable by others, or not one of ours."""


@dataclass(frozen=True, slots=True)
class ChainKeys:
    """One keypair a role, and the seed of the derived ones."""

    payer: Keypair
    mint_authority: Keypair
    compliance: Keypair
    hot_wallet: Keypair
    issuance_wallet: Keypair
    seed: bytes

    def __repr__(self) -> str:
        return "ChainKeys(...)"  # never in a log

    def deposit_wallet(self, investor_id: int) -> Keypair:
        """The wallet that receives one investor's deposits."""
        return self._derive(f"deposit:{investor_id}")

    def mint(self, asset_code: str) -> Keypair:
        """The address of a token's mint; it signs the mint's creation alone."""
        return self._derive(f"mint:{asset_code}")

    def _derive(self, path: str) -> Keypair:
        return Keypair.from_seed(_derived_seed(self.seed, path))


def create(path: Path) -> ChainKeys:
    """Write new keys. :raises FileExistsError: there are keys already."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    seeds = {name: os.urandom(32).hex() for name in (*ROLES, "seed")}
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(seeds, file)
        file.flush()
        os.fsync(file.fileno())
    return load(path)


def load(path: Path) -> ChainKeys:
    """Read the key file. :raises ChainKeysUnusable: as it says."""
    try:
        mode = path.stat().st_mode
        seeds = {name: bytes.fromhex(text) for name, text in json.loads(path.read_text()).items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ChainKeysUnusable(
            f"Cannot read the chain keys in {path}; create them with `create_chain_keys`."
        ) from error
    if mode & OTHERS_MAY:
        raise ChainKeysUnusable(f"Others may read {path}: set its mode to 0600.")
    if any(len(seed) != 32 for seed in seeds.values()):
        raise ChainKeysUnusable(f"{path} holds a key that is none.")
    if "seed" in seeds:
        seeds.setdefault("issuance_wallet", _derived_seed(seeds["seed"], "issuance"))
    if set(seeds) != {*ROLES, "seed"}:
        raise ChainKeysUnusable(f"{path} does not hold the keys of all roles.")
    keypairs = {role: Keypair.from_seed(seeds[role]) for role in ROLES}
    return ChainKeys(**keypairs, seed=seeds["seed"])


def _derived_seed(seed: bytes, path: str) -> bytes:
    return hmac.digest(seed, f"bourse:{path}".encode(), hashlib.sha512)[:32]


def path_from_settings() -> Path:
    """BOURSE_CHAIN_KEYS_FILE, else `chain_keys.json` in the var directory."""
    configured: Path | None = settings.ENV.bourse_chain_keys_file
    return configured or Path(settings.VAR_DIR) / "chain_keys.json"


def from_settings() -> ChainKeys:
    """This installation's keys. :raises ChainKeysUnusable: as it says."""
    return load(path_from_settings())
