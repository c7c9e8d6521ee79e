"""What an environment must hold before anything may run in production.

Without Django, because the engine's process and the supervisor ask here too.
"""

import sys
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from stdnum import lei
from stdnum.exceptions import ValidationError

from bourse.environment import UNSAFE_SECRET_KEY, Environment

SECRET_KEY_LENGTH_MIN = 50
LOOPBACK = ("localhost", "127.0.0.1", "::1")
OUTSIDE_PARTIES = ("solana_rpc_url", "custodian_url", "kyc_provider_url", "prices_url")
SECRETS = (
    "custodian_key",
    "custodian_secret",
    "kyc_provider_token",
    "kyc_provider_secret",
    "kyc_webhook_secret",
    "bourse_pii_keys",
)
OWN_SERVERS = ("database_url", "database_owner_url", "redis_url")
KEY_FILES = ("bourse_seal_key_file", "bourse_chain_keys_file")
OPTIMIZED = "Bourse does not run under python -O: its asserts must hold."

Findings = Iterator[tuple[int, str]]


def find_problems(environment: Environment) -> Findings:
    """(number, sentence) of every reason for which these may not run in production."""
    if not __debug__:
        yield 1, OPTIMIZED
    yield from find_unsafe(environment)


def find_unsafe(environment: Environment) -> Findings:
    """As `find_problems`, for the environment alone."""
    if environment.bourse_env == "production":
        for check in (_core, _servers, _parties, _keys, _firm):
            yield from check(environment)


def refuse_unsafe(environment: Environment) -> None:
    """Exit 2 with one sentence a problem."""
    problems = list(find_problems(environment))
    for _, sentence in problems:
        print(sentence, file=sys.stderr)
    if problems:
        sys.exit(2)


def _core(environment: Environment) -> Findings:
    if environment.debug:
        yield 10, "DEBUG must be off in production."
    key = environment.secret_key
    if key == UNSAFE_SECRET_KEY or len(key) < SECRET_KEY_LENGTH_MIN:
        yield 11, f"SECRET_KEY must be a random text of {SECRET_KEY_LENGTH_MIN} or more characters."
    if environment.bourse_clock == "sandbox":
        yield 12, "BOURSE_CLOCK must be system in production: the sandbox's clock can be moved."
    hosts = [host for host in environment.allowed_hosts.split(",") if host]
    if not hosts or any(host == "*" or host in (*LOOPBACK, "testserver") for host in hosts):
        yield 13, "ALLOWED_HOSTS must name the hosts you serve, not localhost or *."
    if not environment.email_url:
        yield 14, "EMAIL_URL must name a mail server: addresses are confirmed by mail."
    if not environment.messages_per_second:
        yield 15, "MESSAGES_PER_SECOND must be above 0: one investor could hold up the engine."


def _servers(environment: Environment) -> Findings:
    for name in OWN_SERVERS:
        if not getattr(environment, name):
            yield 20, f"{name.upper()} must be set in production."
    if environment.database_url and environment.database_url == environment.database_owner_url:
        yield 21, "DATABASE_URL and DATABASE_OWNER_URL must be two roles (docs/decisions/0004)."
    if environment.redis_url and not urlsplit(environment.redis_url).password:
        yield 22, "REDIS_URL must hold a password: writing to it is trading."


def _parties(environment: Environment) -> Findings:
    for name in OUTSIDE_PARTIES:
        parts = urlsplit(getattr(environment, name))
        if not parts.hostname:
            yield 30, f"{name.upper()} must be set in production."
        elif _is_this_machine(parts.hostname) or parts.scheme != "https":
            yield 31, f"{name.upper()} must be https and not this machine: the sandbox is a demo."

    if environment.halts_url and urlsplit(environment.halts_url).scheme != "https":
        yield 32, "HALTS_URL must be https: it stops and starts trading."


def _is_this_machine(host: str) -> bool:
    """Any spelling of loopback, and the addresses that mean "here"."""
    name = host.rstrip(".")
    if name in LOOPBACK or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified or mapped.is_link_local)


def _keys(environment: Environment) -> Findings:
    for name in SECRETS:
        if not getattr(environment, name):
            yield 40, f"{name.upper()} must be set in production."
    for name in KEY_FILES:
        path = getattr(environment, name)
        if path is None or not path.is_file():
            yield 41, f"{name.upper()} must name a file with the key, outside the database."


def _firm(environment: Environment) -> Findings:
    try:
        lei.validate(environment.firm_lei)
    except ValidationError:
        yield 50, "FIRM_LEI must be your legal entity identifier: reports carry it."
    if len(environment.venue_mic) != 4 or not environment.venue_mic.isalnum():
        yield 51, "VENUE_MIC must be your venue's four-character market identifier."
    if len(environment.firm_country) != 2 or not environment.firm_country.isupper():
        yield 52, "FIRM_COUNTRY must be your country as two capital letters (ISO 3166)."
