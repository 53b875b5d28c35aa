"""What a row keeps of a path, and what it reads there."""

import pytest
from django.db import connection

from annotate.runs.models import PolicyVersion

pytestmark = pytest.mark.django_db


def kept(policy: PolicyVersion) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT path FROM runs_policyversion WHERE id = %s", [policy.pk])
        return cursor.fetchone()[0]


def test_a_backup_restored_elsewhere_reads_the_new_place(settings, tmp_path):
    settings.PARLEY_DATA = tmp_path / "old"
    inside = str(tmp_path / "old" / "runs" / "sft-1" / "model")
    policy = PolicyVersion.objects.create(name="p", path=inside)
    assert kept(policy) == "./runs/sft-1/model"
    assert PolicyVersion.objects.get(path=inside) == policy
    settings.PARLEY_DATA = tmp_path / "new"
    policy.refresh_from_db()
    assert policy.path == str(tmp_path / "new" / "runs" / "sft-1" / "model")


@pytest.mark.parametrize("path", ["/models/base", "Qwen/Qwen3-0.6B", "gpt2"])
def test_a_path_elsewhere_and_a_hub_id_stay_as_they_are(path):
    policy = PolicyVersion.objects.create(name="p", path=path)
    policy.refresh_from_db()
    assert (policy.path, kept(policy)) == (path, path)
