"""What each format means, on small files of our own in the real shapes. No database."""

import json
from collections import Counter

import pytest

from annotate.exchange.formats.deriving import derive
from annotate.exchange.formats.detect import BY_NAME, detect, parse_file
from annotate.exchange.formats.records import Feedback, MessageRow, Rejected, TreeRow

from .conftest import SAMPLES

NAMES = {
    "afriqa.json": "afriqa",
    "alpaca.json": "alpaca",
    "dpo.json": "dpo",
    "expert_questions.jsonl": "expert-questions",
    "hh.jsonl": "hh",
    "kto.json": "kto",
    "llmbar.json": "llmbar",
    "k_wise.jsonl": "k-wise",
    "messages.jsonl": "messages",
    "nectar.jsonl": "nectar",
    "oasst_flat.jsonl.gz": "oasst-flat",
    "oasst_roots.jsonl": "oasst",
    "oasst_trees.jsonl": "oasst",
    "pandalm.json": "pandalm",
    "parley.csv": "csv",
    "prompt_completion.jsonl": "prompt-completion",
    "prompts.jsonl": "prompts",
    "questions.jsonl": "questions",
    "questions_answers.json": "question-answer",
    "ranks.jsonl": "ranks",
    "reference_answers.jsonl": "reference-answers",
    "sampling_report.json": "sampling-report",
    "seed_messages.json": "oasst-flat",
    "seed_tasks.jsonl": "self-instruct",
    "sharegpt.json": "sharegpt",
    "squad.json": "squad",
    "squality.jsonl": "squality",
    "user_oriented.jsonl": "user-oriented",
}


@pytest.fixture
def read(tmp_path):
    """read(file name) -> (what is stored of it, what is refused)."""

    def run(name):
        path = SAMPLES / name
        found = list(parse_file(path, detect(path), tmp_path / "scratch"))
        kept = [item for item in found if not isinstance(item, Rejected)]
        return kept, [item for item in found if isinstance(item, Rejected)]

    return run


def said(item: Feedback):
    return [message["content"] for message in item.messages]


def test_every_format_is_known_by_its_fields_whatever_the_file_is_called(tmp_path):
    for name, form in NAMES.items():
        path = tmp_path / "download"
        path.write_bytes((SAMPLES / name).read_bytes())
        assert detect(path).name == form, name
    assert set(NAMES.values()) == set(BY_NAME)
    assert {path.name for path in SAMPLES.iterdir()} == set(NAMES)


def test_a_tree_is_read_with_its_messages_parents_first(read):
    trees, refused = read("oasst_trees.jsonl")
    assert not refused
    assert [tree.external_id for tree in trees] == ["lh-0", "hb-0", "wait-0", "halt-0", "hb-0"]
    lighthouse = trees[0]
    assert [m.external_id for m in lighthouse.messages] == [
        "lh-0",
        "lh-1",
        "lh-5",
        "lh-6",
        "lh-2",
        "lh-3",
        "lh-4",
    ]
    assert lighthouse.messages[0].fields["emojis"] == {"+1": 2}
    assert lighthouse.messages[1].rank == 0


def test_prompts_rankings_and_demonstrations_follow_from_a_tree(read):
    trees, _ = read("oasst_trees.jsonl")
    first, second = derive(trees[0])
    assert said(first) == ["Why do lighthouses have stripes?"]
    # The deleted reply, rank 1, is in nothing; ranks 0, 2, 2 are a best one and a tie.
    assert [c.external_id for c in first.completions] == ["lh-1", "lh-2", "lh-3"]
    assert first.rankings[0].tiers == [[0], [1, 2]]
    assert first.rankings[0].author == ""
    assert {(r.criterion, r.value) for r in first.completions[0].ratings} == {
        ("quality", 0.75),
        ("spam", 0.0),
    }
    assert said(second)[-1] == "And by night?"
    assert len(said(second)) == 3
    threads = [d.messages[-1]["content"] for item in (first, second) for d in item.demonstrations]
    assert threads == ["Nobody knows.", "It looks nice.", "By the rhythm of the light."]


def test_nothing_a_program_wrote_is_a_demonstration(read):
    trees, _ = read("oasst_trees.jsonl")
    tide, thanks = derive(trees[1])
    assert tide.language == "es"
    assert [c.model_name for c in tide.completions] == ["", "toy-7b"]
    assert tide.rankings[0].tiers == [[0], [1]]
    assert not tide.demonstrations  # hb-1 is no leaf, hb-2 is synthetic
    assert not thanks.completions


def test_only_prompts_that_wait_for_people_become_work(read):
    trees, _ = read("oasst_trees.jsonl")
    assert [derive(tree)[0].wants_work for tree in trees[:4]] == [False, False, True, False]


def test_flat_messages_in_any_order_become_trees_and_a_cut_off_part_stays_apart(read):
    (lighthouse, lost), refused = read("oasst_flat.jsonl.gz")
    assert not refused
    assert lighthouse.external_id == "lh-0"
    assert lighthouse.messages[0].external_id == "lh-0"
    assert len(lighthouse.messages) == 7
    assert lighthouse.messages[0].author == "user-0"
    assert {(r.criterion, r.value) for r in derive(lighthouse)[0].completions[0].ratings} == {
        ("quality", 0.5),
        ("toxicity", 0.0),
    }
    assert lost.external_id == "lost-0"
    assert derive(lost) == []  # its beginning is not known


def test_the_first_seed_messages_are_trees_too(read):
    trees, _ = read("seed_messages.json")
    assert [tree.external_id for tree in trees] == ["s1", "s5"]
    assert [tree.form for tree in trees] == ["seed", "seed"]
    boat = [item for item in derive(trees[0])]
    assert boat[1].demonstrations[0].messages[-1]["content"] == "Fold the corners to the middle."


def test_hh_judges_the_last_reply_only(read):
    kept, refused = read("hh.jsonl")
    assert [len(item.messages) for item in kept] == [1, 3, 1]
    assert kept[1].completions[0].text == "Look for the pole star."
    assert kept[2].completions[0].text == "I have none.\n\nTruly."
    assert [(r.line, r.reason) for r in refused] == [
        (4, "The chosen reply is empty."),
        (5, "The two sides differ before the last reply, so it is not clear which text was judged."),
    ]


def test_three_judges_make_three_rankings_and_true_is_a_word(read):
    (sea, wet), _ = read("pandalm.json")
    assert [r.tiers for r in sea.rankings] == [[[0], [1]], [[0], [1]], [[0, 1]]]
    assert [r.author for r in sea.rankings] == ["annotator1", "annotator2", "annotator3"]
    assert [c.model_name for c in sea.completions] == ["ant-7b", "bee-7b"]
    assert said(wet) == ["Is it true?\n\nWater is wet."]
    assert [c.text for c in wet.completions] == ["true", ""]
    assert wet.rankings[0].tiers == [[1], [0]]


def test_each_rater_of_squality_gives_an_order_and_ratings(read):
    (question,), _ = read("squality.jsonl")
    assert question.num_records == 6
    assert "passage 77" in said(question)[0]
    assert [(r.author, r.tiers) for r in question.rankings] == [
        ("1", [[2], [1], [0]]),
        ("2", [[1], [2], [0]]),
    ]
    ratings = [(i, r.criterion, r.value, r.scale_max) for i, r in question.rankings[1].ratings]
    assert (1, "overall", 90.0, 100) in ratings
    assert len(ratings) == 9


def test_the_right_output_of_llmbar_comes_first(read):
    (french, count), _ = read("llmbar.json")
    assert french.rankings[0].tiers == [[1], [0]]
    assert count.rankings[0].tiers == [[0], [1]]


def test_dialogues_keep_their_system_turn_and_tool_calls_keep_a_role_of_their_own(read):
    (_, brief), _ = read("messages.jsonl")
    assert [m["role"] for m in brief.messages] == ["system", "user"]
    assert len(brief.demonstrations[0].messages) == 5
    (_, tide), _ = read("sharegpt.json")
    assert [m["role"] for m in tide.demonstrations[0].messages] == ["user", "tool_call", "tool", "assistant"]


def test_a_pair_is_a_ranking_and_a_thumb_a_rating(read):
    (pair,), _ = read("dpo.json")
    assert [m["role"] for m in pair.messages] == ["system", "user"]
    assert pair.rankings[0].tiers == [[0], [1]]
    thumbs, _ = read("kto.json")
    assert [item.completions[0].ratings[0].value for item in thumbs] == [1.0, 0.0]


def test_instructions_become_demonstrations(read):
    (fish, sea, again), _ = read("alpaca.json")
    assert said(sea) == ["Translate.\n\nmer"]
    assert fish.demonstrations[0].external_id == again.demonstrations[0].external_id
    rhymes, _ = read("seed_tasks.jsonl")
    assert [item.demonstrations[0].messages[1]["content"] for item in rhymes] == ["coat", "bee"]
    assert [item.num_records for item in rhymes] == [1, 0]
    answers, _ = read("questions_answers.json")
    assert said(answers[2]) == ["It rained all day.\n\nWas it dry?"]
    parts, _ = read("prompt_completion.jsonl")
    assert [item.demonstrations[0].messages[1]["content"] for item in parts] == ["Hi", "Bye"]


def test_short_answers_are_taken_out_of_their_spelled_list(read):
    questions, _ = read("afriqa.json")
    answers = [[d.messages[1]["content"] for d in item.demonstrations] for item in questions]
    assert answers == [["ndox mu bare"], [], ["l'ami"]]
    assert {item.language for item in questions} == {"wol"}


def test_a_question_is_asked_alone_where_it_is_the_pages_title(read):
    (alone, about), _ = read("squad.json")
    assert said(alone) == ["Puis-je pêcher ici ?"]
    assert said(about)[0].startswith("La pêche est libre.")
    assert said(about)[0].endswith("Quelle longueur a le quai ?")


def test_prompt_lists_for_evaluation_are_marked(read):
    for name in ("questions.jsonl", "user_oriented.jsonl"):
        (prompt,), _ = read(name)
        assert prompt.metadata["evaluation_only"] is True
    lottery, _ = read("prompts.jsonl")
    assert len(lottery) == 3
    assert not any(item.metadata.get("evaluation_only") for item in lottery)
    (diver,), _ = read("expert_questions.jsonl")
    assert diver.author == "7"


def test_reference_answers_without_their_questions_are_refused_with_the_reason(read):
    kept, refused = read("reference_answers.jsonl")
    assert not kept
    assert "question 81 by number only" in refused[0].reason


def test_a_sampling_report_holds_candidates(read):
    (rain,), _ = read("sampling_report.json")
    assert [c.text for c in rain.completions] == ["It falls.", "It rains.", "It falls."]
    assert rain.completions[0].model_name == "toy/tiny"
    assert rain.completions[0].sampling == {"config": "k50", "temperature": 1.0}
    assert rain.completions[0].seed == 42
    assert not rain.rankings


def test_the_form_in_which_a_tree_came_is_known(read):
    (root,), _ = read("oasst_roots.jsonl")
    assert isinstance(root, TreeRow)
    assert (root.form, root.external_id) == ("root", "lh-0")


@pytest.mark.parametrize(
    "record",
    [
        {"messages": [{"role": "user", "content": "Va ?"}, {"role": "assistant", "content": "Oui."}]},
        {"instruction": "Va ?", "output": "Oui."},
        {"prompt": "Va ?", "chosen": [{"role": "assistant", "content": "Oui."}], "rejected": "Non."},
        {"prompt": "Va ?"},
    ],
)
def test_a_records_own_language_is_its_language_where_it_is_a_tag(tmp_path, record):
    path = tmp_path / "file.jsonl"
    tags = [{"language": "fr"}, {"lang": "pt-BR"}, {"language": "French"}, {"language": 7}, {}]
    path.write_text("".join(json.dumps(record | tag) + "\n" for tag in tags))
    found = list(parse_file(path, detect(path), tmp_path / "scratch"))
    assert [item.language for item in found] == ["fr", "pt-BR", "", "", ""]
    for item, tag in zip(found, tags, strict=True):
        about = item.demonstrations[0].metadata if item.demonstrations else item.metadata
        assert item.rankings or about == (tag if not item.language else {})


def ranked_by(*events) -> TreeRow:
    replies = [
        MessageRow(1, name, "q", "assistant", name.upper(), {}, rank=place)
        for place, name in enumerate(["a", "b", "c"])
    ]
    asked = MessageRow(1, "q", "", "prompter", "Which?", {"events": {"ranking": list(events)}})
    return TreeRow(1, "q", "tree", [asked, *replies])


def test_each_persons_own_ranking_among_the_events_stands_in_for_the_consensus():
    tree = ranked_by(
        {"type": "ranking", "user_id": "ann", "ranking": [2, 0], "ranked_message_ids": ["c", "a"]},
        {"user_id": "ben", "ranked_message_ids": ["b", "a", "gone"], "not_rankable": True},
        {"user_id": "ann", "ranked_message_ids": ["c", "a", "b"], "tiers": [["c"], ["a", "b"]]},
    )
    [found] = derive(tree)
    assert [(row.author, row.tiers, row.all_bad) for row in found.rankings] == [
        ("ann", [[2], [0]], False),
        ("ben", [[1], [0]], True),
        ("ann", [[2], [0, 1]], False),
    ]
    assert len({row.external_id for row in found.rankings}) == 3
    assert derive(ranked_by())[0].rankings[0].tiers == [[0], [1], [2]], "the consensus, where there are none"


@pytest.mark.parametrize(
    "event",
    [
        None,
        "first",
        {"user_id": 7, "ranked_message_ids": ["a", "b"]},
        {"ranked_message_ids": "ab"},
        {"ranked_message_ids": ["a", ["b"], None]},
        {"ranked_message_ids": ["a", "a"]},
        {"tiers": {"a": 1}},
        {"tiers": [["a"], "b"]},
    ],
)
def test_an_event_of_another_form_is_passed_over(event):
    assert [row.author for row in derive(ranked_by(event))[0].rankings] == [""]
    odd = ranked_by()
    odd.messages[0].fields["events"] = event
    assert derive(odd)[0].rankings[0].tiers == [[0], [1], [2]]


def test_fields_that_a_form_does_not_know_are_counted_by_name(tmp_path):
    path = tmp_path / "file.jsonl"
    records = [
        {"question": "Two and two?", "answer": "4", "topic": "sums", "source": ""},
        {"question": "Is ice cold?", "answer": "Yes.", "topic": "water", "id": 7, "language": "en"},
        *({"question": "Why?", "answer": "So.", f"tag {number}": True} for number in range(200)),
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    unread = Counter()
    list(parse_file(path, detect(path), tmp_path / "scratch", unread))
    assert unread["topic"] == 2
    assert "source" not in unread, "empty"
    assert (len(unread), unread["…"]) == (101, 101)


def test_fields_are_looked_for_at_every_depth(tmp_path):
    path = tmp_path / "file.jsonl"
    turns = [{"role": "user", "content": "Hi", "name": "Ann"}, {"role": "assistant", "content": "Hello."}]
    path.write_text(json.dumps({"messages": turns}) + "\n")
    unread = Counter()
    list(parse_file(path, detect(path), tmp_path / "scratch", unread))
    assert unread == {"messages.name": 1}


def test_a_field_before_the_list_of_a_document_is_counted_too(tmp_path):
    path = tmp_path / "file.json"
    document = {"args": {"seed": 1}, "hardware": "one card", "prompts": []}
    document["prompts"] = [{"prompt": "Why?", "results": [{"sampling_config": "k50", "outputs": ["So."]}]}]
    path.write_text(json.dumps(document))
    unread = Counter()
    list(parse_file(path, detect(path), tmp_path / "scratch", unread))
    assert unread == {"hardware": 1}
