"""Django admin shows and hardly changes: what is set there is checked by the same code as on every other way in."""

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from knox.models import AuthToken

from annotate.accounts.models import Annotator, User
from annotate.accounts.services import annotator_of, create_token
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
CHANGED = {"accounts_user"}
NEW = {"username": "dora", "new_password": "three blue doors", "is_trainer": "on"}


@pytest.fixture
def root(db) -> User:
    return User.objects.create_superuser("root", password=PASSWORD)


def page_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def change(client: Client, user: User, **changes):
    """The form of a login as the page sends it, with these changes; None unticks a box."""
    url = f"/admin/accounts/user/{user.pk}/change/"
    form = client.get(url).context["adminform"].form
    shown = {name: form[name].value() for name in form.fields}
    ticked = {name: "on" if value is True else value for name, value in (shown | changes).items()}
    return client.post(url, {name: value for name, value in ticked.items() if value not in (None, False)})


def test_every_list_and_form_opens_and_only_logins_can_be_changed(carol, places):
    client = page_of(carol)
    for model, of in admin.site._registry.items():
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        assert client.get(reverse(f"admin:{name}_changelist")).status_code == 200, name
        assert client.get(reverse(f"admin:{name}_add")).status_code == (200 if name in CHANGED else 403), name
        if row := of.get_queryset(client.get("/admin/").wsgi_request).first():
            url = reverse(f"admin:{name}_change", args=[row.pk])
            assert client.get(url).status_code == 200, name
            assert client.post(url, {}).status_code == (302 if name in CHANGED else 403), name
            deletes = client.post(reverse(f"admin:{name}_delete", args=[row.pk]), {"post": "yes"})
            assert deletes.status_code == (302 if name == "knox_authtoken" else 403), name


def test_no_token_is_made_for_anybody(carol, root):
    page = page_of(carol).post("/admin/knox/authtoken/add/", {"user": root.pk})
    assert page.status_code == 403
    assert not AuthToken.objects.exists()


def test_an_admin_sees_and_ends_tokens_but_not_a_superusers(carol, alice, root):
    mine, roots = create_token(alice, name="nightly")[0], create_token(root)[0]
    client = page_of(carol)
    page = client.get("/admin/knox/authtoken/").content.decode()
    assert "nightly" in page and mine.token_key in page and roots.token_key not in page
    ticked = {"action": "delete_selected", "_selected_action": [mine.pk, roots.pk], "post": "yes"}
    client.post("/admin/knox/authtoken/", ticked)
    assert list(AuthToken.objects.all()) == [roots]


def test_an_annotator_stays_their_own(carol, alice, bob):
    row = annotator_of(alice)
    answer = page_of(carol).post(f"/admin/accounts/annotator/{row.pk}/change/", {"user": bob.pk})
    assert answer.status_code == 403
    assert Annotator.objects.get(pk=row.pk).user == alice


def test_a_login_is_changed_as_by_the_api(carol, alice):
    client, token = page_of(carol), create_token(alice)[0]
    alices = page_of(alice)
    answer = change(client, alice, is_trainer="on", first_name="Alice A.", new_password="three blue doors")
    assert answer.status_code == 302, answer.context["errors"]
    alice.refresh_from_db()
    assert (alice.roles, alice.first_name) == (["annotator", "trainer"], "Alice A.")
    assert alice.check_password("three blue doors")
    assert not AuthToken.objects.filter(pk=token.pk).exists()
    assert alices.get("/api/me").status_code == 401


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"new_password": "parleyparley"}, "easy to guess"),
        ({"is_active": None}, "your own access"),
        ({"is_admin": None}, "your own access"),
    ],
)
def test_what_the_api_refuses_is_refused_with_its_sentence(carol, changes, reason):
    answer = change(page_of(carol), carol, **changes)
    assert reason in answer.content.decode()
    carol.refresh_from_db()
    assert carol.is_active and carol.is_admin and carol.check_password(PASSWORD)


def test_a_login_is_made_as_by_the_api(carol):
    client = page_of(carol)
    assert client.post("/admin/accounts/user/add/", NEW | {"username": "Dora"}).status_code == 302
    dora = User.objects.get(username="dora")
    assert dora.roles == ["trainer"] and dora.check_password("three blue doors")
    again = client.post("/admin/accounts/user/add/", NEW | {"username": "DORA"}).content.decode()
    assert "already has this user name" in again


def test_superusers_are_out_of_an_admins_reach(carol, alice, root):
    client = page_of(carol)
    page = client.get(f"/admin/accounts/user/{alice.pk}/change/").content.decode()
    assert 'name="is_trainer"' in page and 'name="is_superuser"' not in page
    assert client.get(f"/admin/accounts/user/{root.pk}/change/").status_code == 302
    assert change(client, alice, is_superuser="on").status_code == 302
    alice.refresh_from_db()
    assert not alice.is_superuser
    assert change(page_of(root), alice, is_superuser="on").status_code == 302
    alice.refresh_from_db()
    assert alice.is_superuser and alice.is_staff


def test_it_is_entered_by_the_one_door(alice, carol):
    answer = Client().get("/admin/campaigns/campaign/", follow=False)
    assert (answer.status_code, answer["Location"]) == (302, "/admin/login/?next=/admin/campaigns/campaign/")
    door = Client().get(answer["Location"])
    assert (door.status_code, door["Location"]) == (302, "/sign-in?next=%2Fadmin%2Fcampaigns%2Fcampaign%2F")
    assert Client().post("/admin/login/", {"username": "carol", "password": PASSWORD}).status_code == 302
    foreign = Client().get("/admin/login/?next=https://elsewhere.example/admin/")
    assert foreign["Location"] == "/sign-in?next=%2Fadmin%2F"
    assert page_of(carol).get("/admin/login/?next=/admin/")["Location"] == "/admin/"
    assert page_of(alice).get("/admin/login/?next=/admin/")["Location"] == "/nothing-here"
    assert page_of(carol).get("/admin/password_change/")["Location"] == "/account"
