#!/usr/bin/env python
"""Django's command line."""

from __future__ import annotations

import os
import sys

from django.core.management import execute_from_command_line

from core_app.stack_chunks import in_one_chunk
from elm_project.demo import folder

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "elm_project.settings")
    if sys.argv[1:2] == ["demo"]:
        folder.choose(sys.argv[2:])
    in_one_chunk(execute_from_command_line)(sys.argv)
