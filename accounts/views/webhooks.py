"""Where the KYC provider calls: verify the raw bytes, store, answer at once."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from accounts.gateways.kyc_provider import WEBHOOK_BYTES_MAX
from accounts.operations.provider import receive_webhook
from kernel import clock
from kernel.refusals import Refusal


@csrf_exempt  # signed by the provider instead
@login_not_required
@require_POST
def kyc_webhook(request: HttpRequest) -> JsonResponse:
    """200 once the event is stored, whatever it says; 401 without a right digest."""
    if len(request.body) > WEBHOOK_BYTES_MAX:  # not as announced: a chunked body announces none
        return JsonResponse({"code": "webhook_too_large"}, status=413)
    try:
        receive_webhook(body=request.body, headers=request.headers, now=clock.now())
    except Refusal as refusal:
        return JsonResponse({"code": refusal.code}, status=refusal.http_status)
    return JsonResponse({"ok": True})
