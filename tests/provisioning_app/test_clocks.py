"""T2 against the database's clock: hosts that share a database compare themselves with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core_app import clock
from provisioning_app import clocks
from provisioning_app.choices import FindingKind
from provisioning_app.models import ReconciliationFinding


def open_findings(people):
    return ReconciliationFinding.objects.filter(
        tenant=people.tenant, kind=FindingKind.CLOCKS_DIFFER, resolved_at__isnull=True
    )


@pytest.mark.postgres
@pytest.mark.parametrize(("minutes", "word"), [(5, "ahead"), (-5, "behind")])
def test_t02_a_host_whose_clock_is_not_the_databases_is_a_finding_until_it_is(people, minutes, word):
    with clock.using(lambda: datetime.now(UTC) + timedelta(minutes=minutes)):
        clocks.compare_clocks("host-1")
    finding = open_findings(people).get()
    assert finding.subject == "host-1 and the database"
    assert f"300 s apart; the host's is {word}" in finding.detail

    clocks.compare_clocks("host-1")
    assert not open_findings(people).exists()


@pytest.mark.sqlite
def test_a_database_in_a_file_has_no_clock_of_its_own(people):
    with clock.using(lambda: datetime.now(UTC) + timedelta(minutes=5)):
        clocks.compare_clocks()
    assert not open_findings(people).exists()


def test_a_clock_that_answers_too_slowly_says_nothing(people, clock):
    def slow():
        now = clock.at
        clock.advance(seconds=30)
        return now - timedelta(hours=1)

    assert clocks._ahead_of(slow) is None
