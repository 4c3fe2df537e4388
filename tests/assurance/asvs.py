"""The items of OWASP ASVS 5.0 that bind here: which tests hold each, what is left to the installation."""

# ruff: noqa: E501 - a row of the table is a line

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Item | level | what it asks for | tests that hold it | what is left out, and why
_TABLE: Final = """
1.2.10 | 3 | no formula in a CSV file | test_s1_what_a_spreadsheet_could_run_is_shown test_s1_an_export_renders_formulas_as_text_and_leaves_the_record_as_it_is test_no_other_module_writes_csv |
1.3.6 | 2 | no request to an address from outside | test_s9_no_address_of_this_network_or_of_another_scheme_is_ever_fetched test_r04_no_token_is_even_fetched_for_an_untrusted_url |
2.2.3 | 2 | fields that belong together agree | test_c17_zones_2_and_3_need_a_rationale_that_is_more_than_white_space test_zones_2_and_3_need_a_security_group |
2.3.1 | 1 | no step is skipped | test_c13_a_raw_update_of_the_state_is_refused test_an_entry_that_names_another_change_does_not_help test_only_a_submitted_request_is_routed |
2.3.2 | 2 | documented limits are kept | test_c14_at_most_ten_start_within_a_minute test_c14_the_sixth_request_waits_in_approved_until_a_slot_is_free test_c14_a_creation_that_finds_the_day_used_up_waits_for_the_next |
2.3.3 | 2 | a transaction is whole or undone | test_outside_a_transaction_nothing_is_recorded test_d13_an_append_that_waits_for_a_strangers_lock_fails_and_the_transition_with_it |
2.3.4 | 2 | nothing limited is given twice | test_c14_the_sixth_request_waits_in_approved_until_a_slot_is_free test_of_two_requests_for_one_name_that_are_submitted_at_once_the_second_is_told_to_choose_another |
2.3.5 | 3 | several people approve what matters | test_two_people_approve_a_request_of_zone_3 test_one_person_never_decides_both_stages test_the_proposer_and_their_second_account_do_not_confirm |
2.4.1 | 2 | costly functions cannot be called in a flood | test_s14_a_caller_is_slowed_down test_s14_a_flood_of_exports_is_refused_in_words_and_logged |
7.3.1 | 2 | a session ends when nobody uses it | test_an_idle_session_ends_and_leads_back_to_where_one_was |
7.3.2 | 2 | a session ends after a time in any case | test_a_session_ends_after_its_longest_time_however_busy |
7.4.2 | 1 | disabling an account ends its sessions | test_s13_a_disabled_persons_session_is_refused |
7.4.5 | 2 | an administrator ends sessions | test_an_administrator_ends_every_session_of_a_person |
7.5.3 | 3 | signing in again before a Zone 3 decision or an export | test_the_verb_itself_refuses_whoever_calls_it test_a_stale_session_of_microsoft_is_led_there_and_back_with_the_comment |
8.1.2 | 2 | rules for fields are documented, by role and state | test_the_page_in_the_documentation_is_up_to_date test_every_cell_of_the_matrix_is_as_specified |
8.2.2 | 1 | no record of others by its key | test_s6_no_address_of_another_tenants_row_says_that_it_exists test_addresses_answer_every_role_as_the_table_of_roles_says |
8.2.3 | 2 | rules for fields are kept | test_posting_every_field_changes_only_what_the_role_may_write_in_that_state test_each_verb_changes_the_fields_that_its_role_writes_and_those_that_follow |
8.3.2 | 3 | a change of rights holds at once | test_s13_a_session_reaches_no_more_than_the_person_may_at_the_next_click test_c06_a_revoked_role_stops_counting_with_the_next_click |
8.4.1 | 2 | tenants cannot reach each other | test_s8_no_list_filter_or_counter_shows_what_another_tenant_has test_d17_whose_rows_a_transaction_shows_is_not_seen_by_the_next_client test_of_each_table_a_tenant_sees_its_own_rows_and_no_other_s test_a_row_of_another_tenant_is_neither_written_nor_changed_nor_deleted |
8.4.2 | 3 | administration has more than one layer | test_a_superuser_decides_nothing_without_the_role test_in_production_the_application_may_not_connect_with_power_over_the_log | Device posture and location are checked by Entra's Conditional Access before anybody reaches the application.
13.1.2 | 3 | limits of connections are documented, and what happens at them | test_d12_no_run_is_taken_from_its_worker_while_fifty_tasks_share_five_connections |
13.2.2 | 2 | service accounts hold as little as they need | test_o1_the_owner_of_the_log_is_refused_and_a_role_that_owns_nothing_starts test_a_permission_on_graph_that_an_identity_does_not_need_is_found test_a_database_role_that_may_write_into_the_log_is_found_also_by_who_is_not_told_of_it |
13.2.4 | 2 | only listed hosts are called | test_r04_every_other_url_is_refused test_r04_a_location_on_a_foreign_host_is_refused_and_the_change_counts_as_executed |
13.2.6 | 3 | every connection has its limits and time-outs | test_a_session_that_would_wait_for_ever_is_named test_r28_a_body_that_trickles_ends_at_the_deadline_of_the_whole_call |
13.3.1 | 2 | secrets live in a vault | test_r16_a_vault_that_is_silent_is_waited_for_and_one_that_refuses_halts_with_no_other_secret test_s15_a_secret_is_found_nowhere_after_rotation_and_provisioning_with_errors_that_echo_it | Level 3 wants a hardware module: choose Key Vault Premium or Managed HSM; nothing changes here.
13.3.4 | 3 | secrets are rotated | test_a_secret_is_added_stored_proved_and_only_then_the_old_one_is_revoked_and_all_is_logged test_a_due_rotation_is_rung_for_and_not_performed_by_the_tick |
15.1.2 | 2 | a bill of materials | test_the_bill_of_materials_lists_what_is_locked test_o6_a_vulnerable_or_withdrawn_dependency_fails_the_check |
15.2.4 | 3 | no package under a name of ours from elsewhere | test_every_locked_package_has_a_hash_and_no_index_is_named |
15.3.2 | 2 | no redirect is followed to elsewhere | test_r04_a_redirect_is_not_followed test_s16_signing_in_leads_to_no_foreign_page |
15.3.3 | 2 | only listed fields are taken | test_posting_every_field_changes_only_what_the_role_may_write_in_that_state test_an_intake_payload_with_every_field_sets_only_what_a_requester_writes test_s5_ten_megabytes_are_refused_and_unknown_fields_set_nothing |
15.4.2 | 3 | asking and acting are one | test_c01_of_eight_approvals_of_one_request_one_decides_and_seven_are_told_why_not test_approving_and_withdrawing_at_once_leaves_one_of_them |
15.4.4 | 3 | nobody's load starves others | test_tenants_do_not_share_a_breaker test_c14_at_most_ten_start_within_a_minute | Shares of the workers' time between tenants follow from the limits per tenant; they are measured, not asserted.
16.2.2 | 2 | times are in UTC | test_every_line_has_the_schema_whoever_logs test_a_moment_is_kept_to_the_microsecond |
16.3.2 | 2 | refusals are logged; at level 3 decisions and sensitive reads too | test_a_refusal_is_in_the_log test_the_requesters_own_approval_is_refused_and_the_refusal_recorded test_s18_an_auditor_writes_nothing_and_each_attempt_is_in_the_log_stream | Level 3 is met for decisions and exports. Reading a page is not logged: the proxy's access log with X-Request-ID says who read what.
16.4.1 | 2 | nobody forges a line of the log | test_s3_forged_lines_stay_data_of_one_record_and_a_correlation_id_has_to_look_like_one test_a_line_is_ascii_without_control_characters |
16.4.2 | 2 | nobody changes the log | test_raw_statements_are_refused test_truncate_is_refused test_a_changed_column_is_modified |
16.4.3 | 2 | logs are kept on another system | test_o2_every_unsafe_default_is_named | Shipping standard error is the process manager's; production does not start without the stream.
16.5.2 | 2 | what depends on others survives their outage | test_no_connection_at_all_opens_at_once test_an_outage_longer_than_a_steps_deadline_burns_no_attempt_and_the_run_completes |
16.5.3 | 2 | an error never opens a door | test_what_the_database_cannot_be_asked_is_not_taken_for_safe test_a_broken_table_of_tokens_lets_nobody_in test_o2_worker_and_beat_ask_before_they_take_up_work |
"""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One item.

    Attributes:
        number: As in ASVS 5.0.
        level: 1, 2 or 3.
        says: What it asks for, in our words.
        tests: Names of test functions that hold it.
        omitted: What of it is not ours to do, or is done otherwise, and why.
    """

    number: str
    level: int
    says: str
    tests: tuple[str, ...] = ()
    omitted: str = ""


def _read(line: str) -> Requirement:
    number, level, says, tests, omitted = (part.strip() for part in line.split("|"))
    return Requirement(number, int(level), says, tuple(tests.split()), omitted)


REQUIREMENTS: Final = tuple(map(_read, _TABLE.strip().splitlines()))
NAMED: Final = tuple(dict.fromkeys(test for requirement in REQUIREMENTS for test in requirement.tests))
