"""What gunicorn reads by itself from the folder it starts in: its own lines are part of the same log stream."""

from __future__ import annotations

from elm_project.logs import LOGGING

logconfig_dict = LOGGING
