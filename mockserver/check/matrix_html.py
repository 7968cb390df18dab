"""A report as one page of HTML that needs nothing else."""

from collections.abc import Iterator
from html import escape

from mockserver.check.client_result import HANDLED
from mockserver.check.formats import shown
from mockserver.check.matrix_report import SILENT, WRONG
from mockserver.check.report import Problem, Report, Table

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { border: 1px solid #ccc; padding: .3rem .6rem; text-align: left; vertical-align: top; }
th { background: #f3f3f3; }
.good { background: #e3f4e3; } .bad { background: #f9dcdc; } .silent { background: #fbf0d0; }
.note { color: #666; margin: .2rem 0; }
pre { background: #f6f6f6; padding: .6rem; overflow-x: auto; }
"""


def as_html(report: Report) -> str:
    """Write a report as a page."""
    count = len(report.errors)
    verdict = "nothing wrong" if not count else f"{count} problem{'s' * (count != 1)}"
    title = escape(f"{report.command}: {report.subject}")
    figures = ", ".join(f"{escape(name)} <b>{escape(_plain(value))}</b>" for name, value in report.figures.items())
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body>",
        f'<h1>{title}</h1><p class="{"bad" if count else "good"}">{verdict}</p><p>{figures}</p>',
        *(line for table in report.tables for line in _table(table)),
    ]
    if report.problems:
        parts += ["<h2>Problems</h2>", *(line for each in report.problems for line in _problem(each))]
    return "\n".join([*parts, "</body></html>"]) + "\n"


def _plain(value: object) -> str:
    return value if isinstance(value, str) else shown(value)


def _table(table: Table) -> Iterator[str]:
    yield f"<h2>{escape(table.title)}</h2><table>"
    yield "<tr>" + "".join(f"<th>{escape(name)}</th>" for name in table.columns) + "</tr>"
    for row in table.rows:
        yield "<tr>" + "".join(f"<td{_colour(cell)}>{escape(cell)}</td>" for cell in row) + "</tr>"
    yield "</table>"
    yield from (f'<p class="note">{escape(note)}</p>' for note in table.notes)


def _colour(cell: str) -> str:
    for begin, name in ((HANDLED, "good"), (WRONG, "bad"), ("NOT RUN", "bad"), (SILENT, "silent")):
        if cell.startswith(begin):
            return f' class="{name}"'
    return ""


def _problem(problem: Problem) -> Iterator[str]:
    kind = f"the {problem.fault}'s fault" if problem.level == "error" else problem.level
    yield f"<h3>{escape(problem.rule)} {escape(problem.operation)} ({escape(kind)})</h3>"
    yield f"<p>{escape(problem.message)}</p>"
    if problem.where:
        yield f'<p class="note">{escape(problem.where)}, in {problem.count} cases</p>'
    if problem.reproduction is not None:
        again = f"{problem.reproduction.curl}\n\n{problem.reproduction.python}"
        yield f"<details><summary>again</summary><pre>{escape(again)}</pre></details>"
