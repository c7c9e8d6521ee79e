"""Pages of trading."""

from django.urls import path

from trading.views import activity, buy, markets, portfolio, public, trade

urlpatterns = [
    path("markets/", markets.markets, name="markets"),
    path("trade/", markets.trade_default, name="trade_default"),
    path("trade/<slug:symbol>/", trade.trade, name="trade"),
    path("trade/<slug:symbol>/candles/", trade.candles, name="candles"),
    path("trade/<slug:symbol>/order/", trade.place, name="place_order"),
    path("buy/<slug:symbol>/", buy.buy, name="buy"),
    path("buy/<slug:symbol>/confirm/", buy.confirm, name="buy_confirm"),
    path("orders/cancel-all/", trade.cancel_all, name="cancel_all_orders"),
    path("orders/<uuid:order_id>/", trade.order, name="order"),
    path("orders/<uuid:order_id>/amend/", trade.amend, name="amend_order"),
    path("orders/<uuid:order_id>/cancel/", trade.cancel, name="cancel_order"),
    path(
        "orders/by-client-id/<str:client_order_id>/",
        trade.order_by_client_id,
        name="order_by_client_id",
    ),
    path("portfolio/", portfolio.portfolio, name="portfolio"),
    path("activity/", activity.activity, name="activity"),
    path("activity/export.csv", activity.export, name="activity_export"),
    path("fees/", public.fees, name="fees"),
]
