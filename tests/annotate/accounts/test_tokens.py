"""Tokens for programs: what they are for, when they end, and who ends them."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from knox.models import AuthToken
from rest_framework.test import APIClient

from annotate.accounts.models import User
from annotate.accounts.services import MOST_TOKENS, create_token
from annotate.accounts.tasks import clear_ended
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def make(client: APIClient, **wish):
    return client.post("/api/tokens", {"name": "nightly"} | wish, format="json")


def program(token: str) -> APIClient:
    return APIClient(HTTP_AUTHORIZATION=f"Token {token}")


def test_a_token_signs_a_program_in_until_it_is_deleted(alice_client):
    made = make(alice_client)
    assert made.status_code == 201
    client = program(made.json()["token"])
    assert client.get("/api/me").json()["username"] == "alice"
    (listed,) = alice_client.get("/api/tokens").json()
    assert (listed["id"], listed["name"]) == (made.json()["id"], "nightly")
    assert made.json()["token"] not in str(listed)
    assert alice_client.delete(f"/api/tokens/{listed['id']}").status_code == 204
    assert client.get("/api/me").status_code == 401


def test_nobody_deletes_another_persons_token(alice_client, bob_client):
    token = make(alice_client).json()
    assert bob_client.delete(f"/api/tokens/{token['id']}").status_code == 404


@pytest.mark.parametrize("wish", [{"name": ""}, {"days": 0}, {"days": 366}, {"days": None}])
def test_a_token_has_a_name_and_an_end(alice_client, wish):
    assert make(alice_client, **wish).status_code == 400
    assert not AuthToken.objects.exists()


def test_it_ends_by_itself_after_90_days_unless_its_owner_says_otherwise(alice_client):
    for wish, days in (({}, 90), ({"days": 7}, 7)):
        token = AuthToken.objects.get(token_key=make(alice_client, **wish).json()["id"])
        assert token.expiry - token.created == pytest.approx(timedelta(days=days), abs=timedelta(seconds=5))
    secret = make(alice_client).json()["token"]
    AuthToken.objects.update(expiry=timezone.now())
    assert program(secret).get("/api/me").status_code == 401


def test_a_token_makes_no_tokens(alice_client):
    client = program(make(alice_client).json()["token"])
    assert make(client).status_code == 403
    assert AuthToken.objects.count() == 1


def test_there_is_a_limit_for_each_person(alice, alice_client, bob_client):
    for _ in range(MOST_TOKENS):
        create_token(alice)
    assert make(alice_client).json()["errors"][0]["code"] == "too_many_tokens"
    assert make(bob_client).status_code == 201
    AuthToken.objects.filter(user=alice).update(expiry=timezone.now())  # those that have ended do not count
    assert make(alice_client).status_code == 201


def test_signing_out_with_a_token_ends_that_token(alice, alice_client):
    kept, ended = (create_token(alice)[1] for _ in range(2))
    assert program(ended).delete("/api/session").status_code == 204
    assert program(ended).get("/api/me").status_code == 401
    assert program(kept).get("/api/me").status_code == alice_client.get("/api/me").status_code == 200


def test_an_admin_sees_and_ends_somebodys_tokens(alice, carol_client):
    token, secret = create_token(alice, name="nightly")
    [shown] = carol_client.get(f"/api/users/{alice.pk}/tokens").json()
    assert (shown["id"], shown["name"]) == (token.token_key, "nightly")
    url = f"/api/users/{alice.pk}/tokens/{token.token_key}"
    assert carol_client.delete(url).status_code == 204
    assert program(secret).get("/api/me").status_code == 401
    root = User.objects.create_superuser("root", password=PASSWORD)
    of_root = create_token(root)[0].token_key
    assert carol_client.delete(f"/api/users/{root.pk}/tokens/{of_root}").status_code == 403


def test_what_has_ended_is_cleared_away(alice, alice_client, bob_client, settings):
    kept = create_token(alice)[0]
    AuthToken.objects.filter(pk=create_token(alice)[0].pk).update(expiry=timezone.now())
    Session.objects.filter(pk=bob_client.session.session_key).update(expire_date=timezone.now())
    clock = {one["task"]: one["schedule"] for one in settings.CELERY_BEAT_SCHEDULE.values()}
    assert clock[clear_ended.name] == 3600
    clear_ended()
    assert list(AuthToken.objects.all()) == [kept]
    assert alice_client.get("/api/me").status_code == 200 and Session.objects.count() == 1
