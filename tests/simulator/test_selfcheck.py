"""The selfcheck: Microsoft's SDKs against a simulator of its own, a line for each check."""

import importlib.metadata

import pytest

from simulator import __main__, selfcheck


def test_microsofts_own_sdks_find_nothing_to_complain_about(capfd):
    code = __main__.main(["--selfcheck"])
    printed = capfd.readouterr()
    lines = printed.out.splitlines()
    assert (code, printed.err) == (0, ""), printed.out
    assert [line.split()[0] for line in lines[:-1]] == ["OK"] * len(selfcheck.CHECKS)
    assert lines[-1] == f"{len(selfcheck.CHECKS)} of {len(selfcheck.CHECKS)} checks OK"
    for sdk in ("azure-identity:", "azure-keyvault-secrets:", "azure-storage-blob:"):
        assert sum(sdk in line for line in lines) >= 2


def test_a_check_that_fails_says_why_and_the_others_go_on(capsys, monkeypatch):
    def refused(desk):
        """azure-identity: a wrong secret buys a token"""
        with selfcheck._refused(ValueError, "words"):
            pass

    def surprised(desk):
        """azure-identity: something nobody thought of"""
        raise KeyError("access_token")

    monkeypatch.setattr(selfcheck, "CHECKS", (refused, surprised, selfcheck.a_secret_buys_tokens))
    assert selfcheck.run() == 1
    assert capsys.readouterr().out.splitlines() == [
        "FAILED  azure-identity: a wrong secret buys a token (CheckFailedError: it was not refused with words)",
        "FAILED  azure-identity: something nobody thought of (KeyError: 'access_token')",
        "OK      azure-identity: a secret buys one token per audience and keeps it",
        "1 of 3 checks OK",
    ]


def test_without_the_sdks_it_says_what_to_install(capsys, monkeypatch):
    def absent(name):
        if name != "azure-identity":
            raise importlib.metadata.PackageNotFoundError(name)
        return True

    monkeypatch.setattr(__main__, "distribution", absent)
    assert __main__.main(["--selfcheck"]) == 2
    expected = (
        "simulator: --selfcheck needs azure-keyvault-secrets and azure-storage-blob; `make install` installs them\n"
    )
    assert capsys.readouterr().err == expected


def test_a_refusal_must_say_the_right_words():
    with pytest.raises(selfcheck.CheckFailedError, match="not with AADSTS1"), selfcheck._refused(ValueError, "AADSTS1"):
        raise ValueError("AADSTS2")
