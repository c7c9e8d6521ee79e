"""The sandbox's KYC provider: Sumsub's shapes, signatures and webhooks.

    python -m sandbox.kyc --port 9103 --state var/sandbox/kyc \\
        --webhook-url http://127.0.0.1:8000/webhooks/kyc/
with KYC_PROVIDER_TOKEN, KYC_PROVIDER_SECRET and KYC_WEBHOOK_SECRET in the environment.

    POST /resources/applicants?levelName=          409 when the externalUserId is there
    GET  /resources/applicants/{id}/one            also /-;externalUserId={id}/one
    POST /resources/applicants/{id}/info/idDoc     multipart: metadata, content
    POST /resources/applicants/{id}/status/pending
    POST /resources/applicants/{id}/status/testCompleted   {"reviewAnswer", ...}: decide now
A check is decided about a second after it was asked for. The first given name
says how: Retry, Reject, Fraud (GREEN, then RED), Hold (never); others are GREEN.
Controls, in JSON:
    GET  /sandbox/kyc/applicants, /sandbox/kyc/webhooks
    POST /sandbox/kyc/knobs    {"copies": 3, "hold": true, "auto": false, "outcomes": ["RED"]}
    POST /sandbox/kyc/release  {"order": "reverse"}: send what was held back
    POST /sandbox/kyc/review   {"external_id": "...", "outcome": "GREEN_THEN_RED"}
    POST /sandbox/kyc/send     {"body": {...}, "copies": 2}: any webhook, rightly signed
"""

import argparse
import asyncio
import contextlib
import hmac
import json
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from sqlite3 import Row
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kernel import clock
from sandbox.kyc_desk import OUTCOMES, ApplicantExists, Desk, UnknownApplicant, format_ms
from sandbox.serving import Options, serve

LOOK_SECONDS = 0.5
WEBHOOK_TIMEOUT_SECONDS = 5.0
TIMESTAMP_TOLERANCE_SECONDS = 60
_NAME = re.compile(rb'name="([^"]*)"')

Handler = Callable[[Request], Awaitable[Response]]


def build(options: Options) -> Starlette:
    clock.configure(options.clock_file)
    desk = Desk(options.state / "kyc.sqlite3", clock.now)
    extra = options.extra

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        work = asyncio.create_task(_work(desk, extra.webhook_url, extra.webhook_secret))
        yield
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work

    signed = _signed_by(extra.token, options.secret or extra.secret_of_requests)
    return Starlette(
        routes=_provider_routes(desk, signed) + _control_routes(desk),
        lifespan=lifespan,
        exception_handlers={
            UnknownApplicant: _not_found,
            HTTPException: _refused,
            json.JSONDecodeError: _malformed,
        },
    )


def _provider_routes(desk: Desk, signed: Callable[[Handler], Handler]) -> list[Route]:
    async def create(request: Request) -> Response:
        content = await request.json()
        external_id = str(content.get("externalUserId", ""))
        if not external_id or "levelName" not in request.query_params:
            raise HTTPException(400, "externalUserId and levelName are required")
        try:
            made = desk.create(external_id, dict(content.get("fixedInfo") or {}))
        except ApplicantExists:
            raise HTTPException(409, f"Applicant {external_id!r} already exists") from None
        return JSONResponse(applicant_json(desk, made), status_code=201)

    async def one(request: Request) -> Response:
        wanted = request.path_params["applicant"]
        by_external_id = wanted.removeprefix("-;externalUserId=")
        found = desk.get(wanted) if by_external_id == wanted else None
        return JSONResponse(applicant_json(desk, found or desk.get_by_external_id(by_external_id)))

    async def add_document(request: Request) -> Response:
        parts = read_multipart(request.headers.get("content-type", ""), await request.body())
        if not parts.get("metadata") or not parts.get("content"):
            raise HTTPException(400, "metadata and content are required")
        metadata = json.loads(parts["metadata"])
        if len(str(metadata.get("country", ""))) != 3 or not metadata.get("idDocType"):
            raise HTTPException(400, "idDocType and an alpha-3 country are required")
        ident = desk.add_document(request.path_params["applicant"], metadata, len(parts["content"]))
        return JSONResponse(metadata, headers={"X-Image-Id": str(ident)})

    async def pending(request: Request) -> Response:
        desk.request_check(request.path_params["applicant"])
        return JSONResponse({"ok": 1})

    async def test_completed(request: Request) -> Response:
        desk.review(request.path_params["applicant"], dict(await request.json()))
        return JSONResponse({"ok": 1})

    path = "/resources/applicants"
    return [
        Route(path, signed(create), methods=["POST"]),
        Route(f"{path}/{{applicant}}/one", signed(one), methods=["GET"]),
        Route(f"{path}/{{applicant}}/info/idDoc", signed(add_document), methods=["POST"]),
        Route(f"{path}/{{applicant}}/status/pending", signed(pending), methods=["POST"]),
        Route(f"{path}/{{applicant}}/status/testCompleted", signed(test_completed),
              methods=["POST"]),
    ]  # fmt: skip


def _control_routes(desk: Desk) -> list[Route]:
    async def applicants(request: Request) -> Response:
        return JSONResponse([applicant_json(desk, row) for row in desk.applicants()])

    async def webhooks(request: Request) -> Response:
        return JSONResponse([_webhook_json(row) for row in desk.webhooks()])

    async def knobs(request: Request) -> Response:
        for name, value in (await request.json()).items():
            wanted = type(getattr(desk.knobs, name, None))
            if not isinstance(value, wanted) or name not in asdict(desk.knobs):
                raise HTTPException(422, f"{name}: no such knob, or not {wanted.__name__}")
            setattr(desk.knobs, name, value)
        return JSONResponse(asdict(desk.knobs))

    async def release(request: Request) -> Response:
        desk.release(is_reversed=(await request.json()).get("order") == "reverse")
        return JSONResponse({"ok": 1})

    async def review(request: Request) -> Response:
        content = await request.json()
        applicant = desk.get_by_external_id(str(content.get("external_id", "")))
        if content.get("outcome") not in OUTCOMES:
            raise HTTPException(422, f"outcome is one of {', '.join(OUTCOMES)}")
        for result in OUTCOMES[content["outcome"]]:
            desk.review(applicant["id"], result)
        return JSONResponse(applicant_json(desk, desk.get(applicant["id"])))

    async def send(request: Request) -> Response:
        content = await request.json()
        desk.send_raw(dict(content["body"]), int(content.get("copies", 1)))
        return JSONResponse({"ok": 1})

    return [
        Route("/sandbox/kyc/applicants", applicants, methods=["GET"]),
        Route("/sandbox/kyc/webhooks", webhooks, methods=["GET"]),
        Route("/sandbox/kyc/knobs", knobs, methods=["POST"]),
        Route("/sandbox/kyc/release", release, methods=["POST"]),
        Route("/sandbox/kyc/review", review, methods=["POST"]),
        Route("/sandbox/kyc/send", send, methods=["POST"]),
    ]


def applicant_json(desk: Desk, applicant: Row) -> dict[str, Any]:
    """An applicant as `GET /resources/applicants/{id}/one` gives it."""
    review: dict[str, Any] = {"reviewStatus": applicant["status"], "levelName": "basic-kyc-level"}
    if applicant["status"] == "completed":
        review["reviewResult"] = json.loads(applicant["result"])
        # The real provider gives whole seconds here, and milliseconds in its webhooks.
        review["reviewDate"] = f"{format_ms(applicant['reviewed_ms'])[:19]}+0000"
    return {
        "id": applicant["id"],
        "externalUserId": applicant["external_id"],
        "createdAt": format_ms(applicant["created_ms"])[:19],
        "fixedInfo": json.loads(applicant["fixed_info"]),
        "info": {"idDocs": desk.documents(applicant["id"])},
        "review": review,
    }


def read_multipart(content_type: str, body: bytes) -> dict[str, bytes]:
    """The parts of multipart/form-data by name."""
    match = re.search(r'boundary="?([^";]+)', content_type)
    if match is None:
        return {}
    parts = {}
    for part in body.split(b"--" + match.group(1).encode())[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if name:
            parts[name.group(1).decode()] = content.removesuffix(b"\r\n")
    return parts


def sign_webhook(body: bytes, secret: str) -> dict[str, str]:
    """The headers with which the provider signs a webhook's raw body."""
    return {
        "Content-Type": "application/json",
        "X-Payload-Digest-Alg": "HMAC_SHA256_HEX",
        "X-Payload-Digest": hmac.digest(secret.encode(), body, "sha256").hex(),
    }


def _signed_by(token: str, secret: str) -> Callable[[Handler], Handler]:
    def signed(handler: Handler) -> Handler:
        async def run(request: Request) -> Response:
            stamp = request.headers.get("x-app-access-ts", "")
            target = request.scope["raw_path"].decode()
            query = request.scope["query_string"].decode()
            target += f"?{query}" if query else ""
            text = f"{stamp}{request.method}{target}".encode() + await request.body()
            expected = hmac.digest(secret.encode(), text, "sha256").hex()
            given = request.headers.get("x-app-access-sig", "")
            is_fresh = stamp.isdigit() and abs(time.time() - int(stamp)) <= (
                TIMESTAMP_TOLERANCE_SECONDS
            )
            is_ours = request.headers.get("x-app-token") == token
            if not (is_fresh and is_ours and hmac.compare_digest(expected, given)):
                raise HTTPException(401, "Request signature mismatch")
            return await handler(request)

        return run

    return signed


async def _work(desk: Desk, url: str, secret: str) -> None:
    """Decide and deliver, for as long as the party lives."""
    async with httpx.AsyncClient(timeout=WEBHOOK_TIMEOUT_SECONDS, trust_env=False) as client:
        while True:
            desk.decide_due()
            for webhook in desk.due_webhooks():
                body = bytes(webhook["body"])
                desk.note_delivery(webhook, is_delivered=await _deliver(client, url, body, secret))
            await asyncio.sleep(LOOK_SECONDS)


async def _deliver(client: httpx.AsyncClient, url: str, body: bytes, secret: str) -> bool:
    try:
        answer = await client.post(url, content=body, headers=sign_webhook(body, secret))
    except httpx.HTTPError:
        return False
    return answer.is_success


def _webhook_json(webhook: Row) -> dict[str, Any]:
    return {
        "id": webhook["id"],
        "body": json.loads(webhook["body"]),
        "attempts": webhook["attempts"],
        "is_delivered": webhook["delivered_at"] is not None,
    }


async def _not_found(request: Request, error: Exception) -> Response:
    return JSONResponse({"code": 404, "description": f"Not found: {error}"}, status_code=404)


async def _malformed(request: Request, error: Exception) -> Response:
    return JSONResponse({"code": 400, "description": "The body is not JSON"}, status_code=400)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    content = {"code": error.status_code, "description": error.detail}
    return JSONResponse(content, status_code=error.status_code)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--webhook-url", required=True)
    # Secrets come by the environment, out of the process list.
    parser.set_defaults(
        token=os.environ.get("KYC_PROVIDER_TOKEN", ""),
        secret_of_requests=os.environ.get("KYC_PROVIDER_SECRET", ""),
        webhook_secret=os.environ.get("KYC_WEBHOOK_SECRET", ""),
    )


if __name__ == "__main__":
    serve(build, "kyc", arguments=_arguments)
