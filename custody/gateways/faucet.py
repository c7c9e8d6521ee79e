"""The sandbox chain's faucet: play money for the demo, over a real transfer.

A public chain has no such address; the page offers it in development alone.
"""

import httpx

from kernel.gateways import GatewayUnavailable
from kernel.refusals import Refusal

FAUCET_TIMEOUT_SECONDS = 15


class FaucetRefused(Refusal):
    """The faucet does not send that."""

    code = "faucet_refused"


def send_usdc(*, node_url: str, address: str, usdc: str) -> str:
    """Ask the faucet for `usdc` (plain digits) to a wallet; the transfer's signature.

    :raises FaucetRefused: the faucet said no, with its reason.
    :raises GatewayUnavailable: it does not answer.
    """
    url = node_url.rstrip("/") + "/faucet"
    try:
        answer = httpx.post(
            url, json={"address": address, "usdc": usdc}, timeout=FAUCET_TIMEOUT_SECONDS
        )
        body = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise GatewayUnavailable("faucet", "no answer") from error
    if answer.status_code == 422:
        raise FaucetRefused(str(body.get("message", "")))
    if answer.status_code != 200:
        raise GatewayUnavailable("faucet", "no answer")
    return str(body["signature"])
