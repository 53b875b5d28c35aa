"""The turns of a dialogue: messages [{role, content}] as OpenAI writes them, ShareGPT's [{from, value}].

What is no text of the assistant's own to be taught keeps a turn and a role of its own: `tools` (what may be called),
`tool_call`, `tool` (what came back), `reasoning` (before the answer). Such dialogues are kept and given back, and
left out of snapshots. A turn that says that it must not be learned is refused with its record.
"""

import json
from typing import Any

from django.utils.translation import gettext as _

from annotate.exchange.formats.fields import is_empty
from annotate.exchange.formats.records import (
    MAX_TURNS,
    Unusable,
    assistant,
    kind,
    take,
    take_list,
    take_text,
    text,
    user,
)

Turns = list[dict[str, str]]

ROLES = {
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "system": "system",
    "developer": "system",
    "reasoning": "reasoning",
    "tools": "tools",
    "function_call": "tool_call",
    "tool_call": "tool_call",
    "observation": "tool",
    "tool": "tool",
    "function": "tool",
}
REPLIES = ("assistant", "tool_call", "reasoning")
REASONING = ("reasoning_content", "reasoning", "thinking")
TEXT_PARTS = ("text", "input_text", "output_text")


def turns(value: dict[str, Any]) -> Turns:
    """The dialogue, whichever of the two spellings it has, with what stands in columns beside it."""
    name = "messages" if "messages" in value else "conversations"
    return with_columns(value, as_turns(take_list(value, name)))


def as_turns(found: list[Any]) -> Turns:
    said = [one for entry in found for one in turn(entry)]
    if not said:
        raise Unusable(_("The dialogue has no turns."))
    if len(said) > MAX_TURNS:
        raise Unusable(_("The dialogue has more than %(limit)s turns.") % {"limit": MAX_TURNS})
    return said


def turn(said: Any) -> Turns:
    """One entry: a turn, before it its reasoning, behind it its calls."""
    speaker, content = ("role", "content") if isinstance(said, dict) and "role" in said else ("from", "value")
    named = take_text(said, speaker)
    role = ROLES.get(named.casefold())
    if role is None:
        raise Unusable(
            _('The speaker "%(role)s" is not known: user, assistant and system are, and tool calls.')
            % {"role": named[:30]}
        )
    check_weight(said, role)
    thoughts = {content_text(said[name], name): name for name in REASONING if not is_empty(said.get(name))}
    before = [{"role": "reasoning", "content": thought} for thought in thoughts]
    calls = [*as_list(said, "tool_calls"), *as_list(said, "function_call")]
    behind = [{"role": "tool_call", "content": json.dumps(call, ensure_ascii=False)} for call in calls]
    if behind and is_empty(said.get(content)):
        return [*before, *behind]
    return [*before, {"role": role, "content": content_text(take(said, content), content)}, *behind]


def as_list(said: dict[str, Any], name: str) -> list[Any]:
    found = said.get(name)
    if is_empty(found):
        return []
    return found if isinstance(found, list) else [found]


def check_weight(said: dict[str, Any], role: str) -> None:
    """OpenAI's and Mistral's mark: a turn of weight 0 is not to be learned. Of an assistant's turns all are learned."""
    weight = said.get("weight")
    if weight is None or weight == 1 or (weight == 0 and role != "assistant"):
        return
    raise Unusable(
        _(
            "A turn has the weight %(weight)s: it is not to be learned like the others, and Parley would teach it. "
            "Leave the dialogue out, or end it before that turn."
        )
        % {"weight": str(weight)[:20]}
    )


def content_text(found: Any, name: str) -> str:
    """A text, or a list of parts that are all text, joined."""
    return "".join(part_text(part) for part in found) if isinstance(found, list) else text(found, name)


def part_text(part: Any) -> str:
    if isinstance(part, str):
        return part
    named = take_text(part, "type")
    if named not in TEXT_PARTS:
        raise Unusable(
            _('A turn has a part of the kind "%(kind)s"; only text is read.') % {"kind": named[:30]}
        )
    return take_text(part, "text")


def with_columns(value: dict[str, Any], said: Turns) -> Turns:
    """The dialogue behind its columns: `system` (or `system_prompt`), `tools` (or `functions`)."""
    columns = []
    for name in ("tools", "functions"):
        if not is_empty(found := value.get(name)):
            spelled = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
            columns.append({"role": "tools", "content": spelled})
    for name in ("system", "system_prompt"):
        if is_empty(found := value.get(name)):
            continue
        system = {"role": "system", "content": text(found, name)}
        if system in said[:1]:
            continue
        if any(one["role"] == "system" for one in [*columns, *said]):
            raise Unusable(
                _(
                    'It has a field "%(name)s" and another system turn beside it: which one counts is not clear.'
                )
                % {"name": name}
            )
        columns.append(system)
    return [*columns, *said]


def history(value: dict[str, Any]) -> Turns:
    """LLaMA-Factory's `history`: [[question, answer], …], the turns before the instruction."""
    said: Turns = []
    for entry in as_list(value, "history"):
        if not isinstance(entry, list) or len(entry) != 2:
            raise Unusable(
                _('The field "history" holds %(kind)s where a question with its answer was expected.')
                % {"kind": kind(entry)}
            )
        question, answer = (text(part, "history") for part in entry)
        said += [user(question), assistant(answer)]
    return said


def opening(dialogue: Turns) -> Turns:
    """The turns before the first reply; at least one of them is the user's."""
    end = next((i for i, said in enumerate(dialogue) if said["role"] in REPLIES), len(dialogue))
    if not any(said["role"] == "user" for said in dialogue[:end]):
        raise Unusable(_("The dialogue does not begin with a user, so it answers nothing."))
    return dialogue[:end]
