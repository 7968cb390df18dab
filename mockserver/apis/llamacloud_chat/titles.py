"""Where a title may be cut: between two characters as readers see them."""

WINDOW = 64
"""Code points after the cut that are looked at, to see whether they belong to the character before it."""


def cut(text: str, length: int) -> int:
    """Return where to cut a text: at the last end of a grapheme up to `length`; at `length` if there is none."""
    if len(text) <= length:
        return length
    import regex

    end = 0
    for character in regex.finditer(r"\X", text[: length + WINDOW]):
        if character.end() > length:
            break
        end = character.end()
    return end or length
