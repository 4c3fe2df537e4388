"""The guards against hostile input, unsafe installations and looking where one may not; see ``guards``."""

from __future__ import annotations

import re
from typing import Final

from django.db.models import Q

from tests.assurance import without
from tests.assurance.guard import Guard
from tests.assurance.without import no, nothing, replaced, yes

HARDENING: Final = (
    Guard(
        "closed list of fields",
        "A requester sets the fields of the table and no other.",
        ("test_the_verbs_of_a_draft_refuse_every_other_field_by_name",),
        replaced("requests_app.services.drafts:REQUESTED", without.Everything()),
    ),
    Guard(
        "start-up checks",
        "Production does not start while something is unsafe.",
        (
            "test_o2_worker_and_beat_ask_before_they_take_up_work",
            "test_what_the_database_cannot_be_asked_is_not_taken_for_safe",
        ),
        replaced("elm_project.startup:problems", lambda: iter(())),
    ),
    Guard(
        "one line a record",
        "What somebody writes into the log stream stays data of one record.",
        (
            "test_s3_forged_lines_stay_data_of_one_record_and_a_correlation_id_has_to_look_like_one",
            "test_a_line_is_ascii_without_control_characters",
        ),
        without.lines_as_they_come,
    ),
    Guard(
        "form of a correlation id",
        "A correlation id from outside looks like one.",
        (
            "test_what_is_no_correlation_id_is_not_taken_over",
            "test_a_task_carries_on_the_correlation_id_of_who_rang_for_it",
        ),
        replaced("elm_project.correlation:given", lambda text: text),
    ),
    Guard(
        "names of secrets",
        "What a line of the log calls a secret is masked.",
        ("test_what_a_line_calls_a_secret_is_masked",),
        replaced("core_app.redaction:_SECRET_NAMES", re.compile("(?!)")),
    ),
    Guard(
        "limits of a request",
        "Too much is refused before a screen reads it.",
        ("test_too_much_is_refused_with_413_and_nothing_is_stored",),
        without.no_limits_of_a_request,
    ),
    Guard(
        "content security policy",
        "No inline script runs.",
        (
            "test_the_main_screens_violate_nothing_and_an_inline_script_does_not_run",
            "test_every_answer_carries_the_security_headers",
        ),
        without.no_content_policy,
    ),
    Guard(
        "formulas",
        "No text becomes a formula in a CSV file.",
        (
            "test_s1_what_a_spreadsheet_could_run_is_shown",
            "test_s1_an_export_renders_formulas_as_text_and_leaves_the_record_as_it_is",
        ),
        replaced("evidence_app.spreadsheet:could_be_a_formula", no),
    ),
    Guard(
        "patience",
        "Nobody exports over and over.",
        ("test_s14_a_flood_of_exports_is_refused_in_words_and_logged",),
        replaced("evidence_app.services:require_patience", nothing),
    ),
    Guard(
        "patience with lists",
        "Nobody exports lists over and over.",
        ("test_nobody_exports_over_and_over",),
        replaced("exports_app.services:require_patience", nothing),
    ),
    Guard(
        "audited rows",
        "An auditor exports what they audit, not what they see by another role.",
        ("test_only_auditors_export_and_only_what_they_audit",),
        replaced("exports_app.services:audited", lambda user, table, tenant: Q(tenant=tenant.pk)),
    ),
    Guard(
        "sink",
        "A system that is to send nothing sends nothing.",
        ("test_a_system_that_sends_nothing_keeps_its_messages_readable",),
        replaced("notifications_app.delivery:sends", yes),
    ),
    Guard(
        "hosts of a Teams workflow",
        "A card goes to listed hosts and nowhere else.",
        ("test_a_card_goes_to_listed_hosts_over_tls_and_nowhere_else",),
        replaced("notifications_app.channels.teams:_is_listed", yes),
    ),
    Guard(
        "what must be known",
        "Nobody switches off what they have to know.",
        ("test_nobody_switches_off_what_they_have_to_know",),
        replaced("notifications_app.choices:_why", nothing),
    ),
    Guard(
        "form of a group id",
        "A group id is a GUID.",
        ("test_s10_a_group_id_is_a_uuid_and_nothing_else",),
        replaced("requests_app.services.drafts:is_guid", yes),
    ),
    Guard(
        "closed list of lookups",
        "A list cannot be used to probe fields that it does not show.",
        ("test_s7_a_list_cannot_be_used_to_probe_fields",),
        replaced("core_app.admin.bases:GovernedAdmin.lookup_allowed", yes),
    ),
    Guard(
        "rows of a screen",
        "Nobody reaches a row of another tenant.",
        (
            "test_s6_no_address_of_another_tenants_row_says_that_it_exists",
            "test_s8_no_list_filter_or_counter_shows_what_another_tenant_has",
        ),
        replaced("core_app.admin.bases:GovernedAdmin.get_queryset", without.unscoped_rows),
    ),
)
