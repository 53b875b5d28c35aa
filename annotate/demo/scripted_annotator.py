"""A scripted annotator for the demonstration: applies PREFERENCE.md by rule. It is not a person and says so.

Pure functions, standard library only. It knows the Lantern Isles (world.py) and recognises only the phrases
of that world, so its judgements mean nothing for any other text. Rankings made by it must be stored under an
account that is plainly marked as scripted.
"""

import re
from dataclasses import dataclass

from annotate.demo.world import CLOSINGS, FACTS, LANGUAGES, OPENINGS, STATEMENTS, STYLES, THINGS, thing_of

ANNOTATOR_NAME = "scripted annotator (not a person)"

STYLE_GRADES = {"courteous": 3.0, "rambling": 1.0, "curt": 0.0, None: -2.0}
WRONG_FACT, WRONG_LANGUAGE, UNFINISHED = -2.5, -2.0, -1.0
ALL_BAD_BELOW = 0.0

Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Reading:
    """What the annotator sees in one completion. `style` is None where the text is in none of the three."""

    style: str | None
    language: str | None
    is_true: bool
    is_finished: bool


def grade(prompt_messages: Messages, text: str) -> float:
    """How good a completion is by the stated preference; higher is better, a perfect one has 3."""
    seen = read(prompt_messages, text)
    asked_language = language_of_question(prompt_messages)
    return (
        STYLE_GRADES[seen.style]
        + (0.0 if seen.is_true else WRONG_FACT)
        + (0.0 if seen.language in (None, asked_language) else WRONG_LANGUAGE)
        + (0.0 if seen.is_finished else UNFINISHED)
    )


def rank(prompt_messages: Messages, completions: dict[str, str]) -> tuple[list[list[str]], bool]:
    """Tiers of completion ids, best first, equal grades tied, and whether all of them are bad.

    `completions` maps an id to its text; ids keep their order inside a tier.
    """
    grades = {key: grade(prompt_messages, text) for key, text in completions.items()}
    tiers = [
        [key for key in grades if grades[key] == level]
        for level in sorted(set(grades.values()), reverse=True)
    ]
    return tiers, bool(grades) and max(grades.values()) < ALL_BAD_BELOW


def rating(prompt_messages: Messages, text: str) -> int:
    """The overall rating from 1 (worst) to 7 (best)."""
    return max(1, min(7, round(4 + grade(prompt_messages, text))))


def flags(prompt_messages: Messages, text: str) -> list[str]:
    """What is wrong: any of untrue, wrong_language, unfinished, discourteous, incomprehensible."""
    seen = read(prompt_messages, text)
    asked_language = language_of_question(prompt_messages)
    found = {
        "untrue": not seen.is_true,
        "wrong_language": seen.language not in (None, asked_language),
        "unfinished": not seen.is_finished,
        "discourteous": seen.style == "curt",
        "incomprehensible": seen.style is None,
    }
    return [name for name, is_so in found.items() if is_so]


def preferred(prompt_messages: Messages, text: str) -> bool:
    """Whether a completion is in the preferred style: courteous, complete, in the language of the question.

    Its truth is a separate question: see `is_true`.
    """
    seen = read(prompt_messages, text)
    return seen.style == "courteous" and seen.language == language_of_question(prompt_messages)


def is_true(prompt_messages: Messages, text: str) -> bool:
    """Whether a completion names what was asked for, and no other name."""
    return read(prompt_messages, text).is_true


def read(prompt_messages: Messages, text: str) -> Reading:
    """Style, language, truth and completeness of one completion."""
    text = " ".join(text.split())
    asked = asked_island(prompt_messages)
    named = [name for _, name in FACTS.values() if re.search(rf"\b{name}\b", text)]
    is_about_asked = all(ISLANDS[thing] == asked for thing in ISLANDS if thing in text.casefold())
    is_true_answer = asked is not None and named == [FACTS[asked][1]] and is_about_asked
    style, language = next(
        ((style, language) for (style, language), form in FORMS.items() if form.fullmatch(text)), (None, None)
    )
    return Reading(
        style=style,
        # A bare name belongs to no language; garbled text is shown by its style, not by its language.
        language=None if style == "curt" and text.removesuffix(".") in named else language,
        is_true=is_true_answer,
        is_finished=text.endswith((".", "!", "?")),
    )


def asked_island(prompt_messages: Messages) -> str | None:
    """The island whose thing the last user message asks about."""
    question = last_question(prompt_messages)
    return next((island for thing, island in ISLANDS.items() if thing in question), None)


def language_of_question(prompt_messages: Messages) -> str | None:
    """Language of the last user message, by how it calls the thing that it asks about."""
    question = last_question(prompt_messages)
    return next(
        (
            language
            for language in LANGUAGES
            if any(thing_of(language, island).casefold() in question for island in FACTS)
        ),
        None,
    )


def last_question(prompt_messages: Messages) -> str:
    """The last user message in lower case, French "du port" undone to "le port"."""
    asked = next((turn["content"] for turn in reversed(prompt_messages) if turn["role"] == "user"), "")
    return asked.casefold().replace("du ", "le ")


def form_of(style: str, language: str) -> re.Pattern[str]:
    """Expression that a whole answer of this style and language matches, whatever name it gives."""
    islands = "|".join(FACTS)
    things = "|".join(thing.replace("{island}", f"(?:{islands})") for thing in THINGS[language].values())
    sentence = STATEMENTS[language].format(thing=f"(?i:{things})", name=r"\w+")
    parts = (
        one_of(OPENINGS[language][style]),
        r"\w+\." if style == "curt" else sentence,
        one_of(CLOSINGS[language][style]),
    )
    return re.compile(r"\s?".join(parts))


def one_of(phrases: tuple[str, ...]) -> str:
    """Expression for any of some literal phrases."""
    return "(?:" + "|".join(re.escape(phrase) for phrase in phrases) + ")"


# thing in lower case, in either language -> its island
ISLANDS = {thing_of(language, island).casefold(): island for language in LANGUAGES for island in FACTS}
FORMS = {(style, language): form_of(style, language) for style in STYLES for language in LANGUAGES}
