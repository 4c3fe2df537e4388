"""What was held as a secret is masked wherever words go."""

from __future__ import annotations

import json
from urllib.parse import quote

from core_app.redaction import mask_line, never_show, without_secrets


def test_a_remembered_secret_is_masked_as_it_is_and_as_it_looks_in_json_and_in_a_url() -> None:
    secret = 'pa/ss "wörd" \\ 0123'
    never_show(secret)

    for form in (secret, json.dumps(secret), quote(secret, safe="")):
        assert "0123" not in without_secrets(f"before {form} after")
    assert without_secrets(f"before {secret} after") == "before *** after"


def test_a_remembered_secret_is_masked_however_deep_it_is_quoted() -> None:
    said = secret = "a'b\"c\\0123456789abcdef0123456789abcdef'"
    never_show(secret)

    for _ in range(5):
        said = repr(json.dumps({"said": said}))
        assert "89abcdef" not in without_secrets(said)


def test_a_key_in_several_lines_is_masked_on_one_line_too() -> None:
    never_show("first-line-of-a-key\nsecond-line-of-a-key\n")

    assert without_secrets("x first-line-of-a-key second-line-of-a-key y") == "x *** y"


def test_a_longer_secret_goes_before_a_shorter_one_that_begins_it() -> None:
    never_show("canary-short")
    never_show("canary-short-and-long")

    assert without_secrets("canary-short-and-long canary-short") == "*** ***"


def test_a_text_too_short_to_be_a_secret_garbles_nothing() -> None:
    never_show("no")

    assert without_secrets("no news") == "no news"


def test_a_line_of_the_log_is_masked() -> None:
    never_show("canary-in-a-line")

    assert mask_line(None, "info", '{"event": "canary-in-a-line"}') == '{"event": "***"}'


def test_what_was_held_longest_ago_is_forgotten_first_and_what_is_held_again_is_new() -> None:
    never_show("canary-held-again")
    never_show("canary-held-once")
    for number in range(4_000):
        never_show(f"canary-{number:06}")
        never_show("canary-held-again")

    assert without_secrets("canary-held-again canary-003999") == "*** ***"
    assert without_secrets("canary-held-once") == "canary-held-once"
