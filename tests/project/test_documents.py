"""What the documents say exists: files, anchors, pictures, commands, targets, controls, tests."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command, get_commands, load_command_class
from django.core.management.base import CommandParser

from audit_app.actions import Action
from elm_project.env import BASE_DIR
from elm_project.help import anchor_of
from evidence_app.oscal import CHECKS
from evidence_app.oscal.mapping import CONTROLS, nist_of
from evidence_app.questions import QUESTIONS
from simulator import __main__ as simulator

DOCS = BASE_DIR / "docs"
DOCUMENTS = sorted([*BASE_DIR.glob("*.md"), *DOCS.rglob("*.md")])
_LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")
_PICTURE = re.compile(r"!\[[^\]]+\]\(([^)\s]+\.png)\)")
_FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_CONSOLE = re.compile(r"^( *)```console\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_MANAGE = re.compile(r"(?:manage\.py|^manage|\| ?manage) (.+)")


def prose(document: Path) -> str:
    return _FENCE.sub("", document.read_text())


def headings(document: Path) -> set[str]:
    return {anchor_of(words) for words in re.findall(r"^#{1,6} (.+)$", prose(document), re.MULTILINE)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.relative_to(BASE_DIR).as_posix())
def test_every_link_leads_somewhere(document: Path) -> None:
    dead = []
    for target in _LINK.findall(prose(document)):
        path, _, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        file = (document.parent / path).resolve() if path else document
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in headings(file)):
            dead.append(target)
    assert dead == []


def test_every_picture_is_shown_and_every_one_that_is_shown_is_taken() -> None:
    shown = {
        (document.parent / target).resolve() for document in DOCUMENTS for target in _PICTURE.findall(prose(document))
    }
    assert shown == set((DOCS / "images").iterdir())
    taken = re.findall(r'shot\(\w+, "([\w-]+)"', (BASE_DIR / "tests/flows/test_pictures.py").read_text())
    assert sorted(taken) == sorted(file.stem for file in shown)


def commands_in(document: Path) -> Iterator[tuple[str, bool]]:
    """Yield what follows ``manage.py``, and whether it is written out in full, as in a block to be run."""
    for _indent, block in _CONSOLE.findall(document.read_text()):
        lines = block.replace("\\\n", " ").splitlines()
        yield from ((found[1], True) for line in lines if (found := _MANAGE.search(line.strip())))
    for inline in re.findall(r"`manage\.py ([^`]+)`", prose(document)):
        yield inline, False


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.relative_to(BASE_DIR).as_posix())
def test_every_command_exists_and_a_block_that_is_to_be_run_has_only_options_that_it_knows(document: Path) -> None:
    known = get_commands()
    for words, is_whole in commands_in(document):
        name = re.split(r"[ ,)|\"']", words)[0]
        assert name in known, f"manage.py {words}"
        if is_whole and name not in ("shell",):
            _parser(name).parse_args(_arguments(words))


def _parser(name: str) -> CommandParser:
    app = get_commands()[name]
    command = load_command_class(app, name) if isinstance(app, str) else app
    parser = command.create_parser("manage.py", name)
    parser.called_from_command_line = False  # errors are raised
    return parser


def _arguments(words: str) -> list[str]:
    plain = re.split(r" +[|>]| +#|\)$", words.replace("$QUARTER", "2026Q1"))[0]
    return shlex.split(plain)[1:]


def test_every_target_of_make_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (BASE_DIR / "Makefile").read_text(), re.MULTILINE))
    named = {
        target for document in DOCUMENTS for target in re.findall(r"(?:`|^)make ([a-z-]+)", document.read_text(), re.M)
    }
    assert named <= targets


def test_the_labs_name_scenarios_samples_and_questions_that_there_are() -> None:
    labs = "".join(file.read_text() for file in (DOCS / "labs").glob("*.md"))
    assert [name for name in re.findall(r'"name": "([a-z-]+)"', labs) if not _scenario(name).exists()] == []
    assert [name for name in re.findall(r"samples/[\w/.-]+\.json", labs) if not (BASE_DIR / name).exists()] == []
    asked = set(re.findall(r"examiner_question (\w+)", labs + (DOCS / "controls.md").read_text()))
    assert asked
    assert asked <= {question.name for question in QUESTIONS}
    assert len(list((DOCS / "labs").glob("[1-4]-*.md"))) == 4


def _scenario(name: str) -> Path:
    return BASE_DIR / "samples" / "scenarios" / f"{name}.json"


def test_what_the_second_lab_classifies_comes_out_as_it_says(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for zone in (1, 2, 3):
        call_command("classify", str(BASE_DIR / f"samples/intake/zone-{zone}.json"))
        assert capsys.readouterr().out.startswith(f"Zone {zone} ")
    changed = (BASE_DIR / "samples/intake/zone-1.json").read_text()
    (tmp_path / "one.json").write_text(changed.replace('"hasCustomerData": false', '"hasCustomerData": true'))
    call_command("classify", "--json", str(tmp_path / "one.json"))
    said = capsys.readouterr().out
    shown = re.findall(r"`(\"[a-z_]+\": [^`]+)`", (DOCS / "labs/2-intake-and-classification.md").read_text())
    assert shown
    assert [words for words in shown if words not in said] == []


def test_the_control_map_is_that_of_the_oscal_table() -> None:
    sections = re.split(r"^## ", (DOCS / "controls.md").read_text(), flags=re.MULTILINE)[1:]
    for (number, title), section in zip(CONTROLS.items(), sections[: len(CONTROLS)], strict=True):
        heading, _, text = section.partition("\n")
        assert heading == f"{number} {title}"
        checks, nist = re.search(r"^Checks: (.+)\. NIST: (.+)\.$", text, re.MULTILINE).groups()  # type: ignore[union-attr]
        assert set(re.findall(r"`([\w-]+)`", checks)) == {check.key for check in CHECKS if check.control == number}
        assert nist.split(", ") == nist_of(number)
        lines = re.findall(r"^\| (?!Feature|---)(.+) \|$", text, re.MULTILINE)
        assert lines
        for line in lines:
            _feature, where, screen, evidence, test = line.split(" | ")
            assert _LINK.search(screen), line
            assert all((BASE_DIR / name).exists() for name in re.findall(r"`([\w/.]+)`", where)), line
            named = set(re.findall(r"\b([A-Z][a-z]+(?:[A-Z][a-z]+)+|Approved)\b", evidence))
            assert named <= {action.label for action in Action}, line
            file, _, function = test.strip("`").partition("::")
            assert f"def {function}" in (BASE_DIR / file).read_text(), line


def test_the_simulator_takes_the_options_that_the_documents_give_it() -> None:
    guide = (DOCS / "guides" / "simulator.md").read_text()
    commands = re.findall(r"^python -m simulator (.+)$", guide, re.MULTILINE)
    assert commands
    for words in commands:
        simulator._options(shlex.split(words))
