"""Reports on a terminal fit its width; elsewhere nothing is broken."""

import os
import subprocess
import sys
from pathlib import Path

from mockserver.check.report.formats import as_terminal
from mockserver.check.report.model import Report, Table
from mockserver.messages import Finding, Reproduction

WORDS = "a sentence that goes on and on " * 8
CURL = "curl " + "-v " * 60
REPORT = Report(
    command="check",
    subject="http://x",
    findings=(
        Finding("/body", "a-rule", WORDS, "server", reproduction=Reproduction(curl="curl " + "-v " * 60, python="")),
    ),
    figures={"cases": 1, "not looked at": WORDS},
    tables=(Table("Servers", ("server", "what it does"), [("one", WORDS), ("another", "short")], [WORDS]),),
)


def test_a_report_fits_its_width_but_for_commands_to_paste() -> None:
    lines = as_terminal(REPORT, width=60).splitlines()
    wide = [line for line in lines if len(line) > 60]
    assert wide == [f"     {CURL}"]
    assert " ".join(" ".join(lines).split()).count(WORDS.strip()) >= 2, "nothing is lost"


def test_later_lines_are_indented_so_that_no_text_begins_one() -> None:
    started = [line for line in as_terminal(REPORT, width=60).splitlines() if line and not line.startswith(" ")]
    assert started == ["check: http://x", "Servers", "1. a-rule: the server's fault", "check: 1 problem"]


def test_without_a_width_nothing_is_broken() -> None:
    assert f"   {WORDS}\n" in as_terminal(REPORT)


def test_only_a_terminal_has_a_width(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mockserver", "drift", "2.6", "2.17"]
    environ = {**os.environ, "COLUMNS": "50", "TERM": "xterm"}
    ours, theirs = os.openpty()
    with (tmp_path / "told").open("wb") as file:
        subprocess.run(command, stdout=file, env=environ, check=False, timeout=60)
    process = subprocess.Popen(command, stdout=theirs, env=environ)
    os.close(theirs)
    read = bytearray()
    with os.fdopen(ours, "rb", 0) as reader:
        try:
            while part := reader.read(65_536):
                read += part
        except OSError:  # how the end of a terminal is told
            pass
    process.wait(60)
    assert max(map(len, (tmp_path / "told").read_text().splitlines())) > 100
    shown = bytes(read).decode().splitlines()
    assert [line for line in shown if len(line) > 50 and " " in line.strip()] == []
