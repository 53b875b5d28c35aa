"""How long what people read and write may be: one limit for every way in, so that what is given out can be handed in.

The API's forms, drafts, imports and samples hold to it; a submission repeats its prompt and must fit into one body.
"""

from collections.abc import Iterable

from django.utils.translation import gettext as _

MAX_TEXT = 200_000  # characters of one text: a message, a completion, guidelines
MAX_PROMPT = 1_000_000  # of all messages of a prompt together
MAX_MESSAGES = 1_000


def too_long(texts: Iterable[str]) -> str:
    """Why one of these texts is not taken in, or nothing."""
    longest = max(map(len, texts), default=0)
    if longest <= MAX_TEXT:
        return ""
    return _("It holds a text of %(count)s characters; at most %(limit)s can be worked on.") % {
        "count": longest,
        "limit": MAX_TEXT,
    }


def too_long_prompt(texts: Iterable[str]) -> str:
    """Why a prompt of these messages is not taken in, or nothing."""
    texts = list(texts)
    num_characters = sum(map(len, texts))
    if num_characters <= MAX_PROMPT:
        return too_long(texts)
    return _("Its prompt has %(count)s characters; at most %(limit)s can be worked on.") % {
        "count": num_characters,
        "limit": MAX_PROMPT,
    }
