"""Addresses of signing in; none of django-allauth's own is served."""

from __future__ import annotations

from django.urls import path

from sign_in_app import views

urlpatterns = [
    path("entra/", views.entra_login, name="entra_login"),
    path("entra/callback/", views.entra_callback, name="entra_callback"),
    path("again/", views.sign_in_again, name="sign_in_again"),
]
