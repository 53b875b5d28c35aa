"""Sign-in and one's own login. tests/annotate/accounts/test_brake.py has the guessing, test_tokens.py the programs."""

import logging
import time

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from rest_framework.test import APIClient

from annotate.accounts.services import create_token
from tests.conftest import PASSWORD, signed_in

pytestmark = pytest.mark.django_db


def sign_in(client: APIClient, username: str = "alice", password: str = PASSWORD):
    return client.post("/api/session", {"username": username, "password": password}, format="json")


def test_signing_in_sets_a_session_and_tells_who_one_is(alice):
    client = APIClient(enforce_csrf_checks=True)
    answer = sign_in(client)
    assert answer.status_code == 200
    assert answer.json()["roles"] == ["annotator"]
    assert {"sessionid", "csrftoken"} <= set(client.cookies)
    assert client.get("/api/me").json()["username"] == "alice"


def test_a_wrong_password_is_one_sentence(alice):
    answer = sign_in(APIClient(), password="wrong")
    assert answer.status_code == 400
    assert answer.json()["detail"].endswith("do not go together.")
    assert answer.json()["detail"] == sign_in(APIClient(), username="nobody").json()["detail"]


def test_somebody_who_was_deactivated_cannot_sign_in(alice):
    alice.is_active = False
    alice.save()
    assert sign_in(APIClient()).status_code == 400


def test_what_a_page_of_somebody_else_still_sends_is_not_taken_as_theirs(alice, bob, alice_client):
    """Two windows of one browser: in one, bob has signed in, in the other the page of alice is still open."""
    assert alice_client.get("/api/my-work", headers={"X-Parley-Login": str(alice.id)}).status_code == 200
    refused = alice_client.get("/api/my-work", headers={"X-Parley-Login": str(bob.id)})
    assert refused.status_code == 401
    assert refused.json()["errors"][0]["code"] == "other_login"
    assert refused["WWW-Authenticate"]


def test_a_foreign_form_cannot_sign_anybody_in(alice):
    body = f'{{"username": "alice", "password": "{PASSWORD}"}}'
    assert APIClient().post("/api/session", body, content_type="text/plain").status_code == 415


def test_signing_out_ends_the_session(alice_client):
    assert alice_client.delete("/api/session").status_code == 204
    assert alice_client.get("/api/me").status_code == 401


def test_a_session_needs_the_csrf_token_to_write(alice):
    client = APIClient(enforce_csrf_checks=True)
    sign_in(client)
    assert client.patch("/api/me", {"language": "fr"}, format="json").status_code == 403
    token = client.cookies["csrftoken"].value
    answer = client.patch("/api/me", {"language": "fr"}, format="json", HTTP_X_CSRFTOKEN=token)
    assert answer.json()["language"] == "fr"


def test_people_change_their_name_and_language_and_nothing_else(alice, alice_client):
    answer = alice_client.patch(
        "/api/me", {"name": "Alice A.", "language": "fr", "roles": ["admin"]}, format="json"
    )
    assert answer.status_code == 200
    alice.refresh_from_db()
    assert (alice.first_name, alice.language, alice.roles) == ("Alice A.", "fr", ["annotator"])


def test_a_password_is_changed_by_who_knows_the_old_one(alice):
    client = APIClient()
    sign_in(client)
    wrong = client.post(
        "/api/password", {"old_password": "no", "new_password": "three blue doors"}, format="json"
    )
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "old_password")
    weak = client.post("/api/password", {"old_password": PASSWORD, "new_password": "12345"}, format="json")
    assert (weak.status_code, weak.json()["errors"][0]["field"]) == (400, "new_password")
    body = {"old_password": PASSWORD, "new_password": "three blue doors"}
    same = client.post("/api/password", body | {"new_password": PASSWORD}, format="json")
    assert (same.status_code, same.json()["errors"][0]["field"]) == (400, "new_password")
    elsewhere, (_token, secret) = signed_in(alice), create_token(alice)
    assert client.post("/api/password", body, format="json").status_code == 204
    assert client.get("/api/me").status_code == 200
    assert elsewhere.get("/api/me").status_code == 401
    assert APIClient(HTTP_AUTHORIZATION=f"Token {secret}").get("/api/me").status_code == 401
    assert sign_in(APIClient()).status_code == 400
    assert sign_in(APIClient(), password="three blue doors").status_code == 200


@pytest.mark.parametrize(
    "header", ["Token", "Token x y", "Token zzz", "Token \xff\xfe", "Token " + "a" * 9999, "Basic a"]
)
def test_an_odd_token_is_401(db, header):
    assert APIClient(HTTP_AUTHORIZATION=header).get("/api/me").status_code == 401


def test_a_session_that_nobody_uses_ends_and_one_in_use_goes_on_for_two_weeks(alice, settings):
    client = APIClient()
    sign_in(client)
    cookie = client.cookies["sessionid"]
    assert cookie["max-age"] == settings.SESSION_COOKIE_AGE == 24 * 3600
    assert "sessionid" not in client.get("/api/me").cookies  # no write at each request

    def later(began: float, seen: float) -> int:
        session = client.session
        session["began"], session["seen"] = int(time.time() - began), int(time.time() - seen)
        session.save()
        return client.get("/api/me")

    renewed = later(began=3600, seen=1200)
    assert renewed.status_code == 200 and renewed.cookies["sessionid"]["max-age"] == 24 * 3600
    last_hour = later(began=14 * 24 * 3600 - 3600, seen=1200)
    assert last_hour.cookies["sessionid"]["max-age"] == pytest.approx(3600, abs=5)
    left = Session.objects.get(pk=client.session.session_key).expire_date - timezone.now()
    assert left.total_seconds() == pytest.approx(3600, abs=5)


def test_answers_of_the_api_are_kept_by_nobody(alice_client):
    assert alice_client.get("/api/me")["Cache-Control"] == "no-store"
    assert alice_client.post("/api/tokens", {"name": "x"}, format="json")["Cache-Control"] == "no-store"


def test_with_https_plain_requests_are_sent_on_but_for_the_probe(client, db, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/api/me")["Location"].startswith("https://")
    assert client.get("/healthz").status_code == 200


def test_signing_out_everywhere_ends_every_session_and_token(alice, alice_client):
    program = APIClient(HTTP_AUTHORIZATION=f"Token {create_token(alice)[1]}")
    assert alice_client.delete("/api/sessions").status_code == 204
    assert alice_client.get("/api/me").status_code == program.get("/api/me").status_code == 401
    assert sign_in(APIClient()).status_code == 200


def test_who_was_deactivated_and_is_active_again_signs_in_anew(alice, carol_client):
    browser, program = signed_in(alice), APIClient(HTTP_AUTHORIZATION=f"Token {create_token(alice)[1]}")
    for is_active in (False, True):
        carol_client.patch(f"/api/users/{alice.pk}", {"is_active": is_active}, format="json")
        assert browser.get("/api/me").status_code == program.get("/api/me").status_code == 401
    assert sign_in(APIClient()).status_code == 200


def test_what_happens_at_the_doors_is_in_the_log_without_passwords(
    alice, alice_client, carol_client, caplog, settings
):
    caplog.set_level("INFO", "annotate")
    settings.SIGN_IN_TRIES = 1
    sign_in(APIClient(), username="ali\nce\u2028x", password="guessed wrongly")
    sign_in(APIClient())
    made = alice_client.post("/api/tokens", {"name": "nightly", "days": 7}, format="json").json()
    alice_client.delete(f"/api/tokens/{made['id']}")
    changed = {"old_password": PASSWORD, "new_password": "four green doors"}
    alice_client.post("/api/password", changed, format="json")
    carol_client.patch(f"/api/users/{alice.pk}", {"roles": ["trainer"]}, format="json")
    carol_client.patch(f"/api/users/{alice.pk}", {"password": "three blue doors"}, format="json")
    new = {"username": "dora", "password": "five red doors", "roles": ["admin"]}
    carol_client.post("/api/users", new, format="json")
    for _ in range(2):
        sign_in(APIClient(), username="dora", password="guessed wrongly")
    [configured] = [one for one in logging.getLogger().handlers if one.name == "stderr"]
    lines = [
        configured.format(record).partition(": ")[2]
        for record in caplog.records
        if record.name.startswith("annotate")
    ]
    for told in (
        "wrong password for ali\\x0ace\\u2028x from 127.0.0.1",
        "alice signed in from 127.0.0.1",
        f"token {made['id']} (nightly) of alice was made, for 7 days",
        f"token {made['id']} of alice was ended by alice",
        "login alice has a new password of its own",
        "login dora was made by carol, roles: admin",
        "sign-in of dora from 127.0.0.1 was put off: too many wrong tries",
        "login alice was changed by carol: is_annotator, is_trainer",
        "login alice was changed by carol: password, signed_out_at",
    ):
        assert told in lines
    assert not any(
        secret in line for line in lines for secret in ("guessed", PASSWORD, "doors", made["token"])
    )
