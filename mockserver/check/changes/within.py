"""Whether all that one schema allows is allowed by another, as far as the comparison of schemas can tell."""

from mockserver.check.changes.rules import At, Compare, Comparison
from mockserver.contract.resolved import View

_OF_NO_WEIGHT = ("field-", "required-field-", "default-", "access-", "content-", "discriminator-withdrawn")
"""How the rules begin that, where they do not break requests, leave room for every value that was right."""


def swapped(run: Comparison) -> Comparison:
    """Return the comparison of B with A."""
    return Comparison(run.b, run.a, run.unsaid, is_code=False, within=run.within)


def is_within(run: Comparison, a: View, b: View, compare: Compare) -> bool:
    """Return whether it is certain that B allows all that A allows."""
    sub = Comparison(run.a, run.b, run.unsaid, is_code=False, within=run.within)
    key = id(run.a), a.pointers, a.types, a.null, id(run.b), b.pointers, b.types, b.null
    if key not in run.within:
        run.within[key] = False  # a schema that refers to itself: nothing is certain
        compare(sub, a, b, At("request", "/request/body"))
        run.within[key] = all(
            each.severity != "breaking" and (each.severity == "harmless" or each.rule.startswith(_OF_NO_WEIGHT))
            for each in sub.found.values()
        )
    return run.within[key]
