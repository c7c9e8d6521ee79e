"""Pages of reference."""

from django.urls import path

from reference import views

urlpatterns = [path("calendar/", views.calendar, name="calendar")]
