"""Takes what the Copilot Studio intake agent sends: reads it strictly, lists every problem by JSON path, submits it."""

from requests_app.intake.document import TooLargeError, read_bounded, read_file
from requests_app.intake.payload import classify_payload
from requests_app.intake.service import Caller, Received, receive

__all__ = [
    "Caller",
    "Received",
    "TooLargeError",
    "classify_payload",
    "read_bounded",
    "read_file",
    "receive",
]
