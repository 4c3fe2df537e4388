"""Processes of a test's own that need no start: copies of this one, working on the database that it is connected to."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable
from multiprocessing.context import ForkProcess
from typing import Any

from django.db import connection, connections

FORK = multiprocessing.get_context("fork")


def forked(act: Callable[..., Any], *arguments: Any) -> ForkProcess:
    """Let a copy of this process act; it shares no connection to the database and ends without a test's clean-up."""
    connection.close()
    process = FORK.Process(target=_act_on, args=(connections["default"], act, *arguments), daemon=True)
    with warnings.catch_warnings():
        # Python 3.12 warns of forking with threads; those of the test runner hold no lock that is needed here
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    return process


def _act_on(database: Any, act: Callable[..., Any], *arguments: Any) -> None:
    """Act on the parent's database. Where an event loop runs (Playwright's), a copy would find another connection."""
    connections["default"] = database
    act(*arguments)
