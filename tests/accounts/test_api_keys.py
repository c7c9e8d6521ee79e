import base64
import hashlib
import hmac
import json
import threading
import urllib.parse
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import IntegrityError, close_old_connections, transaction

from accounts import api_keys
from accounts.api_keys import NewKey, Principal
from accounts.encryption import CannotOpen
from accounts.models import ApiKey, Investor
from kernel.refusals import NotFound
from tests.accounts.stories import NOW, make_user

WALL = NOW.timestamp()


@pytest.fixture
def alice(db: None) -> Investor:
    return make_investor()


def make_investor(name: str = "alice") -> Investor:
    return Investor.objects.create(user=make_user(name), display_name=name, created_at=NOW)


def native(alice: Investor, *scopes: str) -> NewKey:
    return api_keys.create(
        investor_id=alice.pk, kind="native", scopes=scopes or ("read", "trade"), now=NOW
    )


def sign(key: NewKey, nonce: int, *, body: bytes = b"", at: float = WALL) -> dict[str, str]:
    """As a client does it, from the documentation alone."""
    text = f"{int(at)}\n{nonce}\nPOST\n/api/v1/orders/?dry=1\n".encode() + body
    signature = hmac.new(base64.b64decode(key.secret), text, hashlib.sha256).hexdigest()
    return {"timestamp": str(int(at)), "nonce": str(nonce), "signature": signature}


def use(key: NewKey, signed: dict[str, str], body: bytes = b"") -> Principal:
    return api_keys.authenticate_native(
        key_id=key.key, method="POST", target="/api/v1/orders/?dry=1", body=body,
        wall_seconds=WALL, now=NOW, **signed,
    )  # fmt: skip


def test_a_signed_request_is_its_investors(alice: Investor) -> None:
    key = native(alice)

    principal = use(key, sign(key, 1, body=b"{}"), b"{}")

    assert (principal.investor_id, principal.scopes) == (alice.pk, {"read", "trade"})


def test_a_nonce_counts_once_and_only_upwards(alice: Investor) -> None:
    key = native(alice)
    use(key, sign(key, 7))

    for nonce in (7, 6, 0):
        with pytest.raises(api_keys.InvalidNonce):
            use(key, sign(key, nonce))
    assert use(key, sign(key, 2**64 - 1)).key_id == key.key


def test_a_wrong_signature_never_moves_the_nonce(alice: Investor) -> None:
    key = native(alice)

    with pytest.raises(api_keys.InvalidSignature):
        use(key, {**sign(key, 2**64 - 1), "signature": "0" * 64})

    assert ApiKey.objects.get().nonce_high == -1
    assert use(key, sign(key, 1))


def test_a_changed_body_does_not_fit_the_signature(alice: Investor) -> None:
    key = native(alice)

    with pytest.raises(api_keys.InvalidSignature):
        use(key, sign(key, 1, body=b'{"quantity":"1"}'), b'{"quantity":"100"}')


@pytest.mark.parametrize("nonce", ["", "-1", "1.0", "1e3", "0x1", "١", str(2**64), "9" * 30])
def test_a_nonce_in_another_spelling_is_refused(alice: Investor, nonce: str) -> None:
    key = native(alice)

    with pytest.raises(api_keys.InvalidNonce):
        use(key, {**sign(key, 1), "nonce": nonce})


@pytest.mark.parametrize("seconds", [-61, 61, 10**6])
def test_a_request_from_another_time_is_refused(alice: Investor, seconds: int) -> None:
    key = native(alice)

    with pytest.raises(api_keys.InvalidTimestamp):
        use(key, sign(key, 1, at=WALL + seconds))


def test_a_revoked_key_is_out_at_once(alice: Investor) -> None:
    key = native(alice)
    api_keys.revoke(investor_id=alice.pk, key_id=key.key, now=NOW)

    with pytest.raises(api_keys.InvalidKey):
        use(key, sign(key, 1))
    with pytest.raises(NotFound):
        api_keys.revoke(investor_id=alice.pk, key_id=key.key, now=NOW)


def test_nobody_revokes_a_foreign_key(alice: Investor) -> None:
    key = native(alice)

    with pytest.raises(NotFound):
        api_keys.revoke(investor_id=make_investor("mallory").pk, key_id=key.key, now=NOW)
    assert use(key, sign(key, 1))


def test_a_key_without_the_scope_may_not(alice: Investor) -> None:
    key = native(alice, "read")
    principal = use(key, sign(key, 1))

    principal.require("read")
    with pytest.raises(api_keys.ScopeMissing):
        principal.require("trade")


@pytest.mark.parametrize("scopes", [(), ("admin",), ("read", "everything")])
def test_unknown_scopes_make_no_key(alice: Investor, scopes: tuple[str, ...]) -> None:
    with pytest.raises(api_keys.UnknownScope):
        api_keys.create(investor_id=alice.pk, kind="native", scopes=scopes, now=NOW)
    assert not ApiKey.objects.exists()


def test_there_is_a_limit_of_keys(alice: Investor) -> None:
    for _ in range(api_keys.KEYS_PER_INVESTOR_MAX):
        native(alice)

    with pytest.raises(api_keys.TooManyKeys):
        native(alice)


def test_the_secret_is_stored_sealed_and_bound_to_its_row(alice: Investor) -> None:
    first, second = native(alice), native(alice)
    stored = ApiKey.objects.get(key_id=first.key)
    assert base64.b64decode(first.secret) not in bytes(stored.secret_sealed)

    ApiKey.objects.filter(key_id=second.key).update(secret_sealed=stored.secret_sealed)
    with pytest.raises(CannotOpen):
        use(second, sign(first, 1))


def test_the_database_knows_scopes_and_the_nonces_range(alice: Investor) -> None:
    native(alice)

    with pytest.raises(IntegrityError, match="api_key_scopes_known"), transaction.atomic():
        ApiKey.objects.update(scopes=["root"])
    with pytest.raises(IntegrityError, match="api_key_nonce_is_u64"), transaction.atomic():
        ApiKey.objects.update(nonce_high=2**64)


def test_a_kraken_client_signs_as_it_always_did(alice: Investor) -> None:
    """The signature of Kraken's own documentation's example code."""
    key = api_keys.create(investor_id=alice.pk, kind="kraken", scopes=["trade"], now=NOW)
    form = {"nonce": "1616492376594", "ordertype": "limit", "pair": "AAPLx/USDC", "volume": "1.25"}
    body, path = urllib.parse.urlencode(form), "/0/private/AddOrder"
    message = path.encode() + hashlib.sha256((form["nonce"] + body).encode()).digest()
    mac = hmac.new(base64.b64decode(key.secret), message, hashlib.sha512)
    signature = base64.b64encode(mac.digest()).decode()

    principal = api_keys.authenticate_kraken(
        key_id=key.key, nonce=form["nonce"], signature=signature, path=path, body=body.encode(),
        now=NOW,
    )  # fmt: skip

    assert principal.kind == "kraken"
    with pytest.raises(api_keys.InvalidSignature):
        api_keys.authenticate_kraken(
            key_id=key.key, nonce="1616492376595", signature=signature, path=path,
            body=body.encode(), now=NOW,
        )  # fmt: skip


def test_kraken_keeps_its_published_example() -> None:
    """docs.kraken.com, "Spot REST authentication": inputs and the API-Sign they give."""
    secret = base64.b64decode(
        "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
    )
    body = b"nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
    payload = api_keys.kraken_payload(path="/0/private/AddOrder", nonce="1616492376594", body=body)

    assert base64.b64encode(hmac.digest(secret, payload, "sha512")).decode() == (
        "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="
    )


def test_a_socket_authenticates_with_its_first_message(alice: Investor) -> None:
    key = native(alice)
    text = f"{int(WALL)}\n5\nWS\n/ws/v1\n".encode()
    signature = hmac.new(base64.b64decode(key.secret), text, hashlib.sha256).hexdigest()
    message: dict[str, object] = {
        "type": "authenticate", "key": key.key, "timestamp": int(WALL), "nonce": 5,
        "signature": signature,
    }  # fmt: skip

    principal = api_keys.authenticate_websocket(message=message, wall_seconds=WALL, now=NOW)

    assert principal.investor_id == alice.pk
    with pytest.raises(api_keys.InvalidTimestamp):
        api_keys.authenticate_websocket(
            message={"type": "authenticate"}, wall_seconds=WALL, now=NOW + timedelta(days=9)
        )


def test_the_command_prints_a_key_that_works(alice: Investor) -> None:
    out = StringIO()

    call_command(
        "create_api_key", "--email", "alice@example.org", "--scopes", "read,trade", stdout=out
    )

    printed = json.loads(out.getvalue())
    key = NewKey(key=printed["key"], secret=printed["secret"])
    assert use(key, sign(key, 1)).scopes == {"read", "trade"}


def test_the_same_nonce_at_once_counts_once(cloned_database: str) -> None:
    key = native(make_investor())
    signed, outcomes = sign(key, 1), []
    barrier = threading.Barrier(2)

    def run() -> None:
        barrier.wait()
        try:
            outcomes.append(use(key, signed).key_id)
        except api_keys.InvalidNonce:
            outcomes.append("refused")
        finally:
            close_old_connections()
            from django.db import connection

            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == sorted([key.key, "refused"])


def test_the_keys_of_a_login_that_was_shut_stop_with_it(alice: Investor) -> None:
    key = native(alice)
    use(key, sign(key, 1))
    assert alice.user is not None
    type(alice.user).objects.filter(pk=alice.user.pk).update(is_active=False)

    with pytest.raises(api_keys.InvalidKey):
        use(key, sign(key, 2))


def test_a_trader_of_the_house_has_no_login_and_still_a_key(db: None) -> None:
    house = Investor.objects.create(display_name="maker", is_house=True, created_at=NOW)
    key = native(house)

    assert use(key, sign(key, 1)).investor_id == house.pk


@pytest.mark.parametrize("key_id", ["", "no-such-key", "bk_\0", "bk_\ud800", "bk_é"])
def test_what_can_be_no_key_is_an_unknown_key(alice: Investor, key_id: str) -> None:
    key = native(alice)

    with pytest.raises(api_keys.InvalidKey):
        api_keys.authenticate_native(
            key_id=key_id, method="POST", target="/", body=b"", wall_seconds=WALL, now=NOW,
            **sign(key, 1),
        )  # fmt: skip


def test_a_kraken_key_opens_no_socket_of_ours(alice: Investor) -> None:
    key = api_keys.create(investor_id=alice.pk, kind="kraken", scopes=["trade"], now=NOW)
    payload = api_keys.native_payload(
        timestamp=str(int(WALL)), nonce="1", method="WS", target="/ws/v1", body=b""
    )
    digest = hmac.digest(base64.b64decode(key.secret), payload, "sha512")
    message: dict[str, object] = {
        "key": key.key, "timestamp": str(int(WALL)), "nonce": "1",
        "signature": base64.b64encode(digest).decode(),
    }  # fmt: skip

    with pytest.raises(api_keys.InvalidKey):
        api_keys.authenticate_websocket(message=message, wall_seconds=WALL, now=NOW)
