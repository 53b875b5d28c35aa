"""Every real file beside the project is taken in, and its counts are those of FACTS.json.

Which fact counts as a file's records: lines of nested trees, messages of flat ones, questions of SQuAD pages,
reviews of SQuALITY, and the obvious ones elsewhere. Rankings and pairs are those without deleted replies.
"""

import json

import pytest
from django.db import connection

from annotate.campaigns.models import Campaign
from annotate.exchange.importing import import_file
from annotate.exchange.storing import stored_counts
from annotate.feedback.models import Unit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

# file: (the fact that counts its records, format, duplicates, refused, what is stored)
FILES = {
    "afriqa/queries.afriqa.fon.fr.dev.json": ("records", "afriqa", 0, 0, {"demonstrations": 289}),
    "afriqa/queries.afriqa.fon.fr.train.json": ("records", "afriqa", 0, 0, {"demonstrations": 289}),
    "afriqa/queries.afriqa.wol.fr.dev.json": ("records", "afriqa", 3, 0, {"demonstrations": 247}),
    "afriqa/queries.afriqa.wol.fr.train.json": ("records", "afriqa", 2, 0, {"demonstrations": 244}),
    "afriqa/queries.afriqa.yor.en.dev.json": ("records", "afriqa", 0, 0, {"demonstrations": 248}),
    "afriqa/queries.afriqa.yor.en.train.json": ("records", "afriqa", 0, 0, {"demonstrations": 249}),
    "alpaca_format/alpaca_en_demo.json.gz": ("records", "alpaca", 14, 0, {"demonstrations": 985}),
    "chat_formats/dpo_en_demo.json.gz": ("dialogues", "dpo", 5, 0, {"rankings": 295, "comparisons": 295}),
    "chat_formats/dummy_conversation.json.gz": ("dialogues", "sharegpt", 0, 0, {"demonstrations": 500}),
    "chat_formats/glaive_toolcall_en_demo.json.gz": ("dialogues", "sharegpt", 35, 0, {"demonstrations": 265}),
    "chat_formats/kto_en_demo.json.gz": ("dialogues", "kto", 0, 0, {"ratings": 300}),
    "eval_prompts/mt_bench_question.jsonl": ("records", "questions", 0, 0, {"prompts": 80}),
    "eval_prompts/mt_bench_reference_gpt-4.jsonl": ("records", "reference-answers", 0, 30, {"prompts": 0}),
    "eval_prompts/prompt_lottery_en_250_text.jsonl": ("records", "prompts", 0, 0, {"prompts": 250}),
    "eval_prompts/user_oriented_instructions.jsonl": ("records", "user-oriented", 0, 0, {"prompts": 180}),
    "eval_prompts/vicuna_bench_question.jsonl": ("records", "questions", 0, 0, {"prompts": 80}),
    "expertqa/r1_data_anon.jsonl.gz": ("records", "expert-questions", 0, 0, {"prompts": 2288, "authors": 522}),
    "expertqa/rand_lfqa_train.json.gz": ("records", "question-answer", 0, 0, {"demonstrations": 1734}),
    "expertqa/rand_lfqa_val.json.gz": ("records", "question-answer", 0, 0, {"demonstrations": 216}),
    "french/cnil_faq_squad.json.gz": ("questions", "squad", 7, 0, {"demonstrations": 404}),
    "french/gt_doremiti_instructions.jsonl": ("records", "alpaca", 0, 0, {"demonstrations": 28}),
    "french/oasst_20230412_fr_top1.jsonl.gz": ("dialogues", "messages", 0, 0, {"demonstrations": 213}),
    "french/seed_tasks_vigogne.jsonl": ("records", "self-instruct", 0, 0, {"demonstrations": 175}),
    "gsm8k/train.jsonl.gz": ("records", "question-answer", 0, 0, {"demonstrations": 7473}),
    "hh_harmless/test.part-1500.jsonl.gz": ("pairs", "hh", 0, 2, {"rankings": 1498, "comparisons": 1498}),
    "llmbar/adversarial_gptout.json": ("comparisons", "llmbar", 0, 0, {"rankings": 47, "comparisons": 47}),
    "llmbar/adversarial_manual.json": ("comparisons", "llmbar", 0, 0, {"rankings": 46, "comparisons": 46}),
    "llmbar/natural.json": ("comparisons", "llmbar", 0, 0, {"rankings": 100, "comparisons": 100}),
    "oa_trees/en_100_message.jsonl.gz": ("lines", "oasst", 0, 0, {"demonstrations": 277}),
    "oa_trees/en_100_tree.jsonl.gz": ("lines", "oasst", 0, 0, {"demonstrations": 277}),
    "oa_trees/pythia-12b-deduped-sft_sampling.json.gz": ("prompts", "sampling-report", 0, 0, {"prompts": 71}),
    "oa_trees/realistic_seed_data.json": ("messages", "oasst-flat", 0, 0, {"trees": 74, "messages": 444}),
    "oasst1_flat/en-validation.jsonl.gz": ("lines", "oasst-flat", 0, 0, {"demonstrations": 463}),
    "oasst2_multilingual/oasst2_filtered.jsonl.gz": ("lines", "oasst", 21, 0, {"demonstrations": 285}),
    "pandalm/testset-v1.json.gz": ("comparisons", "pandalm", 0, 0, {"rankings": 2253, "prompts": 128, "authors": 3}),
    "self_instruct/seed_tasks.jsonl": ("records", "self-instruct", 0, 0, {"demonstrations": 175}),
    "squality_human_eval/all-responses.jsonl.gz": (
        "reviews (one rater, one response)",
        "squality",
        *(0, 0),
        {"rankings": 210, "comparisons": 630, "ratings": 1890, "authors": 4, "prompts": 70},
    ),
}  # fmt: skip
TREES = [
    "oa_trees/en_100_tree.jsonl.gz",
    "oasst1_flat/en-validation.jsonl.gz",
    "oasst2_multilingual/oasst2_filtered.jsonl.gz",
]


@pytest.fixture
def facts(real_data):
    return json.loads((real_data / "FACTS.json").read_text())


def contents():
    """Every row of the tables that an import writes, as a hash each."""
    tables = [
        *("accounts_annotator", "exchange_tree", "exchange_message", "campaigns_prompt"),
        *("campaigns_completion", "feedback_unit", "feedback_demonstration", "feedback_ranking"),
        *("feedback_rating", "feedback_comparison"),
    ]
    with connection.cursor() as cursor:
        found = {}
        for table in tables:
            cursor.execute(f"SELECT md5(string_agg(t::text, '' ORDER BY id)) FROM {table} t")
            found[table] = cursor.fetchone()[0]
    return found


def test_every_file_is_known_to_these_tests(real_data, facts):
    there = {str(path.relative_to(real_data)) for path in real_data.glob("*/*.json*")}
    assert there == set(FILES) == {name for name in facts if "+" not in name}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_accounted_for_and_a_second_time_changes_nothing(real_data, facts, name):
    fact, form, num_duplicates, num_refused, stored = FILES[name]
    campaign = Campaign.objects.create(name=name, kind="ranking")
    report = import_file(real_data / name, campaign)
    assert report.format == form
    assert report.num_records == facts[name][fact]
    assert (report.duplicates, len(report.rejected)) == (num_duplicates, num_refused)
    counts = stored_counts(campaign)
    assert {what: counts[what] for what in stored} == stored
    if "implied pairs, sum of K(K-1)/2" in facts[name]:
        check_trees(facts[name], counts)

    before = contents()
    again = import_file(real_data / name, campaign)
    assert (again.accepted, len(again.rejected)) == (0, num_refused)
    assert again.num_records == report.num_records
    assert contents() == before


def check_trees(fact, stored):
    sets, pairs = fact["the same without deleted replies: sets, pairs"]
    assert (stored["rankings"], stored["comparisons"]) == (sets, pairs)
    assert stored["messages"] == fact["messages"]
    # A tree whose root is not in the file is a tree all the same.
    orphans = fact["orphan subtrees (parent not in the file)"]
    assert stored["trees"] == fact["trees (roots present)"] + orphans
    assert stored["authors"] == fact["distinct user_id"]
    assert stored["languages"] == len(fact["languages"])


def test_the_three_sources_of_trees_become_one_without_repetition(real_data, facts):
    expected = facts["oa_trees + oasst1_flat + oasst2_multilingual imported one after another"]
    campaign = Campaign.objects.create(name="all", kind="ranking")
    reports = [import_file(real_data / name, campaign) for name in TREES]
    stored = stored_counts(campaign)
    assert stored["trees"] == expected["distinct trees"] == 575
    assert stored["messages"] == expected["distinct messages"] == 3289
    assert stored["authors"] == expected["distinct user_id"] == 1427
    assert stored["languages"] == expected["languages"] == 30
    already = expected["already there when importing oasst1_flat/en-validation.jsonl.gz"]
    assert reports[1].duplicates == already["messages"] == 61
    already = expected["already there when importing oasst2_multilingual/oasst2_filtered.jsonl.gz"]
    assert reports[2].duplicates == 21 + already["their trees"]
    before = contents()
    for name in TREES:
        assert import_file(real_data / name, campaign).accepted == 0
    assert contents() == before


def test_a_models_unranked_completions_wait_to_be_ranked(real_data):
    campaign = Campaign.objects.create(name="sampled", kind="ranking")
    import_file(real_data / "oa_trees/pythia-12b-deduped-sft_sampling.json.gz", campaign)
    assert Unit.objects.filter(open_slots=1).count() == 71
    sizes = {unit.completions.count() for unit in Unit.objects.prefetch_related("completions")}
    assert max(sizes) == 7  # fewer where two completions are the same text
    first = Unit.objects.order_by("pk").first().completions.first()
    assert first.model_name == "theblackcat102/pythia-12b-deduped-sft"
    assert first.sampling["max_new_tokens"] == 128
    assert first.seed == 42


def test_prompts_without_an_answer_wait_to_be_answered(real_data):
    campaign = Campaign.objects.create(name="lottery", kind="demonstration")
    import_file(real_data / "eval_prompts/prompt_lottery_en_250_text.jsonl", campaign)
    assert Unit.objects.filter(campaign=campaign).count() == 250
    import_file(real_data / "expertqa/rand_lfqa_val.json.gz", campaign)
    assert Unit.objects.filter(campaign=campaign).count() == 250
