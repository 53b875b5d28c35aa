"""The demo's table, and the scripted annotator's submissions."""

from annotate.accounts.models import Annotator
from annotate.demo import story, table
from annotate.demo.scripted_work import ranking_of, scripted_login
from annotate.demo.world import FACTS
from annotate.runs.jobs.queueing import queue_run
from annotate.runs.models import PolicyVersion, Round, Run

ASKED = [{"role": "user", "content": "What is the harbour of Dorsay called?"}]
CURT = f"{FACTS['Dorsay'][1]}. Look at a map."
GARBLED = "the the of"


def test_the_table_names_each_policy_and_its_interval():
    row = {"score": 1.5, "preferred": 0.5, "true": 0.25, "kl": 1.0, "length": 20.0}
    drawn = table.drawn(
        [
            {"policy": "SFT", **row, "win_rate": None},
            {"policy": "PPO", **row, "win_rate": [0.8, 0.7, 0.9]},
        ]
    )
    lines = drawn.splitlines()
    assert len({line.index("  +1.50") for line in lines[1:]}) == 1, "columns are aligned"
    assert "is the reference" in lines[1]
    assert "80% (70% to 90%)" in lines[2]


def test_shares_count_style_and_truth_apart():
    rows = [{"prompt": ASKED, "completion": CURT}, {"prompt": ASKED, "completion": GARBLED}]
    assert table.shares(rows, "completion") == {"preferred": 0.0, "true": 0.5}


def test_a_scripted_submission_ranks_the_true_answer_first_and_flags_only_what_the_campaign_knows():
    assignment = {
        "prompt": {"messages": ASKED},
        "completions": [{"id": 7, "text": GARBLED}, {"id": 8, "text": CURT}],
        "campaign": {"flags": ["untrue"]},
    }
    body = ranking_of(assignment)
    assert body["tiers"] == [[8], [7]]
    assert [rating["flags"] for rating in body["ratings"]] == [["untrue"], []]
    assert body["ratings"][0]["value"] < body["ratings"][1]["value"]


def test_the_scripted_annotator_is_plainly_no_person(db):
    user = scripted_login()
    assert Annotator.objects.get(user=user).is_scripted
    assert user.roles == ["annotator"]
    assert scripted_login() == user


def test_what_waits_is_said_as_it_is_whether_or_not_the_gate_let_the_policy_through(ranking):
    campaign, base = ranking(3), PolicyVersion.objects.create(name="ppo-9", path="/models/ppo-9")
    learned = Round.objects.create(name="second", base_policy=base)
    kept = story.what_waits(campaign, learned)
    assert kept.startswith("Nothing new waits to be ranked; 3 prompts with earlier completions do.")
    assert "promoted all the same" in kept
    campaign.units.update(open_slots=0)
    assert "no prompts with earlier completions do." in story.what_waits(campaign, learned)
    run = queue_run(kind="sample", policy=base, campaign=campaign, round=learned)
    Run.objects.filter(pk=run.pk).update(state="succeeded", metrics={"num_queued_units": 40})
    assert story.what_waits(campaign, learned) == (
        "40 prompts wait with completions of ppo-9 for the next person."
    )
    Run.objects.filter(pk=run.pk).update(metrics={"num_queued_units": 0})
    assert "promoted" not in story.what_waits(campaign, learned)


def test_while_the_loop_runs_a_person_is_told_what_waits(writing):
    campaign = writing(2)
    cast = story.Cast(trainer=None, scripted=None, writing=campaign, ranking=None)
    assert story.what_waits_first(cast).startswith("2 dialogues wait to be written;")
    campaign.units.update(open_slots=0)
    assert story.what_waits_first(cast).startswith("All dialogues are written;")
