"""Where a title may be cut: between two characters as readers see them."""

import unicodedata

_ZWJ = "\u200d"
_EXTENDERS = frozenset("\u0e33\u0eb3\u200c\u200d\uff9e\uff9f")
"""Characters that are no marks, yet belong to the one before them."""

_LINKERS = frozenset("\u094d\u09cd\u0acd\u0b4d\u0c4d\u0d4d")
"""The signs that join two consonants of an Indic script into one character."""


def cut(text: str, length: int) -> int:
    """Return where to cut a text: at the last end of a grapheme up to `length`; at `length` if there is none."""
    end = length
    if len(text) > length:
        while end and not _is_boundary(text, end):
            end -= 1
    return end or length


def _is_boundary(text: str, at: int) -> bool:
    """Return whether a grapheme ends before the character at `at`, by the main rules of Unicode's annex 29."""
    before, after = text[at - 1], text[at]
    if before.isascii() and after.isascii():
        return before + after != "\r\n"
    if _extends(after) or _jamo_join(before, after):
        return False
    if _is_flag_letter(before) and _is_flag_letter(after):
        start = at - 1
        while start and _is_flag_letter(text[start - 1]):
            start -= 1
        return (at - start) % 2 == 0
    if _extends(before):
        return not _is_joined(text, at)
    return True


def _extends(char: str) -> bool:
    """Return whether a character belongs to the one before it: an accent, a skin tone, a joiner, a tag."""
    if unicodedata.category(char) in ("Mn", "Me", "Mc") or char in _EXTENDERS:
        return True
    return "\U0001f3fb" <= char <= "\U0001f3ff" or "\U000e0020" <= char <= "\U000e007f"


def _is_flag_letter(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _is_joined(text: str, at: int) -> bool:
    """Return whether marks before the character at `at` join it to what they follow: emoji by ZWJ, consonants."""
    start, linked = at - 1, False
    while start and _extends(text[start]):
        linked = linked or text[start] in _LINKERS
        start -= 1
    kind = unicodedata.category(text[at])
    if text[at - 1] == _ZWJ and _is_pictograph(text[at]):
        return _is_pictograph(text[start])
    return linked and kind == "Lo" and unicodedata.category(text[start]) == "Lo"


def _is_pictograph(char: str) -> bool:
    if char < "\u2190" or _is_flag_letter(char):
        return char in "\xa9\xae"
    return unicodedata.category(char) in ("So", "Sm", "Po", "Cn")


def _jamo_join(before: str, after: str) -> bool:
    """Return whether two parts of a Korean syllable belong together."""
    if "\u1100" <= before <= "\u115f":
        return "\u1100" <= after <= "\u11a7" or "\uac00" <= after <= "\ud7a3"
    if "\uac00" <= before <= "\ud7a3":
        open_syllable = (ord(before) - 0xAC00) % 28 == 0
        return ("\u1160" <= after <= "\u11a7" and open_syllable) or "\u11a8" <= after <= "\u11ff"
    if "\u1160" <= before <= "\u11a7":
        return "\u1160" <= after <= "\u11ff"
    return "\u11a8" <= before <= "\u11ff" and "\u11a8" <= after <= "\u11ff"
