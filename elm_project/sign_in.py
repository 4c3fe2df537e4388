"""How people sign in and how long that holds: the settings of django-allauth, django-axes and our own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from elm_project.env import PRODUCTION, env

# --- Microsoft Entra: an app registration of its own, for sign-in and nothing else ----------------------------------

ENTRA_SIGN_IN_CLIENT_ID = env.str("ELM_SIGN_IN_CLIENT_ID", default="")  # empty: no sign-in with Microsoft
ENTRA_SIGN_IN_SECRET_FILE = env.str("ELM_SIGN_IN_SECRET_FILE", default="")  # read at each sign-in, so it can be rotated
# Whose accounts Entra lets in: a tenant id, or organizations; which tenants count is decided here by their ids
ENTRA_SIGN_IN_AUTHORITY = env.str("ELM_SIGN_IN_AUTHORITY", default="organizations")
# In production a password opens break-glass accounts only
LOCAL_PASSWORDS = not PRODUCTION

# --- How long a sign-in holds ---------------------------------------------------------------------------------------

STEP_UP_MINUTES = env.int("ELM_STEP_UP_MINUTES", default=10)
SESSION_IDLE_MINUTES = env.int("ELM_SESSION_IDLE_MINUTES", default=60)
SESSION_HOURS = env.int("ELM_SESSION_HOURS", default=10)
SESSION_COOKIE_AGE = SESSION_HOURS * 3600

# --- django-allauth: it carries the OpenID Connect exchange; accounts, screens and e-mail of its own stay unused ----

ACCOUNT_ADAPTER = "sign_in_app.entra.adapters.AccountAdapter"
SOCIALACCOUNT_ADAPTER = "sign_in_app.entra.adapters.EntraAccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False  # nobody is found by an e-mail address
SOCIALACCOUNT_REQUESTS_TIMEOUT = 10

# --- django-axes: throttles guessing of local passwords -------------------------------------------------------------

AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS: list[Any] = [["username", "ip_address"]]  # nobody locks a colleague out from elsewhere
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_USERNAME_CALLABLE = "sign_in_app.throttle.name_tried"
AXES_LOCKOUT_CALLABLE = "sign_in_app.throttle.locked_out"
AXES_VERBOSE = False

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "sign_in_app.backends.LocalPasswordBackend",
    "sign_in_app.backends.EntraBackend",
    "guardian.backends.ObjectPermissionBackend",
]
