"""The Celery application: ``celery -A elm_project worker`` and ``beat``."""

from __future__ import annotations

import os

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "elm_project.settings")

TRANSPORT_ALIASES["filesystem"] = "elm_project.broker:Transport"

app = Celery("elm_project", task_cls="elm_project.worker:Task")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["consumer"].add("elm_project.worker:KeepsMessages")
