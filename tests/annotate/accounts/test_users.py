"""Logins, made and changed by admins and by the command."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connections
from rest_framework.test import APIClient

from annotate.accounts.models import Annotator, User
from annotate.accounts.services import annotator_of, change_password, update_user
from tests.conftest import PASSWORD

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
            ({"username": "CAROL"}, "username"),
            ({"username": "с" + "arol"}, "username"),  # a Cyrillic letter before Latin ones
            ({"username": "ß" * 80}, "username"),  # twice as long without capitals
            ({"password": "12345678"}, "password"),
            ({"password": "        "}, "password"),
            ({"password": "98761234"}, "password"),
            ({"password": "doradora"}, "password"),
            ({"password": "parleyparley"}, "password"),
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

    @pytest.mark.parametrize("spelt", ["Dora", "DORA", "ｄｏｒａ", "dora"])
    def test_a_login_name_has_one_spelling(self, carol_client, writing, spelt):
        assert carol_client.post("/api/users", NEW | {"username": spelt}, format="json").status_code == 201
        assert User.objects.get(first_name="Dora").username == "dora"
        taken = carol_client.post("/api/users", NEW | {"username": "dOrA"}, format="json")
        assert (taken.status_code, taken.json()["errors"][0]["code"]) == (400, "unique")
        body = {"username": "doRa", "password": NEW["password"]}
        assert APIClient().post("/api/session", body, format="json").status_code == 200
        members = f"/api/campaigns/{writing(1).pk}/members"
        assert carol_client.post(members, {"username": "DORA"}, format="json").status_code == 201

    def test_a_change_of_ones_own_does_not_take_back_an_admins(self, carol, alice):
        """Alice's request read her login before the admin changed it, and saves after."""
        changes = {"is_active": False, "roles": ["trainer"], "password": "three blue doors"}
        for field, change in changes.items():
            stale = User.objects.get(pk=alice.pk)
            update_user(alice, {field: change}, by=carol)
            update_user(stale, {"name": "Alice A.", "preferences": {"text_size": "large"}}, by=stale)
        alice.refresh_from_db()
        assert (alice.is_active, alice.roles, alice.first_name) == (False, ["trainer"], "Alice A.")
        assert alice.check_password("three blue doors")

    def test_a_change_of_password_does_not_take_back_an_admins_reset(self, carol, alice):
        stale = User.objects.get(pk=alice.pk)
        update_user(alice, {"password": "three blue doors"}, by=carol)
        assert change_password(stale, old_password=PASSWORD, new_password="four green doors") is None
        assert User.objects.get(pk=alice.pk).check_password("three blue doors")

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

    def test_a_login_is_found_however_its_name_is_spelt(self):
        for spelt in ("Dora", "DORA"):
            call_command("create_user", spelt, "--password", "x")
        assert list(User.objects.values_list("username", flat=True)) == ["dora"]

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


def test_a_person_keeps_their_text_size_keys_and_practice_with_their_login(alice, alice_client, carol_client):
    assert alice_client.get("/api/me").json()["preferences"] == {
        "text_size": "normal",
        "keys": {},
        "practised": [],
    }
    mine = {"text_size": "larger", "keys": {"s": "x", "x": "s"}, "practised": ["ranking"]}
    assert alice_client.patch("/api/me", {"preferences": mine}, format="json").json()["preferences"] == mine
    assert alice_client.get("/api/me").json()["preferences"] == mine
    larger = alice_client.patch("/api/me", {"preferences": {"text_size": "larger"}}, format="json").json()
    assert larger["preferences"] == mine | {"text_size": "larger"}  # what is not named stays
    alice_client.patch("/api/me", {"preferences": mine}, format="json")
    for odd in (
        {"text_size": "huge"},
        {"keys": {"s": "x" * 40}},
        {"keys": {f"k{i}": "x" for i in range(101)}},
        {"practised": ["x" * 40]},
    ):
        assert alice_client.patch("/api/me", {"preferences": odd}, format="json").status_code == 400
    answer = carol_client.patch(f"/api/users/{alice.id}", {"preferences": {"keys": {}}}, format="json")
    assert answer.json()["preferences"] == mine  # nobody's hands but their own


def test_the_database_itself_holds_a_login_name_once(alice, bob):
    with pytest.raises(IntegrityError, match="login_name_once_in_any_case"):
        User.objects.filter(pk=bob.pk).update(username="ALICE")
