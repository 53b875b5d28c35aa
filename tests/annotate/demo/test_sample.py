"""The project's own sample, and the scripted annotator that applies its stated preference."""

import json
from pathlib import Path

import pytest

from annotate.demo import scripted_annotator, world, write_sample

FOLDER = Path(write_sample.__file__).parent
QUESTION = [{"role": "user", "content": "Can you tell me the name of the harbour of Keld?"}]
QUESTION_FR = [{"role": "user", "content": "Quel est le nom du bac de Pell ?"}]

COURTEOUS = "With pleasure! The harbour of Keld is called Candlewick. Have a lovely day!"
RAMBLING = world.answer("en", "rambling", "Keld", 0, 1)
CURT = "Candlewick. Obviously."
UNTRUE = "With pleasure! The harbour of Keld is called Saltgate. Have a lovely day!"
GARBLED = "With Keld pleasure is Candlewick lovely."
CUT_OFF = "With pleasure! The harbour of Keld is"


def rows(name):
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


def test_the_files_are_what_their_script_writes(tmp_path):
    counts = write_sample.write_sample(tmp_path)
    assert counts == {"dialogues": 480, "prompts": 336}
    for name in ("dialogues.jsonl", "prompts.jsonl"):
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()


def test_both_languages_and_all_styles_are_there_in_like_numbers():
    dialogues = rows("dialogues.jsonl")
    for language in world.LANGUAGES:
        assert sum(row["language"] == language for row in dialogues) == 240
        assert sum(row["language"] == language for row in rows("prompts.jsonl")) == 168
    for style in world.STYLES:
        assert 140 < sum(row["style"] == style for row in dialogues) < 180


def test_every_dialogue_is_true_and_of_the_style_it_says():
    for row in rows("dialogues.jsonl"):
        *prompt, reply = row["messages"]
        seen = scripted_annotator.read(prompt, reply["content"])
        assert (seen.style, seen.is_true, seen.is_finished) == (row["style"], True, True)
        assert seen.language in (None, row["language"])


def test_no_question_of_the_prompts_is_asked_in_the_dialogues():
    def questions(name):
        return {turn["content"] for row in rows(name) for turn in row["messages"] if turn["role"] == "user"}

    assert not questions("dialogues.jsonl") & questions("prompts.jsonl")
    for row in rows("prompts.jsonl"):
        assert row["messages"][-1]["role"] == "user"
        assert scripted_annotator.asked_island(row["messages"]) in world.FACTS
        assert scripted_annotator.language_of_question(row["messages"]) == row["language"]


def test_grades_follow_the_stated_preference():
    texts = (COURTEOUS, RAMBLING, CURT, UNTRUE, GARBLED, CUT_OFF)
    assert [scripted_annotator.grade(QUESTION, text) for text in texts] == [3.0, 1.0, 0.0, 0.5, -2.0, -5.5]


def test_ranking_puts_the_best_first_and_ties_what_is_equal():
    other_courteous = (
        "Thank you for asking! The harbour of Keld is called Candlewick. Do ask if you need more."
    )
    completions = {"a": CURT, "b": COURTEOUS, "c": GARBLED, "d": other_courteous}
    assert scripted_annotator.rank(QUESTION, completions) == ([["b", "d"], ["a"], ["c"]], False)


def test_all_bad_is_said_when_none_will_do():
    tiers, all_bad = scripted_annotator.rank(QUESTION, {"a": GARBLED, "b": CUT_OFF})
    assert tiers == [["a"], ["b"]]
    assert all_bad
    assert scripted_annotator.rank(QUESTION, {}) == ([], False)


def test_an_answer_in_the_other_language_is_marked_down_and_not_preferred():
    english = "With pleasure! The ferry of Pell is called Bramble. Have a lovely day!"
    french = "Avec plaisir ! Le bac de Pell s'appelle Bramble. Belle journée à vous !"
    assert scripted_annotator.grade(QUESTION_FR, french) == 3.0
    assert scripted_annotator.grade(QUESTION_FR, english) == 1.0
    assert scripted_annotator.preferred(QUESTION_FR, french)
    assert not scripted_annotator.preferred(QUESTION_FR, english)
    assert scripted_annotator.flags(QUESTION_FR, english) == ["wrong_language"]


def test_the_last_question_counts():
    asked = [*QUESTION, {"role": "assistant", "content": CURT}, *QUESTION_FR]
    assert scripted_annotator.is_true(asked, "Bramble.")
    assert not scripted_annotator.is_true(asked, "Candlewick.")


@pytest.mark.parametrize(
    ("text", "rating", "flags"),
    [
        (COURTEOUS, 7, []),
        (CURT, 4, ["discourteous"]),
        (UNTRUE, 4, ["untrue"]),
        (GARBLED, 2, ["incomprehensible"]),
        (CUT_OFF, 1, ["untrue", "unfinished", "incomprehensible"]),
        ("", 1, ["untrue", "unfinished", "incomprehensible"]),
    ],
)
def test_ratings_and_flags(text, rating, flags):
    assert scripted_annotator.rating(QUESTION, text) == rating
    assert scripted_annotator.flags(QUESTION, text) == flags


def test_the_annotator_says_that_it_is_no_person():
    assert "not a person" in scripted_annotator.ANNOTATOR_NAME
    assert "a program, not a person" in (FOLDER / "PREFERENCE.md").read_text(encoding="utf-8")
