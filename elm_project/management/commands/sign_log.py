"""``manage.py sign_log``: exit code 0 signed, 1 refused, 2 no key."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand

from audit_app.checkpoints import sign_now
from audit_app.keys import KeyUnavailableError, signing_key
from audit_app.notes import fingerprint, public_bytes
from audit_app.witness import SignerRefusedError
from core_app import tenancy


class Command(BaseCommand):
    help = "Sign a checkpoint of every tenant's log now, and print the fingerprint of the key, on the host that has it."

    @tenancy.everywhere("every tenant's log is signed for")
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            for signed in sign_now():
                self.stdout.write(f"{signed.note}")
            self.stdout.write(f"Key fingerprint (SHA-256): {fingerprint(public_bytes(signing_key()))}")
        except KeyUnavailableError as error:
            self.stderr.write(str(error))
            sys.exit(2)
        except (SignerRefusedError, ValueError) as error:
            self.stderr.write(f"Nothing was signed: {error}")
            sys.exit(1)
