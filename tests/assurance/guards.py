"""The guards: what each keeps safe, which tests must go red without it, and how it is taken out."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Final

from provisioning_app.breaker import Permit
from tests.assurance import without
from tests.assurance.guard import Guard
from tests.assurance.guards_hardening import HARDENING
from tests.assurance.without import none, nothing, replaced, yes

GUARDS: Final = (
    Guard(
        "fencing token",
        "A worker whose lease somebody else took over writes nothing.",
        (
            "test_w06_a_worker_that_slept_through_its_lease_writes_nothing",
            "test_t04_at_the_very_end_of_a_lease_there_is_one_winner",
        ),
        replaced("provisioning_app.lease:Lease._write", without.write_under_any_token),
    ),
    Guard(
        "lease",
        "A run that a living worker holds is nobody else's.",
        ("test_t04_at_the_very_end_of_a_lease_there_is_one_winner",),
        replaced("provisioning_app.lease:claim", without.claim_whoever_holds_it),
    ),
    Guard(
        "intent before the call",
        "What an earlier worker began is found out, not begun again.",
        ("test_w03_a_worker_killed_after_it_sent_the_request_is_replaced_by_one_that_adopts",),
        without.intents_are_forgotten,
    ),
    Guard(
        "look before a creation",
        "An environment that exists already is adopted.",
        (
            "test_w04_a_worker_killed_between_response_and_result_is_replaced_by_one_that_adopts",
            "test_r03_a_creation_without_location_is_found_by_domain_and_tag_and_not_repeated",
        ),
        replaced("provisioning_app.steps.environments:find_ours", without.found_never),
    ),
    Guard(
        "probing time",
        "A creation whose outcome is unknown is not repeated before the platform had time to show it.",
        ("test_r01_a_reset_connection_is_probed_and_the_environment_made_once",),
        replaced("provisioning_app.steps.create:_keep_probing", without.never_waits),
    ),
    Guard(
        "tag of the request",
        "Only an environment that carries the request's tag is adopted.",
        ("test_r30_an_environment_that_took_our_domain_name_meanwhile_is_never_adopted",),
        replaced("provisioning_app.steps.environments:find_ours", without.found_by_domain_alone),
    ),
    Guard(
        "read-back",
        "A setting counts when it was read back, not when it was written.",
        ("test_r21_one_setting_of_six_that_did_not_stick_repeats_only_its_step_and_is_named",),
        replaced("provisioning_app.steps.baseline:require_all", nothing),
    ),
    Guard(
        "trusted hosts",
        "No token follows an address to a foreign host.",
        ("test_r04_a_location_on_a_foreign_host_is_never_followed_and_a_retry_adopts_what_was_created",),
        replaced("microsoft_cloud.endpoints:Endpoints.require_trusted", nothing),
    ),
    Guard(
        "body cap",
        "No answer takes more memory than its cap.",
        (
            "test_w10_an_answer_of_fifty_megabytes_fails_its_own_run_only",
            "test_r13_answers_nobody_can_read_are_passing_faults_and_a_bomb_is_cut_off",
        ),
        replaced("microsoft_cloud.http:read_body", without.read_everything),
    ),
    Guard(
        "forms of Retry-After",
        "Every form of Retry-After is understood and clamped.",
        ("test_r11_every_form_of_retry_after_is_honoured_clamped_and_pauses_the_tenant",),
        replaced("microsoft_cloud.faults:retry_after_seconds", without.any_retry_after),
    ),
    Guard(
        "deadline of a call",
        "No call lasts longer than it may in total.",
        ("test_r28_a_body_that_trickles_ends_at_the_deadline_of_the_whole_call",),
        without.no_deadline,
        hangs=True,
    ),
    Guard(
        "circuit breaker",
        "While Microsoft does not answer a tenant, its runs wait and burn no attempt.",
        ("test_r29_ten_minutes_without_name_resolution_open_the_breaker_and_burn_no_attempt",),
        replaced("provisioning_app.breaker:admit", lambda _tenant: Permit()),
    ),
    Guard(
        "halted tenant",
        "A refused credential stops its tenant and alerts once.",
        ("test_r14_a_refused_principal_halts_its_tenant_only_alerts_once_and_burns_no_retries",),
        replaced("provisioning_app.tenants:halt", nothing),
    ),
    Guard(
        "confirmed failure",
        "A failed operation is believed only when the resource confirms it.",
        ("test_r23_a_status_that_flaps_is_final_only_when_the_resource_says_so",),
        without.first_failure_counts,
    ),
    Guard(
        "existence",
        "An environment that a person deleted is not created again.",
        ("test_r24_an_environment_deleted_by_a_person_is_not_created_again",),
        without.vanished_is_unfinished,
    ),
    Guard(
        "slots",
        "No tenant runs more than its limit at once.",
        ("test_c14_the_sixth_request_waits_in_approved_until_a_slot_is_free",),
        replaced("provisioning_app.limits:free_slot", without.first_slot),
    ),
    Guard(
        "starts counted",
        "No tenant starts more per minute than its limit.",
        ("test_c14_at_most_ten_start_within_a_minute",),
        replaced("provisioning_app.limits:may_start", yes),
    ),
    Guard(
        "creations counted",
        "No tenant creates more per day than its limit.",
        ("test_t03_of_five_starts_a_second_before_midnight_utc_two_find_room_and_no_day_has_more_than_fifty",),
        replaced("provisioning_app.limits:may_create", yes),
    ),
    Guard(
        "place in the day",
        "A creation takes its place in the day when it is asked for.",
        ("test_c14_a_creation_that_finds_the_day_used_up_waits_for_the_next",),
        replaced("provisioning_app.limits:reserve_creation", nothing),
    ),
    Guard(
        "pinned plan",
        "A run finishes on the plan it began with.",
        ("test_w12_a_run_in_flight_finishes_on_the_plan_it_began_with",),
        without.the_current_plan,
    ),
    Guard(
        "silent doorbell",
        "A verb succeeds when the broker is down.",
        ("test_a_broker_that_refuses_is_logged_and_forgotten",),
        replaced("core_app.doorbell:ring", without.ring_at_once_and_hard),
    ),
    Guard(
        "order of entries",
        "The log never goes back in time.",
        ("test_t01_an_entry_written_while_the_clock_is_behind_says_so",),
        without.the_clock_alone_dates_the_log,
    ),
    Guard(
        "append-only log",
        "No entry is changed or deleted.",
        (
            "test_raw_statements_are_refused",
            "test_the_orm_below_the_guards_meets_the_triggers",
        ),
        without.no_triggers_of("audit_app"),
    ),
    Guard(
        "state follows log",
        "No state changes without the log entry that names the change.",
        (
            "test_c13_a_raw_update_of_the_state_is_refused",
            "test_an_older_entry_does_not_help",
        ),
        without.no_triggers_of("requests_app"),
    ),
    Guard(
        "segregation of duties",
        "Nobody decides on what they asked for, edited or decided before.",
        (
            "test_one_person_never_decides_both_stages",
            "test_the_requesters_own_approval_is_refused_and_the_refusal_recorded",
        ),
        replaced("gates_app.deciders:refusal", nothing),
    ),
    Guard(
        "what was shown",
        "A decision counts for exactly what was shown.",
        ("test_a_decision_on_a_page_that_shows_something_else_is_refused",),
        without.any_content_hash,
    ),
    Guard(
        "people in the environment",
        "An environment that somebody uses is never deleted.",
        ("test_r32_an_environment_that_a_person_has_entered_is_never_deleted",),
        replaced("provisioning_app.rollback:_signs_of_use", lambda *_facts: ""),
    ),
    Guard(
        "five minutes",
        "Nothing older than five minutes is deleted.",
        ("test_r32_a_decision_that_is_carried_out_too_late_deletes_nothing",),
        replaced("provisioning_app.rollback:is_young", yes),
    ),
    Guard(
        "redaction",
        "No secret appears in a log, an error or a page.",
        ("test_s15_a_secret_is_found_nowhere_after_rotation_and_provisioning_with_errors_that_echo_it",),
        replaced("core_app.redaction:_forms", lambda _secret: ()),
    ),
    Guard(
        "scope of rows",
        "Nobody finds a row that no role of theirs reaches.",
        ("test_addresses_answer_every_role_as_the_table_of_roles_says",),
        replaced("accounts_app.admin.scoped:RoleScoped.scoped", without.every_row),
    ),
    Guard(
        "view permission",
        "Nobody finds a row of a table that their roles do not view.",
        ("test_addresses_answer_every_role_as_the_table_of_roles_says",),
        replaced("core_app.admin.actions:ActingAdmin.visible", without.any_row),
    ),
    Guard(
        "watchdog",
        "A turn that blocks is interrupted before its lease ends.",
        ("test_w13_what_blocks_is_interrupted_before_its_lease_ends_and_what_does_not_is_left_alone",),
        replaced("provisioning_app.watchdog:watched", nullcontext),
    ),
    Guard(
        "signer's memory",
        "What was signed for once is never signed for with less or other entries.",
        (
            "test_what_was_signed_is_remembered_outside_the_database",
            "test_a11_an_older_backup_is_truncated_and_not_signed_for",
        ),
        replaced("audit_app.checkpoints:_advance", without.sign_whatever_is_there),
    ),
    Guard(
        "leaves",
        "An entry that is signed for is what it was.",
        (
            "test_a02_an_entry_that_was_hashed_anew_is_modified",
            "test_a06_a_request_deleted_with_its_log_is_deleted",
        ),
        replaced("audit_app.verify.trees:TreeWalk._report_suspects", nothing),
    ),
    Guard(
        "signed roots",
        "Entries and leaves that were rewritten together do not have the signed root.",
        (
            "test_a03_a_chain_rewritten_to_its_tail_does_not_have_the_signed_root",
            "test_a12_a_log_rebuilt_and_signed_with_the_stolen_key_is_a_split_view",
        ),
        replaced("audit_app.verify.trees:TreeWalk._compare_roots", nothing),
    ),
    Guard(
        "list of the container",
        "Which anchors there are is asked of the store, not of the database.",
        (
            "test_a12_a_container_says_itself_which_anchors_it_has_and_so_that_another_history_was_signed",
            "test_a05_a_container_says_itself_that_more_was_signed_for",
        ),
        replaced("audit_app.anchors:BlobContainer.names", none),
    ),
    Guard(
        "trusted keys",
        "A key that only the database knows signs nothing.",
        ("test_a_host_without_memory_goes_on_only_from_what_its_own_key_signed",),
        replaced("audit_app.keys:is_trusted", yes),
    ),
    Guard(
        "signature under a package",
        "A package with a manifest that was made to fit is not verified.",
        ("test_a16_an_edited_log_is_named",),
        replaced("evidence_app.verifier.elm_verify:is_signed", yes),
    ),
    *HARDENING,
)
