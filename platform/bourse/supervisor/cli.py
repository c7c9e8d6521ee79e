"""`manage.py up`: start everything, keep it running, stop it in order.

1. ours alone     a lock on the var folder; leftovers of a killed run are ended
2. servers        PostgreSQL, Valkey and the sandbox's parties, at once
3. database       roles, database, migrations as the owner
4. demo           once
5. processes      web, engines and their stand-bys, worker, sealer; then the market maker
6. var/run.json   every address, when all is ready
"""

import argparse
import fcntl
import sys
import time
from pathlib import Path
from typing import Any

from bourse import production
from bourse.environment import Environment, EnvironmentWrong, read
from bourse.supervisor import addresses as addressing
from bourse.supervisor import parts as catalogue
from bourse.supervisor.addresses import DATABASE, PARTIES, Addresses
from bourse.supervisor.launch import CannotStart
from bourse.supervisor.logfile import LogFile
from bourse.supervisor.orphans import Orphanage
from bourse.supervisor.overseer import Overseer, Part, Stopped
from bourse.supervisor.postgres import ensure_database, ensure_roles

LAST = "market-maker"  # it trades with the others, once the demo has given it a key


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--only", default="", metavar="PART,PART", help="start only these and what they need"
    )
    parser.add_argument("--no-demo", action="store_true", help="load no demo data")


def main(argv: list[str]) -> int:
    """Run until stopped; the exit code. One sentence and 2 when it cannot start."""
    parser = argparse.ArgumentParser(prog="manage.py up", description=__doc__.splitlines()[0])
    add_arguments(parser)
    options = parser.parse_args(argv)
    try:
        environment = read()
    except EnvironmentWrong as wrong:
        print(wrong, file=sys.stderr)
        return 2
    if environment.bourse_env == "production":
        production.refuse_unsafe(environment)
    try:
        return _run(environment, options)
    except CannotStart as problem:
        print(problem, file=sys.stderr)
        return 2


def _run(environment: Environment, options: argparse.Namespace) -> int:
    var = environment.bourse_var_dir.resolve()
    var.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (var / "supervisor.lock").open("a+") as lock:
        _take(lock, var)
        orphanage = Orphanage(var / "children.json")
        for name in orphanage.end_all():
            say(f"ended {name}, which a killed run had left")
        # A killed run could not take back what it told others.
        (var / "run.json").unlink(missing_ok=True)
        addresses = addressing.claim(environment)
        chosen = catalogue.choose(catalogue.all_parts(addresses), _names(options.only))
        overseer = Overseer(
            lambda name: LogFile(var / "logs" / f"{name}.log"), on_start=orphanage.remember
        )
        overseer.catch_signals()
        try:
            start_all(overseer, addresses, chosen, demo=not (options.no_demo or options.only))
            overseer.watch()
        except Stopped:
            pass
        finally:
            say("stopping")
            (var / "run.json").unlink(missing_ok=True)
            overseer.stop(lambda name: say(f"  {name}"))
            say("stopped")
    return 0


def start_all(overseer: Overseer, addresses: Addresses, chosen: list[Part], *, demo: bool) -> None:
    """Bring the chosen parts up, in order; write the run file when all is ready.

    :raises CannotStart: one of them did not come up.
    :raises Stopped: somebody asked us to stop meanwhile.
    """
    since = time.monotonic()
    first = [part for part in chosen if part.name in ("postgres", "valkey", *PARTIES)]
    rest = [part for part in chosen if part not in first and part.name != LAST]
    _start(overseer, first)
    if any("postgres" in part.needs or part.name == "postgres" for part in chosen):
        _prepare_database(overseer, addresses)
    if any(part.name == "engine" for part in rest):
        rest += catalogue.further_engines(addresses)
    _start(overseer, rest)
    if demo:
        _load_demo(overseer, addresses)
    if addresses.key_file(LAST).exists():
        _start(overseer, [part for part in chosen if part.name == LAST])
    write_run_file(addresses)
    _greet(addresses, chosen, time.monotonic() - since)


def write_run_file(addresses: Addresses) -> None:
    """Tell other commands, and people, where everything is."""
    content: dict[str, Any] = {"web": addresses.web_url, "env": addresses.settings()}
    content |= {name: addresses.party_url(name) for name in PARTIES if name in addresses.embedded}
    content["logins"] = _logins(addresses)
    addressing.write_private(addresses.var / "run.json", content)


def say(text: str) -> None:
    print(f"{'bourse':<12} | {text}", flush=True)


def _start(overseer: Overseer, parts: list[Part]) -> None:
    if not parts:
        return
    say(f"starting {', '.join(part.name for part in parts)}")
    for part in parts:
        overseer.start(part)
    overseer.wait_ready(parts, lambda part, took: say(f"  {part.name} is ready ({took:.1f} s)"))


def _prepare_database(overseer: Overseer, addresses: Addresses) -> None:
    if "postgres" in addresses.embedded:
        postgres = addresses.postgres()
        ensure_roles(
            postgres.admin_url(),
            owner_password=addresses.secrets["database_owner_password"],
            app_password=addresses.secrets["database_app_password"],
        )
        ensure_database(postgres, DATABASE)
    say("migrating the database")
    migrate = catalogue.task("migrate", addresses, "migrate", "--database", "owner", "-v", "0")
    if overseer.run_to_end(migrate) != 0:
        raise CannotStart("The migrations failed; see above.")
    if _lacks_chain_keys(addresses):
        overseer.run_to_end(catalogue.task("keys", addresses, "create_chain_keys"))


def _lacks_chain_keys(addresses: Addresses) -> bool:
    """In development the first start makes them; production names its own."""
    environment = addresses.environment
    if environment.bourse_env == "production" or environment.bourse_chain_keys_file:
        return False
    return not (addresses.var / "chain_keys.json").exists()


def _load_demo(overseer: Overseer, addresses: Addresses) -> None:
    """Load the demo data unless this var folder and database already have it."""
    done = addresses.var / "demo-loaded"
    if done.exists() or addresses.environment.bourse_env != "development":
        return
    say("loading the demo data (once)")
    if overseer.run_to_end(catalogue.task("demo", addresses, "load_demo")) != 0:
        raise CannotStart("The demo data could not be loaded; see above.")
    done.touch()


def _greet(addresses: Addresses, chosen: list[Part], took: float) -> None:
    say(f"ready after {took:.0f} s, logs in {addresses.var / 'logs'}")
    if not any(part.name == "web" for part in chosen):
        return
    say("")
    say(f"  Open {addresses.web_url}")
    for login in _logins(addresses):
        say(f"    {login['role']:<24} {login['email']:<28} {login['password']}")
    say("")
    say("Ctrl-C stops everything; the data stay.")


def _logins(addresses: Addresses) -> list[dict[str, str]]:
    content = addressing.read_secrets(addresses.var / "secrets.json")
    logins: list[dict[str, str]] = content.get("logins", [])
    return logins


def _names(only: str) -> set[str]:
    return {name.strip() for name in only.split(",") if name.strip()}


def _take(lock: Any, var: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CannotStart(f"Bourse already runs from {var}: stop it first.") from None
