"""Settings, from environment variables; every default gives the embedded installation (see .env.example)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from celery.schedules import crontab, schedule
from csp.constants import NONE, SELF

from elm_project import logs
from elm_project.env import BASE_DIR, PRODUCTION, env, generated_key, postgresql, state_dir
from elm_project.log_settings import *  # noqa: F403 - who signs the log and where copies are put, a block of its own
from elm_project.log_settings import EVIDENCE_STORAGE
from elm_project.notification_settings import *  # noqa: F403 - whether messages leave this system, and how
from elm_project.notification_settings import MAIL, public_url
from elm_project.sign_in import *  # noqa: F403 - how people sign in, another
from elm_project.unfold import UNFOLD as UNFOLD

# --- Installation ---------------------------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or generated_key("django_secret_key")
DOMAIN_NAME_KEY = (env.str("ELM_DOMAIN_NAME_KEY", default="") or generated_key("domain_name_key")).encode()
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
ROOT_URLCONF = "elm_project.urls"
WSGI_APPLICATION = "elm_project.wsgi.application"

# --- Apps -----------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.guardian",
    "unfold.contrib.simple_history",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "axes",
    "csp",
    "guardian",
    "simple_history",
    "django_fsm",
    "audit_app",
    "accounts_app",
    "notifications_app",
    "sign_in_app",
    "gates_app",
    "requests_app",
    "provisioning_app",
    "evidence_app",
    "exports_app",
    "elm_project",
]

MIDDLEWARE = [
    "core_app.stack_chunks.in_one_chunk",  # first, so that all the others' calls lie there too
    "elm_project.health.middleware",
    "elm_project.correlation.middleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts_app.tenancy.middleware",
    "sign_in_app.middleware.SessionLimits",
    "elm_project.log_readers.middleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "axes.middleware.AxesMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "elm_project.outage.read_only_banner",
                "elm_project.help.help_link",
                "sign_in_app.pages.sign_in_choices",
            ],
        },
    },
]

# --- Database: SQLite when nothing is configured, PostgreSQL in production ------------------------------------------

DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db("DATABASE_URL", default=f"sqlite:///{state_dir() / 'elm.sqlite3'}"),
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # IMMEDIATE takes the write lock at BEGIN: it is what select_for_update is on PostgreSQL (style guide, trap T6)
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
else:
    DATABASES["default"] = postgresql(DATABASES["default"])
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Celery: doorbells and a tick; the database is the queue --------------------------------------------------------

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="filesystem://localhost")
if CELERY_BROKER_URL.startswith("filesystem"):
    _folder = state_dir() / "broker"
    for _name in ("queue", "processed", "control"):
        (_folder / _name).mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {
        "data_folder_in": str(_folder / "queue"),
        "data_folder_out": str(_folder / "queue"),
        "processed_folder": str(_folder / "processed"),
        "control_folder": str(_folder / "control"),
        "polling_interval": 0.1,
    }
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "visibility_timeout": 300,
        "socket_connect_timeout": 2,
        "socket_timeout": 10,
        "retry_on_timeout": False,
        # One more try, at once: a doorbell that nobody hears keeps nobody waiting for their page
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0,
    }
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_TIMEOUT = 2
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_CONSUMER = "elm_project.worker:Consumer"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(state_dir() / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    "due requests": {"task": "requests_app.tasks.tick", "schedule": schedule(1), "options": {"expires": 1}},
    "due runs": {"task": "provisioning_app.tasks.tick", "schedule": schedule(1), "options": {"expires": 1}},
    "outbox": {"task": "notifications_app.tasks.deliver", "schedule": schedule(30), "options": {"expires": 30}},
    "requests sweep": {"task": "requests_app.tasks.sweep", "schedule": schedule(60), "options": {"expires": 60}},
    "people who have left": {
        "task": "accounts_app.tasks.look_for_departed",
        "schedule": schedule(900),
        "options": {"expires": 900},
    },
    "reminders of reviews": {
        "task": "evidence_app.tasks.remind",
        "schedule": schedule(3600),
        "options": {"expires": 3600},
    },
    "evidence of ended quarters": {
        "task": "evidence_app.tasks.store",
        "schedule": crontab(minute=35),
        "options": {"expires": 3600},
    },
    "provisioning sweep": {
        "task": "provisioning_app.tasks.sweep",
        "schedule": schedule(300),
        "options": {"expires": 300},
    },
    "signature of the log": {
        "task": "audit_app.tasks.checkpoint",
        "schedule": schedule(30),
        "options": {"expires": 30},
    },
    "time stamp of the log": {
        "task": "audit_app.tasks.timestamp",
        "schedule": schedule(300),
        "options": {"expires": 300},
    },
    "what is new in the log": {
        "task": "audit_app.tasks.verify_new",
        "schedule": schedule(300),
        "options": {"expires": 300},
    },
    "all of the log": {
        "task": "audit_app.tasks.verify_all",
        "schedule": crontab(hour=2, minute=15),
        "options": {"expires": 3600},
    },
}

# How long a worker may be silent before another takes its runs over; longer than any single call to Microsoft
RUN_LEASE_SECONDS = env.int("ELM_RUN_LEASE_SECONDS", default=180)
# A worker that does not notice the watchdog's interruption is killed with its process
CELERY_TASK_ANNOTATIONS = {"provisioning_app.tasks.advance": {"time_limit": RUN_LEASE_SECONDS + 30}}

# Where people find Flower, which the operations page links to; empty: nowhere
FLOWER_URL = env.str("ELM_FLOWER_URL", default="")

# --- The Microsoft cloud --------------------------------------------------------------------------------------------

# A JSON file with the endpoints of another cloud than the public one (sovereign, or the simulator's ready file)
CLOUD_ENDPOINTS_FILE = env.str("ELM_CLOUD_ENDPOINTS_FILE", default="")
# The identity of the workers themselves: it reads secrets from Key Vault and may do nothing else
WORKLOAD_CLIENT_ID = env.str("ELM_WORKLOAD_CLIENT_ID", default="")
# How they sign in: with the token that the host federates (Kubernetes sets AZURE_FEDERATED_TOKEN_FILE), else a secret
WORKLOAD_TOKEN_FILE = env.str("ELM_WORKLOAD_TOKEN_FILE", default=env.str("AZURE_FEDERATED_TOKEN_FILE", default=""))
WORKLOAD_SECRET_FILE = env.str("ELM_WORKLOAD_SECRET_FILE", default="")

# --- People ---------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts_app.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
GUARDIAN_GET_INIT_ANONYMOUS_USER = "accounts_app.models.guardian_anonymous_user"
ANONYMOUS_USER_NAME = "anonymous@invalid"
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
SIMPLE_HISTORY_REVERT_DISABLED = True
SIMPLE_HISTORY_HISTORY_ID_USE_UUID = True
API_TOKENS_FILE = env.str("ELM_API_TOKENS_FILE", default="")

# --- Notifications --------------------------------------------------------------------------------------------------

vars().update(MAIL)
PUBLIC_URL = public_url(ALLOWED_HOSTS, is_production=PRODUCTION)

# --- Security -------------------------------------------------------------------------------------------------------

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
SECURE_SSL_REDIRECT = PRODUCTION
SECURE_HSTS_SECONDS = 31_536_000 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION
if PRODUCTION and env.bool("ELM_BEHIND_TLS_PROXY", default=True):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500
# No screen takes files: the first one ends the request, and nothing is ever written to a disk while it is read
DATA_UPLOAD_MAX_NUMBER_FILES = 0
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
FILE_UPLOAD_MAX_MEMORY_SIZE = DATA_UPLOAD_MAX_MEMORY_SIZE
SECURE_REFERRER_POLICY = SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, "'unsafe-eval'"],  # Alpine.js, which Unfold uses, evaluates its attributes
        "style-src": [SELF, "'unsafe-inline'"],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# --- Language, time, files ------------------------------------------------------------------------------------------

LANGUAGE_CODE = env.str("ELM_LANGUAGE", default="en-us")
LOCALE_PATHS = [BASE_DIR / "locale"]  # catalogues of an installation; `manage.py makemessages` begins one
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
FORMAT_MODULE_PATH = ["elm_project.formats"]
STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(BASE_DIR / "staticfiles")))
WHITENOISE_USE_FINDERS = not PRODUCTION
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
    "evidence": EVIDENCE_STORAGE,
}

# --- Logging: one JSON object a line --------------------------------------------------------------------------------

logs.configure()
LOGGING = logs.LOGGING
