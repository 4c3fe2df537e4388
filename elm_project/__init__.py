"""The installation: settings, URLs, Celery, admin site, checks and commands. Knows every app; no app knows it."""

from elm_project.celery import app as celery_app

__all__ = ["celery_app"]
