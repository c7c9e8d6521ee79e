"""/api/v1: every app's part of the partner API, its schema and its documentation.

What is not listed here does not exist; see docs/reference/http-api.md.
"""

from django.urls import path, re_path
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

import accounts.api
import accounts.api_kyc
import custody.api
import custody.api_statements
import reference.api
import trading.api
import trading.api_fees
import trading.api_orders
import trading.market_api
from kernel.refusals import NotFound


class DocsApi(SpectacularSwaggerSplitView):
    """Swagger UI with its script in a file of its own, as our content policy demands."""

    template_name = "bourse/api_docs.html"


class UnknownApi(APIView):
    """Every other address: our shape of "not found", not a page."""

    permission_classes = [AllowAny]

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        raise NotFound("There is no such address in this API.")

    post = put = patch = delete = get


urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="api_schema"),
    path("docs/", DocsApi.as_view(url_name="api_schema"), name="api_docs"),
    path("me/", accounts.api.MeApi.as_view()),
    path("kyc/", accounts.api_kyc.KycApi.as_view()),
    path("disclosures/", accounts.api_kyc.DisclosureListApi.as_view()),
    path("disclosures/<str:subject>/consent/", accounts.api_kyc.ConsentApi.as_view()),
    path("session/", reference.api.SessionApi.as_view()),
    path("instruments/", reference.api.InstrumentListApi.as_view()),
    path("instruments/<str:ticker>/", reference.api.InstrumentApi.as_view()),
    path("listings/", trading.api.ListingListApi.as_view()),
    path("listings/<str:symbol>/", trading.api.ListingApi.as_view()),
    path("listings/<str:symbol>/depth/", trading.api.DepthApi.as_view()),
    path("listings/<str:symbol>/trades/", trading.api.TradeListApi.as_view()),
    path("listings/<str:symbol>/candles/", trading.api.CandleListApi.as_view()),
    path("listings/<str:symbol>/ticker/", trading.market_api.TickerApi.as_view()),
    path("listings/<str:symbol>/level3/", trading.market_api.Level3Api.as_view()),
    path("listings/<str:symbol>/updates/", trading.market_api.UpdateListApi.as_view()),
    path("orders/", trading.api_orders.OrderListApi.as_view(), name="api_orders"),
    path("orders/pairs/", trading.api_orders.PairApi.as_view()),
    path("orders/batch/", trading.api_orders.BatchApi.as_view()),
    path("orders/cancel-batch/", trading.api_orders.CancelBatchApi.as_view()),
    path("orders/cancel-all-after/", trading.api_orders.CancelAllAfterApi.as_view()),
    path("orders/<uuid:order_id>/replace/", trading.api_orders.ReplaceApi.as_view()),
    path("orders/<uuid:order_id>/", trading.api_orders.OrderApi.as_view()),
    path("orders/by-client-id/<str:client_order_id>/", trading.api_orders.ClientOrderApi.as_view()),
    path("trades/", trading.api_orders.OwnTradeListApi.as_view()),
    path("fees/", trading.api_fees.FeesApi.as_view()),
    path("balances/", custody.api.BalanceListApi.as_view()),
    path("deposit-address/", custody.api.DepositAddressApi.as_view()),
    path("deposits/", custody.api.DepositListApi.as_view()),
    path("redemptions/", custody.api.RedemptionListApi.as_view()),
    path("redemptions/<uuid:redemption_id>/", custody.api.RedemptionApi.as_view()),
    path("reserves/", custody.api.ReservesApi.as_view()),
    path("seals/", custody.api_statements.SealListApi.as_view()),
    path("seals/heads/", custody.api_statements.HeadListApi.as_view()),
    path("statements/", custody.api_statements.StatementApi.as_view()),
    path("entries/<int:entry_id>/proof/", custody.api_statements.EntryProofApi.as_view()),
    re_path(r"^.*$", UnknownApi.as_view()),
]
