"""Snapshots over the API: who may, what is answered, what is refused."""

import pytest

from annotate.exchange.importing import import_file
from annotate.snapshots.models import Snapshot
from annotate.snapshots.services import advance_snapshots
from tests.annotate.exchange.conftest import SAMPLES

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_directories(settings, tmp_path):
    settings.UPLOADS_DIR = tmp_path / "uploads"
    settings.SNAPSHOTS_DIR = tmp_path / "snapshots"


@pytest.fixture
def campaign(new_campaign, alice):
    return new_campaign("ranking", members=[alice], name="Sea Birds")


def test_a_trainer_asks_for_a_snapshot_and_the_clock_writes_it(campaign, tom_client):
    import_file(SAMPLES / "oasst_trees.jsonl", campaign)
    answer = tom_client.post("/api/snapshots", {"campaigns": [campaign.id], "name": "first"}, format="json")
    assert answer.status_code == 201
    made = answer.json()
    assert (made["state"], made["counts"], made["campaigns"]) == (
        *("writing", {}),
        [{"id": campaign.id, "name": "Sea Birds"}],
    )
    advance_snapshots()
    done = tom_client.get(f"/api/snapshots/{made['id']}").json()
    assert done["state"] == "ready"
    assert done["counts"] == {"prompts": 6, "demonstrations": 3, "rankings": 2, "comparisons": 3}
    assert {name: sum(split.values()) for name, split in done["splits"].items()} == done["counts"]
    assert set(done["splits"]["prompts"]) <= {"train", "validation"}
    assert len(done["manifest_sha256"]) == 64
    listed = tom_client.get("/api/snapshots").json()
    assert listed["count"] == 1
    assert listed["results"][0]["name"] == "first"


def test_snapshots_that_cannot_be_made_are_refused_in_words(campaign, tom_client):
    for body in [
        {},
        {"campaigns": []},
        {"campaigns": [999999]},
        {"campaigns": [campaign.id], "name": "../up"},
    ]:
        answer = tom_client.post("/api/snapshots", body, format="json")
        assert answer.status_code == 400, body
        assert answer.json()["errors"]
    assert not Snapshot.objects.exists()
