"""Settings of the tests: those of the installation, with a state folder of their own that is thrown away."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_worker = os.environ.get("PYTEST_XDIST_WORKER", "")
if not _worker:
    os.environ["ELM_TEST_FOLDER"] = tempfile.mkdtemp(prefix="elm-tests-")
    atexit.register(shutil.rmtree, os.environ["ELM_TEST_FOLDER"], ignore_errors=True)
_folder = Path(os.environ["ELM_TEST_FOLDER"])
# One state folder per test process, so that no worker hears the doorbells of another one's database
os.environ["ELM_STATE_DIR"] = str(_folder / (_worker or "main"))
os.environ.pop("ELM_ENVIRONMENT", None)

from elm_project.settings import *  # noqa: E402, F403 - the folder has to be chosen first
from elm_project.settings import DATABASES  # noqa: E402

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, because in memory the requests of a live server find the table locked
    DATABASES["default"]["TEST"] = {"NAME": str(_folder / "test.sqlite3")}
else:
    # A name of our own, so that two runs against one server do not meet
    DATABASES["default"]["TEST"] = {"NAME": _folder.name.replace("-", "_")}
    DATABASES["default"]["CONN_MAX_AGE"] = 0

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_ROOT = _folder / "static"
STATIC_ROOT.mkdir(exist_ok=True)
# Else every client of every test looks at each static file again; the live server finds them by itself
WHITENOISE_USE_FINDERS = False
