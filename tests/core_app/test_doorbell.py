"""A doorbell never fails the verb."""

from __future__ import annotations

import pytest
from celery import current_app
from django.db import transaction

from core_app.doorbell import ring


@pytest.mark.django_db(transaction=True)
def test_it_rings_after_commit_only(monkeypatch):
    rung = []
    monkeypatch.setattr(
        current_app._get_current_object(), "send_task", lambda name, **kwargs: rung.append((name, kwargs["args"]))
    )

    with transaction.atomic():
        ring("some.task", "id")
        assert rung == []
    assert rung == [("some.task", ("id",))]

    with transaction.atomic():
        ring("some.task", "other")
        transaction.set_rollback(True)
    assert len(rung) == 1


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_refuses_is_logged_and_forgotten(monkeypatch, caplog):
    def refuse(name, **kwargs):
        raise ConnectionError("nobody listens")

    monkeypatch.setattr(current_app._get_current_object(), "send_task", refuse)

    with transaction.atomic():
        ring("some.task", "id")

    assert "doorbell_not_heard" in caplog.text
