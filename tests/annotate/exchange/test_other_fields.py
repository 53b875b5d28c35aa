"""What a record says beside the plainest form of it: read, or refused with the reason, never passed over. No database."""

import json
from collections import Counter

import pytest

from annotate.exchange.formats.detect import detect, parse_file, why_unknown
from annotate.exchange.formats.reading import records
from annotate.exchange.formats.records import Record, Rejected

WEATHER = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}


def user(text, **more):
    return {"role": "user", "content": text, **more}


def says(text, **more):
    return {"role": "assistant", "content": text, **more}


@pytest.fixture
def read(tmp_path):
    """read(record, …) -> (form, what is stored, why not, fields that were not read)."""

    def run(*rows):
        path = tmp_path / "file"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        form, unread = detect(path), Counter()
        if form is None:
            found = [Rejected(1, why_unknown(row)) for row in records(path) if isinstance(row, Record)]
        else:
            found = list(parse_file(path, form, tmp_path / "scratch", unread))
        kept = [item for item in found if not isinstance(item, Rejected)]
        reasons = [item.reason for item in found if isinstance(item, Rejected)]
        return form and form.name, kept, reasons, unread

    return run


def dialogue_of(item):
    return [(said["role"], said["content"]) for said in item.demonstrations[0].messages]


# ---------------------------------------------------------------- turns


def test_openais_tool_calls_are_turns_of_their_own(read):
    called = says("I check the forecast.", tool_calls=[WEATHER])
    older = says("One moment.", function_call={"name": "weather", "arguments": "{}"})
    form, kept, reasons, _ = read(
        {"messages": [user("Oslo?"), called]}, {"messages": [user("Bergen?"), older]}
    )
    assert (form, reasons) == ("messages", [])
    assert [[role for role, _ in dialogue_of(item)] for item in kept] == [
        ["user", "assistant", "tool_call"]
    ] * 2
    assert json.loads(dialogue_of(kept[0])[-1][1]) == WEATHER


def test_a_call_without_words_has_no_content_and_empty_marks_mean_nothing(read):
    asked = [
        user("Oslo?"),
        says(None, tool_calls=[WEATHER]),
        {"role": "tool", "content": "4 C"},
        says("Four."),
    ]
    plain = [user("Hi"), says("Hello!", tool_calls=[], function_call=None, refusal=None)]
    _form, kept, reasons, unread = read(
        {"messages": asked}, {"messages": plain}, {"messages": [user("x"), says(None)]}
    )
    assert [role for role, _ in dialogue_of(kept[0])] == ["user", "tool_call", "tool", "assistant"]
    assert dialogue_of(kept[1]) == [("user", "Hi"), ("assistant", "Hello!")]
    assert reasons == ['The field "content" is empty (null).']
    assert not unread


def test_reasoning_is_a_turn_before_the_answer(read):
    _, kept, _, _ = read({"messages": [user("7*6?"), says("42", reasoning_content="7*6=42")]})
    assert dialogue_of(kept[0]) == [("user", "7*6?"), ("reasoning", "7*6=42"), ("assistant", "42")]
    assert [said["role"] for said in kept[0].messages] == ["user"]


def test_a_turn_that_is_not_to_be_learned_refuses_its_dialogue(read):
    wrong = [user("2+2?"), says("5", weight=0), user("Sure?"), says("Sorry, 4.", weight=1)]
    right = [user("2+2?", weight=0), says("4", weight=1)]
    _, kept, reasons, _ = read({"messages": wrong}, {"messages": right})
    assert len(kept) == 1
    assert "weight 0: it is not to be learned like the others" in reasons[0]


@pytest.mark.parametrize("mark", [{"train": False}, {"mask": 1}, {"loss_weight": 0.5}])
def test_a_mark_on_a_turn_that_parley_does_not_know_refuses_its_dialogue(read, mark):
    [name] = mark
    plain = {"messages": [user("2+2?"), says("4")]}
    form, kept, reasons, _ = read(plain, {"messages": [user("2+2?"), says("5", **mark)]})
    assert (form, len(kept)) == ("messages", 1)
    assert f'could change what the record means: "messages.{name}"' in reasons[0]


def test_parts_that_are_text_are_joined_and_others_named(read):
    text = {"type": "text", "text": "A "}
    image = {"type": "image_url", "image_url": {"url": "x"}}
    _, kept, reasons, _unread = read(
        {"messages": [user([text]), says([text, {"type": "text", "text": "cat."}])]},
        {"messages": [user([text, image]), says("A dog.")]},
    )
    assert dialogue_of(kept[0]) == [("user", "A "), ("assistant", "A cat.")]
    assert reasons == ['A turn has a part of the kind "image_url"; only text is read.']


@pytest.mark.parametrize(("person", "program"), [("Human", "GPT"), ("user", "chatgpt"), ("user", "model")])
def test_speakers_by_other_names_are_known(read, person, program):
    _, kept, _, _ = read(
        {"conversations": [{"from": person, "value": "Hi"}, {"from": program, "value": "Hello"}]}
    )
    assert dialogue_of(kept[0]) == [("user", "Hi"), ("assistant", "Hello")]


def test_a_developer_is_the_system_and_a_dialogue_begins_and_ends_as_it_must(read):
    _form, kept, reasons, _ = read(
        {"messages": [{"role": "developer", "content": "Be terse."}, user("Nine?"), says("nine")]},
        {"messages": [says("How can I help?"), user("One."), says("one")]},
        {"messages": [user("Six?"), says("six"), user("Thanks")]},
    )
    assert dialogue_of(kept[0])[0] == ("system", "Be terse.")
    assert reasons == [
        "The dialogue does not begin with a user, so it answers nothing.",
        "The dialogue does not end with a reply by the assistant.",
    ]


# ---------------------------------------------------------------- columns beside a dialogue


def test_a_system_column_is_the_first_turn(read):
    said = [{"from": "human", "value": "Who are you?"}, {"from": "gpt", "value": "Arr, a pirate."}]
    system = {"from": "system", "value": "Answer as a pirate."}
    pirate = {"conversations": said, "system": "Answer as a pirate.", "tools": ""}
    _, kept, reasons, unread = read(
        pirate,
        {**pirate, "conversations": [system, *said]},
        {**pirate, "conversations": [{**system, "value": "x"}, *said]},
    )
    assert dialogue_of(kept[0])[0] == ("system", "Answer as a pirate.")
    assert kept[0].messages == kept[1].messages
    assert "another system turn beside it" in reasons[0]
    assert not unread


@pytest.mark.parametrize("name", ["system", "system_prompt"])
@pytest.mark.parametrize(
    ("form", "record"),
    [
        ("messages", {"messages": [user("Where?"), says("There.")]}),
        ("prompt-completion", {"prompt": "Where?", "completion": "There."}),
        ("question-answer", {"question": "Where?", "answer": "There."}),
        ("dpo", {"prompt": "Where?", "chosen": "There.", "rejected": "Here."}),
        ("kto", {"prompt": "Where?", "completion": "There.", "label": True}),
        ("prompts", {"prompt": "Where?"}),
    ],
)
def test_a_system_column_stands_before_what_was_asked_in_every_form_that_may_have_one(
    read, form, record, name
):
    found, [item], reasons, unread = read({**record, name: "Be brief."})
    assert (found, reasons, unread) == (form, [], {})
    assert item.messages == [{"role": "system", "content": "Be brief."}, user("Where?")]


def test_tools_beside_a_dialogue_stand_before_it(read):
    _, kept, _, _ = read({"messages": [user("Hi"), says("Hello.")], "tools": [{"name": "weather"}]})
    assert dialogue_of(kept[0])[0] == ("tools", '[{"name": "weather"}]')


def test_alpacas_system_and_history_are_turns(read):
    form, kept, _, _ = read(
        {
            "instruction": "And of Italy?",
            "input": "",
            "output": "Rome.",
            "system": "One word.",
            "history": [["The capital of France?", "Paris."], ["And of Spain?", "Madrid."]],
        }
    )
    assert form == "alpaca"
    assert [role for role, _ in dialogue_of(kept[0])] == ["system", *["user", "assistant"] * 3]
    assert [said["content"] for said in kept[0].messages] == ["One word.", "The capital of France?"]
    assert "Not read" not in read({"instruction": "a", "output": "b", "history": "c"})[2][0]


def test_the_history_of_an_alpaca_pair_is_turns(read):
    pair = {"instruction": "And of Italy?", "input": "", "chosen": "Rome.", "rejected": "Oslo."}
    form, [found], _, unread = read({**pair, "history": [["The capital of France?", "Paris."]]})
    assert (form, unread) == ("dpo", {})
    assert found.messages == [user("The capital of France?"), says("Paris."), user("And of Italy?")]


def test_a_records_weight_is_its_demonstrations_and_has_no_place_elsewhere(read):
    quarter = {"messages": [user("Hi"), says("Hello.")], "weight": 0.25}
    _, kept, reasons, _ = read(quarter, {**quarter, "weight": "much"}, {"prompt": "a", "completion": "b"})
    assert kept[0].demonstrations[0].weight == 0.25
    assert reasons[0] == 'The field "weight" is no number of 0 or more.'
    pair = {"prompt": "m", "chosen": "a", "rejected": "b"}
    form, kept, reasons, _ = read(pair, {**pair, "weight": 0.25})
    assert (form, len(kept)) == ("dpo", 1)
    assert reasons == [
        (
            'Not read, though it could change what the record means: "weight". Take that out, or rename it to a field '
            "that the guide has for it."
        )
    ]


def test_a_field_that_repeats_what_was_read_is_no_other(read):
    said = [user("Name a colour."), says("Blue.")]
    form, kept, _, unread = read({"prompt": "Name a colour.", "prompt_id": "a", "messages": said})
    assert (form, len(kept), unread) == ("messages", 1, {})
    _, kept, reasons, _ = read({"prompt": "Name a fruit.", "messages": said})
    assert '"prompt"' in reasons[0]


# ---------------------------------------------------------------- preferences

SKY = [user("What colour is the sky?")]


def sides(better="Blue.", worse="Green.", before=SKY, **more):
    return {"chosen": [*before, says(better)], "rejected": [*before, says(worse)], **more}


@pytest.mark.parametrize(
    "record",
    [
        sides(prompt="What colour is the sky?", prompt_id="ab", messages=[*SKY, says("Blue.")]),
        sides(),
        sides(before=[], prompt=SKY),
        sides(prompt=SKY),
        {"prompt": "What colour is the sky?", "chosen": "Blue.", "rejected": "Green."},
        {"question": "What colour is the sky?", "chosen": "Blue.", "rejected": "Green."},
        {"instruction": "What colour", "input": "is the sky?", "chosen": "Blue.", "rejected": "Green."},
        {"messages": SKY, "chosen": says("Blue."), "rejected": says("Green.")},
        {
            "prompt": "\n\nHuman: What colour is the sky?\n\nAssistant:",
            "chosen": "Blue.",
            "rejected": "Green.",
        },
    ],
)
def test_every_common_form_of_a_pair_is_a_ranking_of_two(read, record):
    form, [pair], reasons, unread = read(record)
    assert (form, reasons, unread) == ("dpo", [], {})
    asked = "What colour\n\nis the sky?" if "input" in record else SKY[0]["content"]
    assert pair.messages == [user(asked)]
    assert [row.text for row in pair.completions] == ["Blue.", "Green."]
    assert pair.rankings[0].tiers == [[0], [1]]


def test_a_pair_of_dialogues_keeps_all_that_was_said_before(read):
    before = [{"role": "system", "content": "Be kind."}, user("Hi"), says("Hello."), user("How are you?")]
    _, [pair], _, _ = read(sides(before=before))
    assert pair.messages == before
    _, [orca], _, _ = read({"system": "Be kind.", "question": "Hi", "chosen": "Hello.", "rejected": "No."})
    assert orca.messages == [before[0], user("Hi")]


def test_a_pair_that_differs_in_several_turns_is_refused_by_the_rule(read):
    table = [says("For how many?"), user("Four."), says("Booked.")]
    rows = [
        {"prompt": SKY, "chosen": table, "rejected": [says("No."), user("Why?"), says("So.")]},
        {"prompt": SKY, "chosen": [says("Done.")], "rejected": table},
        sides(prompt="Another question?"),
        {"chosen": "Blue.", "rejected": "Green."},
        {"prompt": SKY, "chosen": [says("x", reasoning_content="y")], "rejected": [says("z")]},
    ]
    reasons = [read(row, *rows[:1])[2][0] for row in rows]
    assert all("differ before the last reply" in reason for reason in reasons[:2])
    assert "do not begin with what the record says that was asked" in reasons[2]
    assert "no field says what it answers" in reasons[3] or "no field says what they answer" in reasons[3]
    assert "only texts can be compared" in reasons[4]


def test_margins_and_scores_are_the_margin_of_the_pair(read):
    pair = {"prompt": "m", "chosen": "a", "rejected": "b"}
    _, kept, reasons, unread = read(
        {**pair, "margin": 2.5},
        {**pair, "score_chosen": 9, "score_rejected": 2},
        {**pair, "score_chosen": 2, "score_rejected": 9},
        {**pair, "margin": "wide"},
    )
    assert [item.rankings[0].metadata for item in kept] == [{"margin": 2.5}, {"margin": 7.0}]
    assert "the rejected reply is the better one" in reasons[0]
    assert reasons[1] == 'The field "margin" is no number.'
    assert not unread


def test_thumbs_and_prompts_may_be_turns(read):
    white = {"prompt": [user("Is snow white?")], "completion": [says("Yes.")], "label": True}
    form, [thumb], _, _ = read(white)
    assert (form, thumb.messages) == ("kto", [user("Is snow white?")])
    assert thumb.completions[0].ratings[0].value == 1.0
    form, kept, reasons, _ = read(
        {"prompt": [{"role": "system", "content": "Be brief."}, user("And the sea?")]},
        {"prompt": [says("x")]},
    )
    assert (form, len(kept[0].messages)) == ("prompts", 2)
    assert "does not end with the user" in reasons[0]


@pytest.mark.parametrize(
    ("record", "what"),
    [
        ({"prompt": "Name a bird.", "response": "Owl.", "helpfulness": 4}, "an answer with a judgement"),
        (
            {"text": "A fish?", "completion_a": "Cod.", "completion_b": "Frog.", "overall_pref": "A"},
            "several answers",
        ),
        (
            {"prompt": "A king?", "response_a": "Arthur", "response_b": "Bob", "winner": "a"},
            "several answers",
        ),
        ({"prompt": "A hat?", "completion": "Red.", "score": 1}, "an answer with a judgement"),
    ],
)
def test_a_judgement_that_no_form_reads_is_no_bare_prompt(read, record, what):
    form, kept, reasons, _ = read(record)
    assert (form, kept) == (None, [])
    assert reasons[0].startswith(f"It looks like {what}")
    plain = {"prompt": "Plain?"} if "completion" not in record else {"prompt": "a", "completion": "b"}
    form, kept, reasons, _ = read(plain, record)
    assert len(kept) == len(reasons) == 1, "nor among records that are read"


def test_ranks_are_an_order_with_ties(read):
    form, [found], _, _ = read({"prompt": "k", "completions": ["a", "b", "c"], "ranks": [2, 1, 1]})
    assert (form, found.rankings[0].tiers) == ("ranks", [[1, 2], [0]])
    answers = [
        {"answer": "Mars.", "model": "m1", "rank": 1.0},
        {"answer": "Venus.", "model": "m2", "rank": 2.0},
    ]
    nectar = {
        "prompt": "\n\nHuman: A planet?\n\nAssistant: ",
        "answers": answers,
        "turns": 1,
        "good_natured": True,
    }
    form, [found], _, unread = read(nectar)
    assert (form, found.messages, unread) == ("nectar", [user("A planet?")], {})
    assert [row.model_name for row in found.completions] == ["m1", "m2"]


def test_an_early_trees_root_names_its_parent_none(read):
    reply = {"message_id": "a2", "parent_id": "a1", "text": "Hi.", "role": "assistant", "rank": 0}
    root = {"message_id": "a1", "parent_id": "None", "text": "Hello?", "role": "prompter", "rank": None}
    nested = {**root, "replies": [reply, {**reply, "message_id": "a3", "rank": 1}]}
    _, [tree], _, _ = read(nested)
    assert tree.messages[0].parent == ""
    _, [tree], _, _ = read(root, reply)
    assert [row.parent for row in tree.messages] == ["", "a1"]
    assert tree.messages[0].fields["parent_id"] == "None", "and goes out as it came"


@pytest.mark.parametrize(
    ("record", "left"),
    [
        ({**sides(), "prompt": "What colour is the sky?", "question": "Is it night?"}, "question"),
        ({"prompt": "a", "chosen": "b", "rejected": "c", "history": [["d", "e"]]}, "history"),
        ({"prompt": "a", "chosen": "b", "rejected": "c", "input": "d"}, "input"),
        (
            {"messages": [user("a"), says("b")], "conversations": [{"from": "human", "value": "c"}]},
            "conversations",
        ),
        ({"prompt": "a", "completion": "b", "label": True, "messages": [user("c"), says("d")]}, "messages"),
        ({"prompt": "a", "text": "b"}, "text"),
        ({"messages": [user("a", refusal="no"), says("b", refusal="b")]}, "messages.refusal"),
    ],
)
def test_of_two_ways_to_say_one_thing_none_is_passed_over(read, record, left):
    form, kept, reasons, _ = read(record)
    assert (form, kept) == (None, [])
    assert f'could change what the record means: "{left}"' in reasons[0]


def test_a_good_record_of_a_file_that_is_not_understood_says_so(read):
    bad = {"prompt": "a", "chosen": "b", "rejected": "c", "weight": 2}
    _, _, reasons, _ = read(*[bad] * 20, {"prompt": "a", "chosen": "b", "rejected": "c"})
    assert reasons[-1] == "No form reads the first records of this file; name one (this looks like dpo)."
