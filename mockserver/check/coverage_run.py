"""The coverage of a run of our own: of what a check sends, and of what a program that is run sends."""

from collections.abc import Iterable, Sequence

from mockserver.check.coverage import Coverage, Tally
from mockserver.check.coverage_report import figures_of, table_of
from mockserver.check.coverage_touch import Talk
from mockserver.check.formats import as_terminal
from mockserver.check.report import Report
from mockserver.check.target import Answer, Target
from mockserver.contract import Contract
from mockserver.exchange import Request
from mockserver.journal import Exchange


class Hearing(Target):
    """Asks as another target does, and keeps what was said; it may be asked by several threads."""

    def __init__(self, inner: Target) -> None:
        super().__init__(inner._client, inner.base, inner.patience)
        self.headers = inner.headers
        self._inner = inner
        self._heard: list[tuple[Request, Answer]] = []

    def ask(self, request: Request) -> Answer:
        """Ask, and keep request and answer; what could not be sent was not said."""
        answer = self._inner.ask(request)
        if answer.failure != "unsent":
            self._heard.append((request, answer))
        return answer

    def coverage(self, contracts: Sequence[Contract]) -> Coverage:
        """Give what was exercised of these contracts, the newest first."""
        tally = Tally(contracts)
        for request, answer in self._heard:
            tally.add(_talk(request, answer))
        return tally.result()


def _talk(request: Request, answer: Answer) -> Talk:
    asked = (request.method, request.path, request.query, request.headers, request.body)
    return Talk(*asked, answer.status, answer.headers, answer.body, bool(answer.status and answer.failure))


def coverage_of(contracts: Sequence[Contract], exchanges: Iterable[Exchange]) -> Coverage:
    """Give what the exchanges of a mock exercised of the contracts that it serves."""
    return Tally(contracts).add_all(exchanges).result()


def summary_of(coverage: Coverage, subject: str) -> str:
    """Write the totals and the table, without what was never touched."""
    report = Report("coverage", subject, figures=figures_of(coverage), tables=(table_of(coverage),))
    return as_terminal(report).rpartition("\n\n")[0]
