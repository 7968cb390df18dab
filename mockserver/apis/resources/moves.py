"""What an action does to an item: its state, its flags, its times."""

from collections.abc import Sequence

from mockserver.api import Call, RejectedError
from mockserver.apis.resources.items import Item
from mockserver.apis.resources.kept import Kept, conflict, conflict_status
from mockserver.apis.resources.names import STATES, is_time, participles, plain, words
from mockserver.apis.resources.resource import ItemOperation, Life
from mockserver.contract.resolved import View, values
from mockserver.messages import Json


class Move:
    """An action on an item: what it sets, by the words of its name."""

    def __init__(self, kept: Kept, call: Call, part: ItemOperation, sent: Item) -> None:
        self._kept, self._call, self._part, self._sent = kept, call, part, sent
        self.told = ""
        """What it did, from state to state."""
        parts, life = words(part.verb), kept.resource.life
        self._words = participles(parts[0]) if parts else ()
        self._life = None if life is None or part.verb not in life.transitions else life

    def step(self, old: Item) -> Item | None:
        """Return the item after the action."""
        kept = self._kept
        new = kept.items.merged(old, self._sent)
        if self._life is not None:
            self._follow(new, old, self._life)
        for name, known in kept.items.fields.items():
            self._set(new, old, name, known.view)
        return kept.items.settled(old, new)

    def _follow(self, new: Item, old: Item, life: Life) -> None:
        """Make the transition that is written down for the action."""
        transition = life.transitions[self._part.verb]
        state = old.get(life.field)
        if transition.before and state not in transition.before:
            self._refuse(life.field, state)
        self.told = f"{life.field} {state} -> {transition.after}"
        new[life.field] = transition.after

    def _set(self, new: Item, old: Item, name: str, view: View) -> None:
        """Set a field that the action is about: a state, a flag, a time."""
        kept, known = self._kept, plain(name)
        allowed = values(view)
        if known in STATES and allowed and self._life is None:
            target = self._target(list(allowed.values()))
            if target is None:
                return
            if old.get(name) == target:
                self._refuse(name, target)
            self.told = f"{name} {old.get(name)} -> {target}"
            new[name] = target
        elif view.types == frozenset(("boolean",)) and known in map(plain, self._words):
            new[name] = True
        elif is_time(name, frozenset(map(plain, self._words))):
            written = kept.items.time(name, old.get(name))
            if written is not None:
                new[name] = written

    def _target(self, allowed: Sequence[Json]) -> Json:
        by_word = {plain(each): each for each in allowed if isinstance(each, str)}
        return next((by_word[plain(each)] for each in self._words if plain(each) in by_word), None)

    def _refuse(self, name: str, state: Json) -> None:
        """Reject what is not allowed twice, where the contract has an answer for it."""
        status = conflict_status(self._call.operation)
        if status is not None:
            raise RejectedError(conflict(self._call, status, "", f"Its {name} is {state}."))
