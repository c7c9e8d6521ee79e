"""Second factors: their secrets lie sealed, so that a copy of the database signs nobody in."""

import base64

from allauth.mfa.adapter import DefaultMFAAdapter

from accounts.encryption import open_sealed, seal

PLACE = "mfa_authenticator"


class SealedSecrets(DefaultMFAAdapter):  # type: ignore[misc]
    """allauth's hooks around the key of an authenticator app and the seed of recovery codes."""

    def encrypt(self, text: str) -> str:
        return base64.b64encode(seal(text.encode(), place=PLACE)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """:raises accounts.encryption.CannotOpen: not sealed by `encrypt`."""
        return open_sealed(base64.b64decode(encrypted_text), place=PLACE).decode()
