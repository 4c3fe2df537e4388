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
    "C": "Concurrency and business rules",
    "S": "Hostile input and access",
    "A": "Tampering",
    "E": "Evidence",
    "O": "Operations",
}

# ruff: noqa: E501 - a row of the list is a line
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
D7 | failover to a replica that lacks the last second | the signer refuses; verification names the lost range; after a new incarnation runs are looked for again, no second environment
D8 | yesterday's dump restored | the signer refuses the smaller log; nothing is dispatched before somebody accepts the restore
D9 | dump, and restore on a new server | sequencing goes on by index, although transactions are counted anew
D10 | a transaction stays open for half an hour | only its own chain waits; an alarm; nothing is passed over afterwards
D11 | a replica that is behind | every decision and claim is read where it is written
D12 | connections exhausted | no run is taken from a worker that still works on it
D13 | a session holds the lock of a chain's head | the append fails and the transition with it
D14 | migration on a long log | nobody is locked out for more than two seconds
D15 | identifiers beyond 2^31 | 64 bits everywhere
D16 | request number past 99,999 | REQ-100000; order and uniqueness hold
D17 | PgBouncer in transaction mode | works with the documented settings
D18 | one bit of a stored hash, or of a detail, flips | the verification names the row and the class
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
C1 | two approvers decide in the same moment | one wins, the other is told the current state (409); one entry
C2 | double click, or a replayed POST | decided once
C3 | the requester edits after submitting | refused; a decision binds to the content that was shown
C4 | the requester becomes an approver meanwhile | still refused
C5 | a second account of the requester, an editor, a delegate of theirs | refused
C6 | the role is taken away while the page is open | refused with the next click
C7 | the business unit moves while the request waits | seen by whom the unit belongs to now; history kept
C8 | an account is disabled | its sessions end, its open decisions are assigned anew
C9 | retry clicked ten times, by two people | one run
C10 | retry after a timeout while the environment exists | adopted
C11 | withdrawn during provisioning | refused
C12 | a crafted POST that skips a step | 403 and an entry; state unchanged
C13 | the state written in bulk or by SQL | refused by the database without the entry that names it
C14 | the 6th at once, the 11th in a minute, the 51st in a day | waits in Approved with its place
C15 | one tenant with thousands of approved requests | the others do not wait for it
C16 | answers edited to lower the zone | classified again, a rationale needed, logged
C17 | Zone 2 or 3 without rationale or group; rejection without a word | refused by form, verb and database
C18 | deleting a request that has a log | refused, with the reason
S1 | formulas, control characters, joiners, overrides, NUL, half surrogates, 100,000 characters | stored and shown as they are, or refused in words; escaped in CSV, unchanged in the record
S2 | HTML, script and SVG in every text | text on every page, in mail, in CSV and in the log's screens
S3 | a comment, an agent or a correlation id that forges a line of the log | data of one record; an id has to match a strict pattern
S4 | line breaks and quotes where a header is made | refused or neutralised; no error page, no header of theirs
S5 | duplicate keys, 1e999, NaN, deep nesting, 10 MB, wrong types, unknown fields | 400 or 413 with the path; only listed fields are read
S6 | every address, as every role, with a foreign tenant's row | 404 as for a row that nobody has; nothing changes
S7 | lookups and orderings through fields that are not shown | refused or ignored; nothing is given away
S8 | another tenant's rows through lists, filters, counters, caches | nothing of theirs appears
S9 | metadata services, other schemes, redirects, user information, mapped addresses | never fetched; shown as text
S10 | a group id with a path, an OData filter, braces, spaces | a UUID or refused, before anything is asked
S11 | SQL in filters, orderings, paths | 400 or ignored; never an error of ours
S12 | a decision from a foreign page; a change by GET | 403; reading changes nothing
S13 | a session after signing out, after a role or the account was taken away | refused at the next request
S14 | guessed passwords; a flood of exports | slowed down, in words, and logged
S15 | a canary secret in remote errors | found in no log, table or page
S16 | next= to a foreign site | never followed
S17 | a hostile bundle for the verifier: zip bomb, path traversal, links | bounded; nothing outside its folder; exit code 2
S18 | an auditor writes; an approver writes beyond a decision; a requester reads others' comments | refused, and in the log stream
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
A14 | a stored checkpoint edited or deleted | MODIFIED, DELETED
A15 | triggers switched off, an edit, triggers on again | as A1
A16 | an export edited | named by the offline verifier, class per edit
A17 | an anchor gone, overwritten or exchanged | UNANCHORED_TAIL, MODIFIED or SPLIT_VIEW
A18 | the key in a bundle replaced | KEY_UNKNOWN
A19 | a name in another Unicode form, or with letters that look the same | MODIFIED
A20 | the same JSON in other bytes | MODIFIED
A21 | nothing signed for a quarter of an hour | HEARTBEAT_GAP and an alarm
A23 | a restore that somebody accepted | INCARNATION_CHANGE, for information
A24 | no attack, eight writers | nothing is found
E1 | an export while much is written | one moment; the counts are the manifest's
E2 | the client goes away at half of the download | the archive is gone from the disk, the export is in the log
E3 | an export of nothing | a valid empty package, which the offline verifier verifies
E4 | the same export twice at the same checkpoint | the same bytes
E5 | OSCAL of 10,000 requests | valid, with the same ids each time
E6 | a download's address used later, or by somebody else | nothing is there to be had
E7 | a purge while a legal hold stands; a purge of one row | the database refuses both; this release purges nothing, so that there are no expired partitions and no tombstones
O1 | a superuser or the owner of the log as database role | production does not start
O2 | DEBUG, default keys and every unsafe default | production does not start
O3 | a missing migration | not ready
O4 | signing key missing, rotated, wrong | the log goes on, signing alarms; a rotation is logged by both keys
O5 | no time-stamp authority for a day | checkpoints are signed all the same and wait for their stamps, marked as pending
O6 | a vulnerable or withdrawn dependency | the check fails
O7 | restore drill | the verification passes; recovery point and time are recorded
"""

ITEM_IN_NAME: Final = re.compile(r"test_([wqrtdcsoae])0*(\d+)_")


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
    letter, number = found.groups()
    return f"{letter.upper()}{number}"
