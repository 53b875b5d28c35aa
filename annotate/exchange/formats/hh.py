"""Anthropic's form of a dialogue: one text, its turns marked Human: and Assistant:.

Two turns of one speaker running are one turn.
"""

import re

from django.utils.translation import gettext as _

from annotate.exchange.formats.records import Unusable, user
from annotate.exchange.formats.turns import Turns

TURN = re.compile(r"(?:^|\n\n)(Human|Assistant):")
ROLES = {"Human": "user", "Assistant": "assistant"}


def is_marked(text: str) -> bool:
    return text.lstrip().startswith("Human:")


def dialogue(text: str, side: str) -> Turns:
    """Turns, the last one an assistant's, speakers in turn."""
    before, *parts = TURN.split(text)
    if before.strip() or not parts:
        raise Unusable(
            _(
                'The %(side)s side is a text that does not begin with a turn marked "Human:", and no field says '
                "what it answers."
            )
            % {"side": side}
        )
    found = marked_turns(parts)
    if found[-1]["role"] != "assistant" or len(found) < 2:
        raise Unusable(_("The %(side)s side does not end with a reply by the assistant.") % {"side": side})
    return found


def asked(text: str) -> Turns:
    """A prompt: marked turns down to an empty turn of the assistant's, or else one turn of the user's."""
    _before, *parts = TURN.split(text)
    if is_marked(text) and parts[-2] == "Assistant" and not parts[-1].strip():
        return marked_turns(parts[:-2])
    return [user(text)]


def marked_turns(parts: list[str]) -> Turns:
    found: Turns = []
    for speaker, content in zip(parts[::2], parts[1::2], strict=True):
        role, content = ROLES[speaker], content.strip()
        if found and found[-1]["role"] == role:
            found[-1]["content"] = f"{found[-1]['content']}\n\n{content}".strip()
        else:
            found.append({"role": role, "content": content})
    return found
