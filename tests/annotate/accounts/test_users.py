"""Logins, made and changed by admins, in Django admin, and by the command."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client

from annotate.accounts.models import Annotator, User
from annotate.accounts.services import annotator_of

NEW = {"username": "dora", "password": "three blue doors", "roles": ["annotator", "trainer"], "name": "Dora"}


@pytest.mark.django_db
class TestUsers:
    def test_an_admin_makes_a_login_with_roles(self, carol_client):
        answer = carol_client.post("/api/users", NEW, format="json")
        assert answer.status_code == 201
        dora = User.objects.get(username="dora")
        assert dora.roles == ["annotator", "trainer"]
        assert dora.check_password(NEW["password"])
        assert dora.annotator

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"username": "carol"}, "username"),
            ({"username": "a b"}, "username"),
            ({"password": "12345678"}, "password"),
            ({"roles": ["king"]}, "roles[0]"),
            ({"email": "nowhere"}, "email"),
            ({"language": "xx"}, "language"),
        ],
    )
    def test_what_cannot_be_is_refused_with_its_field(self, carol_client, change, field):
        answer = carol_client.post("/api/users", NEW | change, format="json")
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == field
        assert not User.objects.filter(username="dora").exists()

    def test_only_admins_see_and_change_logins(self, alice, alice_client, tom_client):
        for client in (alice_client, tom_client):
            assert client.get("/api/users").status_code == 403
            assert client.post("/api/users", NEW, format="json").status_code == 403
            assert (
                client.patch(f"/api/users/{alice.id}", {"roles": ["admin"]}, format="json").status_code == 403
            )

    def test_logins_are_listed_in_pages_and_searched(
        self, carol_client, alice, bob, django_assert_num_queries
    ):
        with django_assert_num_queries(4):  # session, login, count, page
            answer = carol_client.get("/api/users?limit=2").json()
        assert answer["count"] == 3
        assert [user["username"] for user in answer["results"]] == ["alice", "bob"]
        assert carol_client.get("/api/users?search=AL").json()["count"] == 1

    def test_roles_are_given_and_taken(self, carol_client, alice):
        answer = carol_client.patch(f"/api/users/{alice.id}", {"roles": ["trainer", "admin"]}, format="json")
        assert answer.json()["roles"] == ["admin", "trainer"]
        alice.refresh_from_db()
        assert alice.is_staff

    def test_an_admin_cannot_lock_themselves_out(self, carol, carol_client):
        for change in ({"roles": ["annotator"]}, {"is_active": False}):
            assert carol_client.patch(f"/api/users/{carol.id}", change, format="json").status_code == 400

    def test_an_admin_cannot_take_over_a_superuser(self, carol_client):
        root = User.objects.create_superuser("root", password="x")
        answer = carol_client.patch(f"/api/users/{root.id}", {"password": "three blue doors"}, format="json")
        assert answer.status_code == 403

    def test_a_superuser_holds_every_role(self, db):
        assert User.objects.create_superuser("root", password="x").roles == ["annotator", "admin", "trainer"]


@pytest.mark.django_db
class TestDjangoAdmin:
    @pytest.mark.parametrize("model", ["accounts/user", "accounts/annotator", "campaigns/campaign", "campaigns/prompt",
        "campaigns/completion", "campaigns/membership", "campaigns/guidelines", "feedback/unit", "feedback/assignment",
        "feedback/demonstration", "feedback/ranking"])  # fmt: skip
    def test_an_admin_opens_every_list(self, carol, model):
        client = Client()
        client.force_login(carol)
        assert client.get(f"/admin/{model}/").status_code == 200

    def test_others_do_not(self, alice, tom):
        for user in (alice, tom):
            client = Client()
            client.force_login(user)
            assert client.get("/admin/accounts/user/").status_code == 302

    def test_roles_are_checkboxes_but_superusers_are_out_of_an_admins_reach(self, carol, alice):
        root = User.objects.create_superuser("root", password="x")
        client = Client()
        client.force_login(carol)
        page = client.get(f"/admin/accounts/user/{alice.id}/change/").content.decode()
        assert 'name="is_trainer"' in page and 'name="is_superuser"' not in page
        assert client.get(f"/admin/accounts/user/{root.id}/change/").status_code == 302


@pytest.mark.django_db
class TestCreateUserCommand:
    def test_it_makes_a_login_and_prints_a_generated_password_once(self, capsys):
        call_command("create_user", "dora", "--role", "trainer", "--role", "admin")
        said = capsys.readouterr().out
        dora = User.objects.get(username="dora")
        assert dora.roles == ["admin", "trainer"]
        assert dora.check_password(said.split("password: ")[1].strip())

    def test_again_it_changes_nothing_that_was_not_asked(self, capsys):
        call_command("create_user", "dora", "--role", "trainer", "--password", "x")
        before = User.objects.get(username="dora").password
        call_command("create_user", "dora")
        dora = User.objects.get(username="dora")
        assert (dora.password, dora.roles) == (before, ["trainer"])
        assert "password" not in capsys.readouterr().out

    def test_again_with_roles_it_sets_these(self):
        call_command("create_user", "dora", "--role", "trainer", "--password", "x")
        call_command("create_user", "dora", "--role", "admin", "--password", "y")
        dora = User.objects.get(username="dora")
        assert (dora.roles, dora.check_password("y")) == (["admin"], True)

    def test_a_name_that_cannot_be_a_login_is_one_sentence(self):
        with pytest.raises(CommandError, match="username"):
            call_command("create_user", "a b")


@pytest.mark.django_db(transaction=True)
def test_the_person_behind_a_login_is_made_once_by_many_at_once(alice):
    Annotator.objects.all().delete()

    def make(_: int) -> int:
        try:
            return annotator_of(User.objects.get(username="alice")).id
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(make, range(8)))) == 1
    assert Annotator.objects.count() == 1


def test_a_person_keeps_their_text_size_and_keys_with_their_login(alice, alice_client, carol_client):
    assert alice_client.get("/api/me").json()["preferences"] == {"text_size": "normal", "keys": {}}
    mine = {"text_size": "larger", "keys": {"s": "x", "x": "s"}}
    assert alice_client.patch("/api/me", {"preferences": mine}, format="json").json()["preferences"] == mine
    assert alice_client.get("/api/me").json()["preferences"] == mine
    larger = alice_client.patch("/api/me", {"preferences": {"text_size": "larger"}}, format="json").json()
    assert larger["preferences"] == mine | {"text_size": "larger"}  # what is not named stays
    alice_client.patch("/api/me", {"preferences": mine}, format="json")
    for odd in (
        {"text_size": "huge"},
        {"keys": {"s": "x" * 40}},
        {"keys": {f"k{i}": "x" for i in range(101)}},
    ):
        assert alice_client.patch("/api/me", {"preferences": odd}, format="json").status_code == 400
    answer = carol_client.patch(f"/api/users/{alice.id}", {"preferences": {"keys": {}}}, format="json")
    assert answer.json()["preferences"] == mine  # nobody's hands but their own
