"""Values for the path of an operation: told by the user, of a record that create made, of a list, of the contract."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from urllib.parse import unquote, urlsplit

from mockserver.check.part import CheckPart, HeldOperation, SendCase
from mockserver.check.provider.cases import parameter_holds
from mockserver.check.provider.checks import Interaction
from mockserver.check.provider.links import linked
from mockserver.check.provider.values import least, sample_texts, usual
from mockserver.check.provider.writing import segment_of, text_of
from mockserver.contract.openapi import Contract, Operation, Parameter
from mockserver.errors import ContractError
from mockserver.messages import Json

READS = ("GET", "HEAD")

MOST_TRIED = 6
"""How many paths of an operation are tried."""


class PathValues:
    """Finds values for paths, and remembers which of them the server took."""

    def __init__(
        self,
        operations: Sequence[HeldOperation],
        send: SendCase,
        part: CheckPart,
        told: Sequence[tuple[str, str]] = (),
        *,
        read_only: bool = False,
    ) -> None:
        self._operations, self._send, self._part, self._read_only = operations, send, part, read_only
        self._told = told
        self._taken: dict[str, Mapping[str, str]] = {}
        self._given: dict[str, Mapping[str, str]] = {}
        self._there: set[str] = set()
        self._linking: set[str] = set()

    def is_there(self, operation: Operation) -> bool:
        """Return whether the server itself told the record that a path names."""
        return operation.id in self._there

    def of(self, operation: Operation) -> Mapping[str, str]:
        """Return the values that were taken; for what deletes, of a record that is still there, if one can be made."""
        taken = self._taken.get(operation.id)
        if taken is not None and operation.method != "DELETE":
            return taken
        return next(self.tried(operation))

    def known(self, operation: Operation) -> Mapping[str, str]:
        """Return the values that were last given for a path; none where none were."""
        return self._given.get(operation.id, {})

    def take(self, operation: Operation, values: Mapping[str, str]) -> None:
        """Remember values that were taken."""
        self._taken[operation.id] = values

    def tried(self, operation: Operation) -> Iterator[Mapping[str, str]]:
        """Yield values for a path, the likeliest first; a ContractError where none can be found."""
        if not operation.names:
            yield {}
            return
        made = {} if self._read_only else self._part.path_values(self._operations, self._send, operation)
        texts: dict[str, list[str]] = {}
        for name in operation.names:
            before = {other: found[0] for other, found in texts.items()}
            texts[name] = self._texts(operation, name, before, made.get(name))
        rounds = min(MOST_TRIED, max(map(len, texts.values())))
        for index in range(rounds):
            values = {name: found[min(index, len(found) - 1)] for name, found in texts.items()}
            self._given[operation.id] = values
            yield values

    def told(self, operation: Operation, name: str) -> list[str]:
        """Return what the user says of a parameter of a path."""
        own = [text for key, text in self._told if key == f"{operation.id}.{name}"]
        return own or [text for key, text in self._told if key == name]

    def _texts(self, operation: Operation, name: str, before: Mapping[str, str], made: str | None) -> list[str]:
        parameter = next(each for each in operation.parameters if (each.location, each.name) == ("path", name))
        if told := self.told(operation, name):
            return [segment_of(parameter, text) for text in told]
        found = [] if made is None else [made]
        if not found:
            found += islice(linked(self._operations, operation, name, self._asked), 1)
        if not found:
            found += islice(self._answered(operation, parameter, before), 2)
        if found:
            self._there.add(operation.id)
        found += sample_texts(parameter)
        if not found and parameter_holds(parameter, FALLBACK):
            found.append(segment_of(parameter, FALLBACK))
        if not found:
            what = f"no valid value can be made for the path parameter {name}"
            raise ContractError(what, where="#" + parameter.schema.pointer, fix=f"--path-value {name}=VALUE")
        return found

    def _asked(self, contract: Contract, operation: Operation) -> Interaction | None:
        """Ask an operation as usual; None where it cannot be asked without asking for its own values first."""
        values = self._taken.get(operation.id, None if operation.names else {})
        if values is None or operation.id in self._linking or (self._read_only and operation.method not in READS):
            return None
        self._linking.add(operation.id)
        try:
            return self._send(contract, usual(operation, values))
        except ContractError:  # it cannot be asked, which is told where it is checked itself
            return None
        finally:
            self._linking.discard(operation.id)

    def _answered(self, operation: Operation, parameter: Parameter, before: Mapping[str, str]) -> Iterator[str]:
        """Yield what the server says of records: of one that create makes, and of those that a list has."""
        collection = operation.path.partition(f"/{{{parameter.name}}}")[0]
        noun = collection.rpartition("/")[2]
        for method in ("POST", "GET"):
            if method == "POST" and self._read_only:
                continue
            for contract, each in self._operations:
                if (each.method, each.path) != (method, collection) or not set(each.names) <= before.keys():
                    continue
                for make in (least, usual):
                    try:
                        seen = self._send(contract, make(each, {name: before[name] for name in each.names}))
                    except ContractError:  # it cannot be asked, which is told where it is checked itself
                        break
                    if seen.is_success:
                        texts = _ids(seen, parameter.name, noun)
                        yield from (segment_of(parameter, text) for text in texts if parameter_holds(parameter, text))
                        break


FALLBACK = "check-1"


def _ids(seen: Interaction, name: str, noun: str) -> Iterator[str]:
    """Yield what may be the id of a record in an answer, the likeliest first."""
    if not 200 <= seen.answer.status < 400:
        return
    singular = noun[:-1] if noun.endswith("s") else noun
    keys = (name, "id", f"{singular}_id", f"{singular}Id", f"{singular}ID", "uuid", "key", "slug", "name")
    for record in _records(seen.value):
        values = [record.get(key) for key in keys] if isinstance(record, dict) else [record]
        yield from (text_of(value) for value in values if isinstance(value, str | int) and text_of(value))
    target = urlsplit(seen.answer.headers.text(b"location") or "").path.rstrip("/").rpartition("/")[2]
    if target:
        yield unquote(target)


def _records(value: Json) -> list[Json]:
    """Return the records of an answer: itself, the one that it wraps, or the first of its list."""
    if isinstance(value, list):
        return value[:1]
    if not isinstance(value, dict):
        return []
    below = [each for each in value.values() if isinstance(each, dict)]
    return [value, *(each[0] for each in value.values() if isinstance(each, list) and each), *below]
