"""Who may write which field in which state, independently of the table in the code, and what a row holds."""

from __future__ import annotations

from typing import Any, Final

from accounts_app.models import User
from accounts_app.roles import Role
from requests_app.choices import State
from requests_app.fields import NEW, Access
from requests_app.models import EnvironmentRequest
from tests.factories import People, make_user

MODEL = {field.name: field for field in EnvironmentRequest._meta.concrete_fields}

# Written by hand from the specification (Table 1, Security Roles, Field-Level Security) and our decisions, not from the
# code. A cell lists the states in which the role writes the field: 0 while the draft is made, 1 Draft,
# 3 PendingApproval, 4 Approved, 6 Provisioning; a dot none. Who may see the row reads the field, in every state.
EXPECTED: Final = """
                                                 requester  approver  compliance  lead  admin  operator  auditor
id                       er_requestid                .         .          .        .      .       .         .
request_number           er_requestnumber            .         .          .        .      .       .         .
environment_name         er_environmentname          01        .          .        .      .       .         .
environment_type         er_environmenttype          01        .          .        .      .       .         .
region                   er_region                   01        .          .        .      .       .         .
zone                     er_zone                     .         .          .        .      .       .         .
zone_rationale           er_zonerationale            01        .          .        .      .       .         .
zone_auto_flags          er_zoneautoflags            .         .          .        .      .       .         .
business_justification   er_businessjustification    01        .          .        .      .       .         .
data_sensitivity         er_datasensitivity          01        .          .        .      .       .         .
expected_users           er_expectedusers            01        .          .        .      .       .         .
security_group_id        er_securitygroupid          01        .          .        .      .       .         .
requester                er_requester                .         .          .        .      .       .         .
requested_on             er_requestedon              .         .          .        .      .       .         .
state                    er_state                    .         3          3        3      46      .         .
approver                 er_approver                 .         3          3        3      .       .         .
approved_on              er_approvedon               .         3          3        3      .       .         .
approval_comments        er_approvalcomments         .         3          3        3      .       .         .
environment_id           er_environmentid            .         .          .        .      6       .         .
environment_url          er_environmenturl           .         .          .        .      6       .         .
provisioning_started     er_provisioningstarted      .         .          .        .      4       .         .
provisioning_completed   er_provisioningcompleted    .         .          .        .      6       .         .
has_customer_data        -                           01        .          .        .      .       .         .
has_financial_data       -                           01        .          .        .      .       .         .
has_external_access      -                           01        .          .        .      .       .         .
raised_zone              -                           01        .          .        .      .       .         .
security_group_name      -                           01        .          .        .      .       .         .
business_unit            -                           0         .          .        .      .       .         .
tenant                   -                           .         .          .        .      .       .         .
number                   -                           .         .          .        .      .       .         .
created_at               -                           .         .          .        .      .       .         .
rule_set_version         -                           .         .          .        .      .       .         .
domain_name              -                           .         .          .        .      .       .         .
content_hash             -                           .         .          .        .      .       .         .
settings_version         -                           .         .          .        .      .       .         .
gate                     -                           .         .          .        .      .       .         .
failure_reason           -                           .         .          .        .      6       .         .
"""
ROWS: Final = {name: cells for name, *cells in map(str.split, EXPECTED.strip().splitlines()[1:])}
ROLES: Final = (
    Role.REQUESTER,
    Role.APPROVER,
    Role.COMPLIANCE_OFFICER,
    Role.GOVERNANCE_LEAD,
    Role.ADMIN,
    Role.OPERATOR,
    Role.AUDITOR,
)


def expected(name: str, role: Role, state: State | None) -> set[Access]:
    writes = str(int(state or 0)) in ROWS[name][1 + ROLES.index(role)]
    if state is NEW:
        return {Access.READ, Access.WRITE} if writes else set()
    return {Access.READ, Access.WRITE} if writes else {Access.READ}


def written_by(role: Role, state: State | None) -> set[str]:
    return {name for name in ROWS if Access.WRITE in expected(name, role, state)}


def one_of_each(people: People) -> dict[Role, User]:
    return {
        Role.REQUESTER: people.requester,
        Role.APPROVER: people.approver,
        Role.COMPLIANCE_OFFICER: people.compliance_officer,
        Role.GOVERNANCE_LEAD: people.governance_lead,
        Role.ADMIN: make_user(Role.ADMIN, people.tenant),
        Role.OPERATOR: people.operator,
        Role.AUDITOR: people.auditor,
    }


def columns_of(request: EnvironmentRequest) -> dict[str, Any]:
    return dict(EnvironmentRequest.objects.values(*MODEL).get(pk=request.pk))


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name in MODEL if before[name] != after[name]}
