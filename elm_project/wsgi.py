"""The WSGI application, for gunicorn."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "elm_project.settings")

application = get_wsgi_application()

from elm_project.startup import refuse_when_unsafe  # noqa: E402 - the checks need the apps

refuse_when_unsafe("web")
