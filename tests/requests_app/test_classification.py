"""Every combination of answers against an oracle that was written from the specification, not from the code."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import product

import pytest

from requests_app.choices import DataSensitivity, EnvironmentType, ExpectedUsers, Zone
from requests_app.policies.classification import FLAGS, RULE_SET_VERSION, Answers, classify

ALL = [
    Answers(*combination)
    for combination in product(
        (False, True), (False, True), (False, True), DataSensitivity, EnvironmentType, ExpectedUsers
    )
]
ORDER = (
    "RESTRICTED_DATA",
    "CUSTOMER_PII",
    "FINANCIAL_TRANSACTIONS",
    "EXTERNAL_ACCESS",
    "CONFIDENTIAL_DATA",
    "PRODUCTION_WORKLOAD",
    "TEAM_WORKLOAD",
)
ZONE_3_FLAGS = set(ORDER[:4])
# From harmless to risky; Developer and Sandbox are alike.
LADDERS = {
    "has_customer_data": (False, True),
    "has_financial_data": (False, True),
    "has_external_access": (False, True),
    "data_sensitivity": tuple(DataSensitivity),
    "environment_type": (EnvironmentType.DEVELOPER, EnvironmentType.SANDBOX, EnvironmentType.PRODUCTION),
    "expected_users": tuple(ExpectedUsers),
}
# What each piece of advice means, so that it can be followed.
ADVICE = {
    "process no customer data": {"has_customer_data": False},
    "handle no financial transactions": {"has_financial_data": False},
    "give external parties no access": {"has_external_access": False},
    "use data that is Confidential at most": {"data_sensitivity": DataSensitivity.CONFIDENTIAL},
    "use data that is Internal at most": {"data_sensitivity": DataSensitivity.INTERNAL},
    "ask for a Sandbox instead of Production": {"environment_type": EnvironmentType.SANDBOX},
    "use it alone": {"expected_users": ExpectedUsers.JUST_ME},
}


def oracle(answers: Answers) -> tuple[int, list[str]]:
    """Classify as the specification's table reads."""
    held = (
        answers.data_sensitivity == 4,
        answers.has_customer_data,
        answers.has_financial_data,
        answers.has_external_access,
        answers.data_sensitivity == 3,
        answers.environment_type == 2,
        answers.expected_users != 1,
    )
    flags = [flag for flag, holds in zip(ORDER, held, strict=True) if holds]
    if ZONE_3_FLAGS & set(flags):
        return 3, flags
    return (2 if flags else 1), flags


def test_there_are_384_combinations_and_each_zone_occurs() -> None:
    assert len(ALL) == len(set(ALL)) == 2 * 2 * 2 * 4 * 3 * 4
    assert {classify(answers).zone for answers in ALL} == set(Zone)


def test_every_combination_gets_the_zone_and_the_flags_of_the_specification() -> None:
    for answers in ALL:
        verdict = classify(answers)
        assert (verdict.zone, list(verdict.flags)) == oracle(answers), answers


def test_flags_come_in_the_order_of_the_table_with_one_reason_each() -> None:
    assert FLAGS == ORDER
    reasons = {}
    for answers in ALL:
        verdict = classify(answers)
        assert len(verdict.reasons) == len(verdict.flags) == len(set(verdict.reasons))
        assert all(reason.endswith(".") for reason in verdict.reasons)
        for flag, reason in zip(verdict.flags, verdict.reasons, strict=True):
            assert reasons.setdefault(flag, reason) == reason
    assert set(reasons) == set(ORDER)


def test_more_risk_never_lowers_the_zone_and_never_drops_a_flag_of_another_answer() -> None:
    for answers in ALL:
        verdict = classify(answers)
        for name, ladder in LADDERS.items():
            for value in ladder[ladder.index(getattr(answers, name)) + 1 :]:
                riskier = classify(replace(answers, **{name: value}))
                assert riskier.zone >= verdict.zone, (answers, name, value)
                if name != "data_sensitivity":
                    assert set(riskier.flags) >= set(verdict.flags)


def test_following_the_advice_really_lowers_the_zone() -> None:
    for answers in ALL:
        verdict = classify(answers)
        if verdict.zone == Zone.ZONE_1:
            assert verdict.lower_by == ()
            continue
        assert verdict.lower_by, answers
        changes = {name: value for words in verdict.lower_by for name, value in ADVICE[words].items()}
        assert len(changes) == len(verdict.lower_by)
        assert classify(replace(answers, **changes)).zone < verdict.zone, answers


def test_no_fewer_answers_could_be_changed_to_lower_the_zone() -> None:
    for answers in ALL:
        verdict = classify(answers)
        fewest = min(
            (_distance(answers, other) for other in ALL if oracle(other)[0] < verdict.zone),
            default=0,
        )
        assert len(verdict.lower_by) == fewest, answers


def test_the_gentlest_change_is_advised_where_several_would_do() -> None:
    restricted = Answers(
        False, False, False, DataSensitivity.RESTRICTED, EnvironmentType.SANDBOX, ExpectedUsers.JUST_ME
    )
    assert classify(restricted).lower_by == ("use data that is Confidential at most",)


@pytest.mark.parametrize("answers", [ALL[0], ALL[-1]])
def test_the_verdict_as_json_holds_plain_values_and_the_version_of_the_rules(answers: Answers) -> None:
    verdict = classify(answers)
    assert verdict.as_json() == {
        "zone": int(verdict.zone),
        "flags": list(verdict.flags),
        "reasons": list(verdict.reasons),
        "rule_set_version": RULE_SET_VERSION,
        "lower_by": list(verdict.lower_by),
    }
    assert type(verdict.as_json()["zone"]) is int


def _distance(one: Answers, other: Answers) -> int:
    return sum(getattr(one, field.name) != getattr(other, field.name) for field in fields(Answers))
