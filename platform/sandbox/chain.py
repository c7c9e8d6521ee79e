"""The sandbox's Solana node: a subset of its JSON-RPC over a real virtual machine.

    python -m sandbox.chain --port 9101 --state var/sandbox/chain

Real Token-2022 and token programs, blockhashes that expire, commitment levels,
history on disk before each answer. Faults on demand, before finality as a real
chain has them:
    POST /sandbox/chain/faults    {"drop": n, "delay_slots": n, "delay": n,
                                   "lose_answers": n, "lag_slots": n}
    POST /sandbox/chain/rollback  {"slots": n, "requeue": true}
The faucet: POST /faucet {"address", "usdc"}.
"""

import argparse
import json
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kernel import clock
from sandbox.chain_node import Node, Pace
from sandbox.chain_rpc import Rpc, RpcError
from sandbox.chain_store import Store
from sandbox.faucet import USDC_MINT, Faucet, FaucetRefused
from sandbox.serving import Options, serve

# Each counts down with every transaction it hits; lag stays until set again.
FAULTS = ("drop", "delay", "delay_slots", "lose_answers", "lag_slots")
BATCH_MAX = 100


def build(options: Options) -> Starlette:
    extra = options.extra
    store = Store(options.state / "chain.sqlite3")
    clock.configure(options.clock_file)
    pace = Pace(extra.slot_ms, extra.confirm_slots, extra.final_slots)
    node = Node(store, pace, clock.now)
    faucet = Faucet(store, node)
    rpc = Rpc(node, faucet)

    # Handlers never await between reading and writing the chain: they run one by one.
    async def answer(request: Request) -> Response:
        try:
            body = json.loads(await request.body())
        except ValueError:
            return JSONResponse(_error(None, -32700, "Parse error"))
        if isinstance(body, list):
            return JSONResponse([_call(rpc, one) for one in body[:BATCH_MAX]])
        outcome = _call(rpc, body)
        if isinstance(body, dict) and body.get("method") == "sendTransaction" and rpc.loses():
            return Response(status_code=504)
        return JSONResponse(outcome)

    async def send_usdc(request: Request) -> JSONResponse:
        try:
            body = json.loads(await request.body())
            signature = faucet.send_usdc(str(body["address"]), body["usdc"])
        except (ValueError, KeyError, TypeError):
            return JSONResponse({"message": 'Send {"address", "usdc"}.'}, status_code=400)
        except FaucetRefused as refusal:
            return JSONResponse({"message": str(refusal)}, status_code=422)
        return JSONResponse({"signature": signature})

    async def set_faults(request: Request) -> JSONResponse:
        wanted = await request.json()
        unknown = set(wanted) - set(FAULTS)
        if unknown or not all(isinstance(n, int) and n >= 0 for n in wanted.values()):
            return JSONResponse({"message": f"Faults are {', '.join(FAULTS)}."}, status_code=422)
        with store.commit():
            for name, number in wanted.items():
                store.put(f"fault:{name}", str(number))
        return JSONResponse({name: int(store.get(f"fault:{name}", "0")) for name in FAULTS})

    async def roll_back(request: Request) -> JSONResponse:
        wanted = await request.json()
        dropped = rpc.roll_back(int(wanted["slots"]), requeue=bool(wanted.get("requeue", False)))
        return JSONResponse({"dropped": dropped})

    async def describe(request: Request) -> JSONResponse:
        return JSONResponse({"usdc_mint": str(USDC_MINT), "slot": node.tip()})

    return Starlette(
        routes=[
            Route("/", answer, methods=["POST"]),
            Route("/faucet", send_usdc, methods=["POST"]),
            Route("/sandbox/chain", describe, methods=["GET"]),
            Route("/sandbox/chain/faults", set_faults, methods=["POST"]),
            Route("/sandbox/chain/rollback", roll_back, methods=["POST"]),
        ]
    )


def _call(rpc: Rpc, call: Any) -> dict[str, object]:
    if not isinstance(call, dict) or not isinstance(call.get("method"), str):
        return _error(None, -32600, "Invalid request")
    params = call.get("params") or []
    method: Callable[..., object] | None = rpc.methods.get(call["method"])
    if method is None:
        return _error(call.get("id"), -32601, "Method not found")
    try:
        result = method(*params) if isinstance(params, list) else method(**params)
    except RpcError as error:
        return _error(call.get("id"), error.code, str(error), error.data)
    except TypeError as error:
        return _error(call.get("id"), -32602, f"Invalid params: {error}")
    return {"jsonrpc": "2.0", "id": call.get("id"), "result": result}


def _error(ident: object, code: int, message: str, data: object = None) -> dict[str, object]:
    error: dict[str, object] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": ident, "error": error}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--slot-ms", type=int, default=400)
    parser.add_argument("--confirm-slots", type=int, default=1)
    parser.add_argument("--final-slots", type=int, default=32)


if __name__ == "__main__":
    serve(build, "chain", arguments=arguments)
