"""Sign-in, one's own login, and tokens."""

import pytest
from rest_framework.test import APIClient

from tests.conftest import PASSWORD

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


def test_guessing_is_slowed_down_for_that_name_only(alice, bob):
    codes = [sign_in(APIClient(), password=str(i)).status_code for i in range(25)]
    assert codes[:20] == [400] * 20
    assert set(codes[20:]) == {429}
    assert sign_in(APIClient(), username="bob").status_code == 200


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
    assert client.post("/api/password", body, format="json").status_code == 204
    assert client.get("/api/me").status_code == 200
    assert sign_in(APIClient()).status_code == 400
    assert sign_in(APIClient(), password="three blue doors").status_code == 200


def test_a_token_signs_a_program_in_until_it_is_deleted(alice_client):
    made = alice_client.post("/api/tokens", {}, format="json")
    assert made.status_code == 201
    program = APIClient(HTTP_AUTHORIZATION=f"Token {made.json()['token']}")
    assert program.get("/api/me").json()["username"] == "alice"
    (listed,) = alice_client.get("/api/tokens").json()
    assert listed["id"] == made.json()["id"]
    assert made.json()["token"] not in str(listed)
    assert alice_client.delete(f"/api/tokens/{listed['id']}").status_code == 204
    assert program.get("/api/me").status_code == 401


def test_nobody_deletes_another_persons_token(alice_client, bob_client):
    token = alice_client.post("/api/tokens", {}, format="json").json()
    assert bob_client.delete(f"/api/tokens/{token['id']}").status_code == 404


@pytest.mark.parametrize(
    "header", ["Token", "Token x y", "Token zzz", "Token \xff\xfe", "Token " + "a" * 9999, "Basic a"]
)
def test_an_odd_token_is_401(db, header):
    assert APIClient(HTTP_AUTHORIZATION=header).get("/api/me").status_code == 401
