"""What can happen to a request: one verb, one function, one transaction, one log entry per transition.

The form, the API, commands and tasks all call these. Facts from the cloud are fetched before and passed in.
"""

from requests_app.services.decisions import (
    approve_by_policy,
    assign,
    decide,
    escalate_overdue,
    remind_overdue,
)
from requests_app.services.departures import reassign_departed
from requests_app.services.drafts import RequestFields, create_draft, edit_draft, new_draft
from requests_app.services.provisioning import begin_provisioning, complete, fail, retry
from requests_app.services.sharing import share, unshare
from requests_app.services.submission import delay_routing, route, submit, withdraw

__all__ = [
    "RequestFields",
    "approve_by_policy",
    "assign",
    "begin_provisioning",
    "complete",
    "create_draft",
    "decide",
    "delay_routing",
    "edit_draft",
    "escalate_overdue",
    "fail",
    "new_draft",
    "reassign_departed",
    "remind_overdue",
    "retry",
    "route",
    "share",
    "submit",
    "unshare",
    "withdraw",
]
