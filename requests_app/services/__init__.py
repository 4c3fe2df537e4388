"""What can happen to a request: one verb, one function, one transaction, one log entry per transition.

The form, the API, commands and tasks all call these. Facts from the cloud are fetched before and passed in.
"""

from requests_app.services.comments import ask, comment
from requests_app.services.copies import copy
from requests_app.services.decisions import (
    approve_by_policy,
    assign,
    decide,
    escalate_overdue,
    remind_overdue,
)
from requests_app.services.departures import reassign_departed
from requests_app.services.disputes import decide_dispute, dispute_hash, dispute_zone, withdraw_dispute
from requests_app.services.drafts import RequestFields, create_draft, edit_draft, new_draft
from requests_app.services.holds import place_hold, release_hold
from requests_app.services.provisioning import begin_provisioning, complete, fail, retry
from requests_app.services.sharing import share, unshare
from requests_app.services.submission import delay_routing, route, submit, withdraw

__all__ = [
    "RequestFields",
    "approve_by_policy",
    "ask",
    "assign",
    "begin_provisioning",
    "comment",
    "complete",
    "copy",
    "create_draft",
    "decide",
    "decide_dispute",
    "delay_routing",
    "dispute_hash",
    "dispute_zone",
    "edit_draft",
    "escalate_overdue",
    "fail",
    "new_draft",
    "place_hold",
    "reassign_departed",
    "release_hold",
    "remind_overdue",
    "retry",
    "route",
    "share",
    "submit",
    "unshare",
    "withdraw",
    "withdraw_dispute",
]
