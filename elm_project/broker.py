"""The embedded broker: kombu's filesystem transport, with messages that appear complete.

kombu opens a message under its final name and writes it afterwards. A worker that looks in between takes an empty file,
cannot read it and ends. Here the message is written beside and renamed, which is atomic.
"""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """A channel whose readers see all of a message or nothing."""

    # The two base classes of kombu's channel disagree about the name of the message's parameter
    def _put(self, queue: str, payload: dict[str, Any], **_options: Any) -> None:  # type: ignore[override]
        name, folder = uuid.uuid4(), Path(self.data_folder_out)
        draft = folder / f".{name}"  # no queue ends like this, so nobody takes it
        draft.write_text(dumps(payload))
        draft.rename(folder / f"{time.time_ns()}_{name}.{queue}.msg")


class Transport(filesystem.Transport):
    """The transport behind ``filesystem://``."""

    Channel = Channel
