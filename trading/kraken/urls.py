from django.urls import path, re_path

from trading.kraken import views

urlpatterns = [
    path("public/<str:method>", views.public_method, name="kraken_public"),
    path("private/<str:method>", views.private_method, name="kraken_private"),
    re_path(r"^.*$", views.unknown_path),
]
