"""What our workers do beyond Celery's; with real processes in ``tests/faults``."""

from __future__ import annotations

from typing import Any

from celery import Celery

from elm_project.worker import Task


def test_a_task_has_its_arguments_and_its_request() -> None:
    app = Celery("a test's", task_cls=Task, set_as_current=False)

    @app.task(bind=True)
    def told(task: Any, one: int, *, two: int) -> tuple[int, int, str]:
        return one, two, task.request.id

    assert told.apply((1,), {"two": 2}, task_id="its own").get() == (1, 2, "its own")
