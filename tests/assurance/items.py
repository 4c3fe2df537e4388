"""The fault list: what may go wrong, and what has to come of it. A test names its item: ``test_w06_…``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

GROUPS: Final = {
    "W": "Workers and processes",
    "Q": "Broker",
    "D": "Database and storage",
    "R": "Microsoft's services",
    "T": "Time",
    "A": "Tampering",
    "O": "Operations",
}

_LIST: Final = """
W1 | killed before the intent is committed | claimed again when the lease ends; one creation
W2 | killed between intent and call | the probe finds nothing; one creation
W3 | killed after the request was sent | the probe finds the environment by domain name and tag and adopts it
W4 | killed between response and result | as W3
W5 | killed after the result | the next tick goes on
W6 | stopped for two leases while another worker finishes | its late write changes nothing
W7 | SIGTERM with many runs in flight | drained within 30 s, none failed, no step repeated
W8 | two workers and two clocks | nothing claimed twice, the limits hold
W9 | no worker for six hours | oldest first, within the limits
W10 | an answer of 50 MB | read up to the cap; only that run fails
W11 | an exception nobody foresaw | the run fails in plain words, the worker lives
W12 | a deployment changes the plan while runs are in flight | they keep the plan they began with, or are parked
W13 | a call that blocks longer than the lease | a watchdog ends it; the lease is not lost silently
W14 | fork after the connections were opened | no socket is shared
Q1 | FLUSHALL while runs are in flight | only latency, up to the sweep
Q2 | Redis down while people approve | approvals succeed; creations follow later
Q3 | every message delivered five times | single effects
Q4 | a message of a transaction that rolled back | nothing happens
Q5 | a message before its commit can be seen | nothing happens; the sweep finds it later
Q6 | an unknown task or old arguments | dead letter and alert; no crash loop
Q7 | Redis may evict keys | the start-up check fails loudly
Q8 | a worker that lives but consumes nothing | the probe on the database turns red within 60 s; runs go on elsewhere
Q9 | a pickle or YAML message | rejected
Q10 | an ETA a year ahead | nothing depends on it
D1 | PostgreSQL stopped at once in the middle of transactions | every transition whole or not at all; the log verifies
D2 | every connection terminated | reconnected; only idempotent transactions repeated
D3 | the acknowledgement of a commit lost | found out on repetition; nothing logged twice
D4 | deadlock or serialization failure | repeated a few times, with jitter
D5 | disk full on the database's volume | writes refused, people told so; no state without its log entry; recovers
D6 | disk full on the export's volume | the export fails; nothing partial stays
D12 | connections exhausted | no run is taken from a worker that still works on it
D13 | a session holds the lock of a chain's head | the append fails and the transition with it
D14 | migration on a long log | nobody is locked out for more than two seconds
D15 | identifiers beyond 2^31 | 64 bits everywhere
D16 | request number past 99,999 | REQ-100000; order and uniqueness hold
D17 | PgBouncer in transaction mode | works with the documented settings
R1 | creation: connection reset before or after sending | probed; no second environment
R2 | 200 instead of 202 | counts only when an environment with our tag can be read
R3 | 202 without Location | found by domain name and tag; not repeated
R4 | Location on a foreign host | never followed; failed
R5 | an empty id answers the list | an error
R6 | succeeded, but not readable for ten minutes | verified until the deadline
R7 | 409 busy right after the creation | waited for and verified; never taken for success
R8 | 409 because it is already so | verified, then done
R9 | 409 with an empty body | read again
R10 | the domain name is taken | by others: the next name; by ourselves: adopted
R11 | 429 with every form of Retry-After | honoured, clamped; the tenant pauses
R12 | 5xx on a change | read before it is repeated
R13 | HTML, truncated JSON, wrong charset, gzip bomb, deep nesting | sorted error, bounded memory
R14 | 401 once; 401 or 403 for good | a fresh token; or the tenant halted with one alert
R15 | secret rotated in the middle of a run | the new version is picked up
R16 | Key Vault refuses or hangs | fails closed; no other secret
R17 | security group missing, created later | said and retried; not Completed without it
R18 | a group of others, a user, a distribution list | refused before approval
R19 | group deleted between approval and binding | stopped
R20 | the environment group refuses three times | by zone: an open gap, or not Completed
R21 | one setting of six fails | only its step repeats; evidence names it
R22 | the creation takes 61 minutes | failed as unknown; proposed, adopted by a retry
R23 | the operation's status flaps | final only when the resource says so
R24 | a person deletes the environment meanwhile | failed; not created again
R25 | a person renames it | followed by its id
R26 | no capacity | no repetition; says what to do
R27 | certificate changed or expired | fails closed; logged
R28 | an answer of one byte in ten seconds | the whole call has a deadline
R29 | no name resolution for ten minutes | the breaker opens; no attempt burns
R30 | an environment of the same name made by hand | never adopted without our tag
R31 | the deletion is denied | RollbackFailed; a person's list
R32 | a person uses the environment already | never deleted
R33 | two requests for one name | the second refused; domain names never meet
R34 | the blob exists; the policy is unlocked; storage's clock is behind | refused, unless the bytes are the same
T1 | the clock jumps | nothing fires twice; the log never goes back
T2 | hosts five minutes apart | operators are warned
T3 | five starts around midnight UTC | at most 50 on each day
T4 | a lease ends exactly at the finish | one winner
T5 | the year 2038; times without a zone | stored in UTC or refused
T6 | a deadline passes while no worker is there | one timeout
A1 | one column changed | MODIFIED, or MOVED where it says whose the entry is
A2 | an entry changed and hashed anew | MODIFIED
A3 | rewritten up to the end of the chain | MODIFIED: the root is not the signed one
A4 | a middle entry deleted | DELETED
A5 | the last entries deleted | TRUNCATED; only what nobody has signed for may escape, and its age is printed
A6 | a request deleted with its log | DELETED
A7 | a forged entry put in the middle | INSERTED
A8 | two entries exchanged | MODIFIED or REORDERED
A9 | an entry moved to another request or tenant | MOVED
A10 | a back-dated entry appended | BACKDATED
A11 | an older backup put in the place of the database | TRUNCATED; the signer refuses
A12 | everything rebuilt and signed with a stolen key | SPLIT_VIEW
A13 | the stored leaves edited | MODIFIED; the entries are as they were signed
A14 | a stored checkpoint edited | MODIFIED
A15 | triggers switched off, an edit, triggers on again | as A1
A16 | an export edited | named by the offline verifier, class per edit
A17 | an anchor gone, overwritten or exchanged | UNANCHORED_TAIL, MODIFIED or SPLIT_VIEW
A18 | the key in a bundle replaced | KEY_UNKNOWN
A19 | the same letters in another Unicode form | MODIFIED
A20 | the same JSON in other bytes | MODIFIED
A21 | nothing signed for a quarter of an hour | HEARTBEAT_GAP and an alarm
A23 | a restore that somebody accepted | INCARNATION_CHANGE, for information
A24 | no attack, eight writers | nothing is found
O7 | restore drill | the verification passes; recovery point and time are recorded
"""

ITEM_IN_NAME: Final = re.compile(r"test_([wqrtda])0*(\d+)_|test_(o)0*(7)_")


@dataclass(frozen=True, slots=True)
class Item:
    """One fault.

    Attributes:
        code: Letter and number, "W6".
        fault: What goes wrong.
        expected: What has to come of it.
    """

    code: str
    fault: str
    expected: str


ITEMS: Final = tuple(Item(*(part.strip() for part in line.split("|"))) for line in _LIST.strip().splitlines())


def item_of(test: str) -> str | None:
    """Return the code of the item that a test names, or None."""
    found = ITEM_IN_NAME.search(test)
    if found is None:
        return None
    letter, number = (part for part in found.groups() if part)
    return f"{letter.upper()}{number}"
