"""Who signs the log, and where copies of what was signed, and evidence, are put."""

from __future__ import annotations

from pathlib import Path

from elm_project.env import env, state_dir

LOG_KEY_STORE = "elm_project.log_stores.key_store"
LOG_SIGNING_KEY_FILE = Path(env.str("ELM_LOG_SIGNING_KEY_FILE", default="") or state_dir() / "keys" / "log_key.pem")
# https://VAULT/secrets/NAME instead of a file; read by the workload's identity in ELM_WORKLOAD_TENANT_ID
LOG_SIGNING_KEY_SECRET = env.str("ELM_LOG_SIGNING_KEY_SECRET", default="")
WORKLOAD_TENANT_ID = env.str("ELM_WORKLOAD_TENANT_ID", default="")
# SHA-256 fingerprints of public keys that are trusted besides the one this host signs with
LOG_KEY_FINGERPRINTS = env.list("ELM_LOG_KEY_FINGERPRINTS", default=[])
# What the signer remembers outside the database: the last size and root it signed for
LOG_SIGNER_FOLDER = Path(env.str("ELM_LOG_SIGNER_DIR", default="") or state_dir() / "signer")
LOG_ANCHOR_STORES = "elm_project.log_stores.anchor_stores"
# A folder that the database's administrators do not reach, and a container with immutability: https://ACCOUNT/CONTAINER
LOG_ANCHOR_FOLDER = Path(env.str("ELM_LOG_ANCHOR_DIR", default="") or state_dir() / "anchors")
LOG_ANCHOR_CONTAINER = env.str("ELM_LOG_ANCHOR_CONTAINER", default="")
LOG_ANCHOR_DAYS = env.int("ELM_LOG_ANCHOR_DAYS", default=6 * 366)
# A time-stamp authority (RFC 3161) that is asked once an hour, and its certificates (PEM); no address, no time stamps
LOG_TSA_URL = env.str("ELM_LOG_TSA_URL", default="")
LOG_TSA_CERTIFICATES = env.str("ELM_LOG_TSA_CERTIFICATES", default="")
# Where a package is made that somebody downloads; nothing of it stays
EVIDENCE_DOWNLOAD_FOLDER = state_dir() / "downloads"
# Queues of their own let workers on one host be the only ones that have the key, one for what is signed and one for
# packages of evidence, and another one beside them verify: what takes long never keeps the log from being signed for
_SIGNER = env.str("ELM_LOG_SIGNER_QUEUE", default="celery")
_EVIDENCE = env.str("ELM_LOG_EVIDENCE_QUEUE", default=_SIGNER)
_VERIFIER = env.str("ELM_LOG_VERIFIER_QUEUE", default=_SIGNER)
CELERY_TASK_ROUTES = {
    "audit_app.tasks.verify_*": {"queue": _VERIFIER},
    "audit_app.tasks.*": {"queue": _SIGNER},
    "evidence_app.tasks.store": {"queue": _EVIDENCE},
    "evidence_app.tasks.export": {"queue": _EVIDENCE},
}
# Where the signer leaves a package for a web server without the key, and how long somebody waits for it there
EVIDENCE_STORAGE = {
    "BACKEND": "django.core.files.storage.FileSystemStorage",
    "OPTIONS": {
        "location": env.str("ELM_EVIDENCE_DIR", default="") or state_dir() / "handover",
        "directory_permissions_mode": 0o700,
        "file_permissions_mode": 0o640,
    },
}
EVIDENCE_WAIT_SECONDS = env.int("ELM_EVIDENCE_WAIT_SECONDS", default=60)
