"""Durable runs: rows as queue, timer and journal (durable-runner: lease, fencing token, intent before call)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from core_app.history import HistoricalRecords
from core_app.ids import new_id
from provisioning_app.choices import LIVE_STATUSES, RemoteState, RunStatus, StepOutcome


class ProvisioningRun(models.Model):
    """One attempt to provision a request's environment. Its id is the correlation id in the log and at Microsoft."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, related_name="+")
    request = models.ForeignKey("requests_app.EnvironmentRequest", models.PROTECT, related_name="runs")
    attempt = models.PositiveSmallIntegerField(default=1)
    plan_version = models.PositiveSmallIntegerField()
    settings_version = models.PositiveBigIntegerField()
    status = models.PositiveSmallIntegerField(choices=RunStatus.choices, default=RunStatus.QUEUED)

    step = models.CharField(max_length=40, help_text="The step it stands at.")
    step_attempt = models.PositiveSmallIntegerField(default=1)
    step_facts = models.JSONField(
        default=dict, blank=True, help_text="What the current step remembers between wake-ups."
    )
    step_deadline = models.DateTimeField(null=True, blank=True)
    next_at = models.DateTimeField(help_text="When it is due: the row is the timer.")
    waiting_for = models.CharField(max_length=200, blank=True)

    lease_token = models.PositiveBigIntegerField(default=0, help_text="Fencing token; it only grows.")
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_owner = models.CharField(max_length=100, blank=True)

    domain_name = models.CharField(max_length=22)
    generation = models.PositiveSmallIntegerField(
        default=1, help_text="Counts the environments of the request: a deleted one keeps its domain name."
    )
    environment_id = models.CharField("environment ID", max_length=100, blank=True)
    environment_url = models.URLField("environment URL", blank=True)
    remote_state = models.PositiveSmallIntegerField(choices=RemoteState.choices, default=RemoteState.ABSENT)
    operation_url = models.URLField("operation URL", max_length=500, blank=True)

    queued_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True, help_text="When it got its slot.")
    creation_started_at = models.DateTimeField(
        null=True, blank=True, help_text="When it first asked for the environment."
    )
    finished_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    watch_at = models.DateTimeField(
        null=True, blank=True, help_text="When to look again whether the environment appeared after all."
    )
    history = HistoricalRecords(excluded_fields=["lease_token", "lease_until", "lease_owner", "next_at", "watch_at"])
    recorded: ClassVar = ("error", "waiting_for")  # sentences in English, which screens translate

    class Meta:
        ordering = ["-queued_at"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["request"], condition=Q(status__in=LIVE_STATUSES), name="one_live_run_per_request"
            ),
            models.UniqueConstraint(fields=["request", "attempt"], name="attempts_are_numbered"),
            models.CheckConstraint(
                condition=~Q(status=RunStatus.RUNNING) | Q(started_at__isnull=False), name="running_has_started"
            ),
        ]
        indexes = [
            models.Index(fields=["next_at"], condition=Q(status=RunStatus.RUNNING), name="run_by_due_time"),
            models.Index(fields=["tenant", "queued_at"], condition=Q(status=RunStatus.QUEUED), name="run_by_queue"),
            models.Index(fields=["watch_at"], condition=Q(watch_at__isnull=False), name="run_by_watch"),
            models.Index(fields=["tenant", "started_at"], name="run_by_start"),
            models.Index(fields=["tenant", "creation_started_at"], name="run_by_creation"),
        ]

    def __str__(self) -> str:
        return f"{self.request} attempt {self.attempt}"


class Slot(models.Model):
    """A right to run: one of a tenant's few; a row, so that the limit cannot be exceeded."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, related_name="slots")
    number = models.PositiveSmallIntegerField()
    run = models.OneToOneField(ProvisioningRun, models.PROTECT, null=True, blank=True, related_name="slot")

    class Meta:
        ordering = ["tenant", "number"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["tenant", "number"], name="slots_are_numbered")]

    def __str__(self) -> str:
        return f"{self.tenant} slot {self.number}"


class StepRecord(models.Model):
    """One attempt at one step: written as an intent before the call, finished with its result after it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    run = models.ForeignKey(ProvisioningRun, models.PROTECT, related_name="steps")
    step = models.CharField(max_length=40)
    attempt = models.PositiveSmallIntegerField()
    lease_token = models.PositiveBigIntegerField(help_text="Who wrote it.")
    outcome = models.PositiveSmallIntegerField(choices=StepOutcome.choices, default=StepOutcome.INTENDED)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    proof = models.JSONField(default=list, blank=True, help_text="Per setting: before, desired, after, as read back.")
    error = models.TextField(blank=True)
    history = HistoricalRecords(excluded_fields=["lease_token"])
    recorded: ClassVar = ("error",)  # sentences in English, which screens translate

    class Meta:
        ordering = ["run", "began_at", "id"]
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(fields=["run", "step", "attempt"], name="step_attempts_are_numbered")]

    def __str__(self) -> str:
        return f"{self.run}: {self.step.replace('_', ' ')} #{self.attempt}"
