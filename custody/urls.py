"""Pages of custody."""

from django.urls import path

from custody.views import redemptions, reserves, statement, wallet

urlpatterns = [
    path("wallet/", wallet.wallet, name="wallet"),
    path("wallet/deposit/", wallet.deposit, name="deposit"),
    path("wallet/faucet/", wallet.faucet, name="faucet"),
    path("wallet/history/", wallet.history, name="wallet_history"),
    path("wallet/statement/", statement.statement, name="statement"),
    path("wallet/statement.csv", statement.export, name="statement_export"),
    path("redemptions/", redemptions.redemptions, name="redemptions"),
    path("redemptions/new/", redemptions.new_redemption, name="new_redemption"),
    path("redemptions/<uuid:redemption_id>/", redemptions.redemption, name="redemption"),
    path("reserves/", reserves.reserves, name="reserves"),
    path("reserves/<slug:code>/", reserves.reserve, name="reserve"),
]
