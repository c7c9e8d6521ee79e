"""Pages of custody."""

from django.urls import path

from custody.views import redemptions, reserves, wallet

urlpatterns = [
    path("wallet/", wallet.wallet, name="wallet"),
    path("redemptions/", redemptions.redemptions, name="redemptions"),
    path("reserves/", reserves.reserves, name="reserves"),
    path("reserves/<slug:code>/", reserves.reserve, name="reserve"),
]
