"""Words as they may be stored and sent. Not its job: what is said."""

from __future__ import annotations


def fitted(text: str, longest: int) -> str:
    """Return at most `longest` characters of a text, all of which UTF-8 can spell.

    JSON can spell lone surrogates, which UTF-8 cannot; the API server puts another character in their place, and then
    what was written is not what is read back. Here each becomes a question mark.
    """
    return text[:longest].encode(errors="replace").decode()
