"""Who gets what answer at which address: written by hand from the table of roles, not from the code.

Roles are the specification's four (Requester, Approver, Admin, Auditor) and our three. What one may not see is not
found (404); what one sees and may not do is forbidden (403).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from accounts_app.roles import Role
from tests.project.access_world import FOREIGN_UNIT, NOBODY, OWN, SAME_UNIT, SUPERUSER

LETTERS: Final = {
    "R": Role.REQUESTER,
    "A": Role.APPROVER,
    "C": Role.COMPLIANCE_OFFICER,
    "L": Role.GOVERNANCE_LEAD,
    "M": Role.ADMIN,
    "O": Role.OPERATOR,
    "U": Role.AUDITOR,
}
WHO: Final = (*LETTERS.values(), NOBODY, SUPERUSER)

# Whose grants reach how far in the tests' world; a requester has none and sees what is their own
IN_UNIT: Final = "ACLMOU"
IN_TENANT: Final = "LMOU"

# Table | roles that view it | roles that add to it
TABLES: Final[dict[str, tuple[str, str]]] = {
    name: (viewing, adding.strip("-"))
    for name, viewing, adding in map(
        str.split,
        """
        accounts_app.businessunit              LOU      -
        accounts_app.delegation                RACLU    ACL
        accounts_app.tenant                    LOU      -
        accounts_app.tenantidentity            LOU      -
        accounts_app.tenantsettings            LOU      L
        accounts_app.user                      LOU      -
        audit_app.logaccess                    LU       -
        audit_app.provisioninglog              RACLMOU  -
        evidence_app.accessreview              LU       -
        evidence_app.evidencecopy              LU       -
        gates_app.decision                     RACLMOU  -
        gates_app.gate                         RACLMOU  -
        gates_app.stage                        RACLMOU  -
        notifications_app.outboxmessage        LOU      -
        provisioning_app.circuitbreaker        LMOU     -
        provisioning_app.environment           LMOU     -
        provisioning_app.gap                   LMOU     -
        provisioning_app.governedcontrol       LMOU     -
        provisioning_app.privilegefinding      LMOU     -
        provisioning_app.privilegereview       LMOU     -
        provisioning_app.provisioningrun       LMOU     -
        provisioning_app.reconciliationfinding LMOU     -
        provisioning_app.rollback              LMOU     -
        provisioning_app.rotationrecord        LMOU     -
        provisioning_app.steprecord            LMOU     -
        requests_app.environmentrequest        RACLMOU  R
        requests_app.requestcomment            RACLMOU  -
        requests_app.zonedispute               RACLMOU  -
        requests_app.intakereceipt             OU       -
        requests_app.legalhold                 CLU      -
        sign_in_app.groupmapping               LOU      L
        """.strip().splitlines(),
    )
}
# Rows of one's own that are reached without any grant
REACHED_AS_OWN: Final = frozenset(
    {
        "accounts_app.delegation",
        "audit_app.provisioninglog",
        "gates_app.gate",
        "gates_app.stage",
        "notifications_app.outboxmessage",
        "requests_app.environmentrequest",
        "requests_app.requestcomment",
        "requests_app.zonedispute",
    }
)
OVERSEEN: Final = {"accounts_app.delegation": "LU"}  # only these reach those of others


@dataclass(frozen=True, slots=True)
class Verb:
    """Who may press a button.

    Attributes:
        own: Roles that may on a row of their own.
        unit: Roles that may on a row of somebody else in their unit.
        tenant: Roles that may on a row of another unit of their tenant.
        standing: Which request it is pressed on.
        is_offered: Whether the row stands where the button is shown to those who may.
        is_page: Whether it opens a page of its own, which is there again when nothing was chosen.
    """

    own: str = ""
    unit: str = ""
    tenant: str = ""
    standing: str = "pending"
    is_offered: bool = True
    is_page: bool = False

    def may(self, kind: str) -> str:
        """Return the roles that may press it on a row of a kind."""
        return {OWN: self.own, SAME_UNIT: self.unit, FOREIGN_UNIT: self.tenant}.get(kind, "")


_ALL = "RACLMOUS"  # what one asked for, one withdraws and shares, a superuser like everybody
_OPERATED = {"unit": "O", "tenant": "O"}
_FAILED = {**_OPERATED, "standing": "failed"}
VERBS: Final[dict[str, Verb]] = {
    "accounts_app_delegation_end": Verb(own="ACL", unit="L"),
    "accounts_app_tenant_export_evidence": Verb(unit="U", is_page=True),
    "accounts_app_tenant_questions": Verb(unit="U", is_page=True),
    "accounts_app_tenant_resume": Verb(unit="O", is_offered=False),
    "accounts_app_tenant_review_access": Verb(unit="LU"),
    "accounts_app_tenant_start_review": Verb(unit="LO"),
    "accounts_app_tenantidentity_rotate": Verb(unit="O"),
    "accounts_app_tenantsettings_confirm": Verb(unit="L"),
    "accounts_app_tenantsettings_reject": Verb(unit="L"),
    "accounts_app_user_deactivate": Verb(unit="L", tenant="L"),
    "accounts_app_user_end_sessions": Verb(unit="LO", tenant="LO"),
    "accounts_app_user_reactivate": Verb(unit="L", tenant="L", is_offered=False),
    "accounts_app_user_revoke_role": Verb(unit="L", tenant="L"),
    "evidence_app_accessreview_sign": Verb(unit="LU"),
    "notifications_app_outboxmessage_send_again": Verb(own="O", unit="O", tenant="O", is_offered=False),
    "provisioning_app_environment_quarantine": Verb(**_OPERATED),
    "provisioning_app_environment_release": Verb(**_OPERATED, is_offered=False),
    "provisioning_app_privilegefinding_dispose": Verb(unit="LO"),
    "provisioning_app_privilegereview_sign": Verb(unit="L"),
    "provisioning_app_provisioningrun_retry": Verb(**_OPERATED),
    "provisioning_app_reconciliationfinding_resolve": Verb(**_OPERATED),
    "requests_app_environmentrequest_answer": Verb(own=_ALL, unit="ACL", tenant="L", is_offered=False),
    "requests_app_environmentrequest_approve": Verb(unit="A"),
    "requests_app_environmentrequest_attest": Verb(**_FAILED, is_offered=False),
    "requests_app_environmentrequest_brief": Verb(own="ACL", unit="ACL", tenant="L", is_page=True),
    "requests_app_environmentrequest_claim": Verb(unit="A"),
    "requests_app_environmentrequest_place_hold": Verb(own="C", unit="C"),
    "requests_app_environmentrequest_release_hold": Verb(unit="C"),
    "requests_app_environmentrequest_evidence_package": Verb(own="U", unit="U", tenant="U", is_page=True),
    "requests_app_environmentrequest_comment": Verb(own=_ALL, unit="ACL", tenant="L"),
    "requests_app_environmentrequest_copy": Verb(own="R"),
    "requests_app_environmentrequest_dispute": Verb(own="R", standing="disputable", is_page=True),
    "requests_app_environmentrequest_guided": Verb(own="R", standing="draft"),  # its last step submits
    "requests_app_environmentrequest_object_to": Verb(unit="A", standing="window"),
    "requests_app_environmentrequest_reassign": Verb(unit="A"),
    "requests_app_environmentrequest_reject": Verb(unit="A"),
    "requests_app_environmentrequest_retry": Verb(**_FAILED),
    "requests_app_environmentrequest_roll_back": Verb(**_FAILED, is_offered=False),
    "requests_app_environmentrequest_share": Verb(own=_ALL, unit="L", tenant="L"),
    "requests_app_environmentrequest_submit": Verb(own="R", standing="draft"),
    "requests_app_environmentrequest_unshare": Verb(own=_ALL, unit="L", tenant="L"),
    "requests_app_environmentrequest_withdraw": Verb(own=_ALL),
    "requests_app_zonedispute_keep": Verb(unit="L", tenant="L"),
    "requests_app_zonedispute_lower": Verb(unit="L", tenant="L"),
    "requests_app_zonedispute_take_back": Verb(own=_ALL),
    "sign_in_app_groupmapping_confirm": Verb(unit="L"),
    "sign_in_app_groupmapping_end": Verb(unit="L"),
}

# Addresses of no row: answer to GET and POST without a session, and with one whatever the role
SIGN_IN, OK, DONE, REFUSED, NOT_FOUND, NO_SUCH_METHOD = "sign in", "200", "302", "403", "404", "405"
TOO_EARLY = "409"  # nobody has signed for the entry yet
# Pages below a table that are about no row: these roles get these answers to GET and POST; a superuser decides, too
FORMS: Final[dict[str, tuple[str, str, str]]] = {
    "requests_app_environmentrequest_approvals": ("ACLS", OK, OK),
    "requests_app_environmentrequest_new": ("R", OK, OK),
    "requests_app_environmentrequest_new_data": ("R", DONE, DONE),  # to the first step: nothing was said there
    "requests_app_environmentrequest_live_zone": ("R", NO_SUCH_METHOD, OK),
    "requests_app_environmentrequest_live_name": ("R", NO_SUCH_METHOD, OK),
    "requests_app_environmentrequest_live_groups": ("R", NO_SUCH_METHOD, OK),
}
# Addresses of rows that are none of the admin's: of which table, and what they do
OUTSIDE_THE_ADMIN: Final = {"log-proof": ("audit_app.provisioninglog", "proof")}
OTHERS: Final[dict[str, tuple[str, str, str, str]]] = {
    "home": (DONE, DONE, DONE, DONE),
    "admin:index": (SIGN_IN, SIGN_IN, OK, OK),
    "admin:search": (SIGN_IN, SIGN_IN, OK, OK),
    "admin:login": (OK, OK, DONE, OK),
    "admin:logout": (DONE, DONE, NO_SUCH_METHOD, OK),
    "admin:password_change": (SIGN_IN, SIGN_IN, OK, OK),
    "admin:password_change_done": (SIGN_IN, SIGN_IN, OK, NO_SUCH_METHOD),
    "admin:autocomplete": (SIGN_IN, SIGN_IN, REFUSED, NO_SUCH_METHOD),
    "admin:jsi18n": (SIGN_IN, SIGN_IN, OK, NO_SUCH_METHOD),
    "admin:view_on_site": (SIGN_IN, SIGN_IN, NOT_FOUND, NOT_FOUND),
    "admin:": (SIGN_IN, SIGN_IN, NOT_FOUND, NOT_FOUND),  # whatever is no address of the admin
    "notification-catalogue": (SIGN_IN, SIGN_IN, OK, NO_SUCH_METHOD),
    "my-notifications": (SIGN_IN, SIGN_IN, OK, DONE),
    "operations": (SIGN_IN, SIGN_IN, OK, NO_SUCH_METHOD),
    "operations-now": (SIGN_IN, SIGN_IN, OK, NO_SUCH_METHOD),
    "help": (SIGN_IN, SIGN_IN, OK, NO_SUCH_METHOD),
    "help-page": (SIGN_IN, SIGN_IN, NOT_FOUND, NO_SUCH_METHOD),  # of a name that no document has
    "entra_login": (
        NOT_FOUND,
        NO_SUCH_METHOD,
        NOT_FOUND,
        NO_SUCH_METHOD,
    ),  # these tests have no Microsoft
    "entra_callback": (NOT_FOUND, NO_SUCH_METHOD, NOT_FOUND, NO_SUCH_METHOD),
    "sign_in_again": (SIGN_IN, SIGN_IN, OK, REFUSED),  # without a password
    "api:intake": (NO_SUCH_METHOD, "401", NO_SUCH_METHOD, "401"),
    "api:api-root": (NOT_FOUND, NOT_FOUND, NOT_FOUND, NOT_FOUND),
}
EXPORTED: Final = "U"  # who takes a list as a file; a superuser may, and reaches nothing as an auditor
# Addresses of no row that only some roles open; the others are refused
OF_ROLES: Final = {"notification-catalogue": "RACLMOUS", "operations": "LMOUS", "operations-now": "LMOUS"}


def of_role(who: str) -> str:
    """Return the letter of a role; of who has none, nothing that is in the tables."""
    return next((letter for letter, role in LETTERS.items() if role == who), "S" if who == SUPERUSER else "?")


def may_view(who: str, table: str) -> bool:
    """Say whether somebody may view a table; a superuser may everything and reaches nothing."""
    return who == SUPERUSER or of_role(who) in TABLES[table][0]


def may_add(who: str, table: str) -> bool:
    """Say whether somebody may open the form of a new row; a superuser has no role that makes any."""
    return of_role(who) in TABLES[table][1]


def reaches(who: str, table: str, kind: str) -> bool:
    """Say whether a row of a kind exists for somebody."""
    if kind == OWN:
        return table in REACHED_AS_OWN
    reach = {SAME_UNIT: IN_UNIT, FOREIGN_UNIT: IN_TENANT}.get(kind, "")
    letter = of_role(who)
    return letter in reach and letter in OVERSEEN.get(table, TABLES[table][0])


def of_row(who: str, table: str, kind: str, *, then: str) -> str:
    """Return the answer at the address of a row: ``then`` for whom it exists and who may view the table."""
    return then if may_view(who, table) and reaches(who, table, kind) else NOT_FOUND
