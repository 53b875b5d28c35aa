"""The cast: alice and bob annotate, carol is an admin, tom a trainer. Each has an API client, signed in."""

import os
import secrets
from collections.abc import Callable

import pytest
from django.conf import settings as of_django
from django.db import connection
from django.test import TransactionTestCase
from django.utils import translation
from rest_framework.test import APIClient
from xdist.scheduler import LoadFileScheduling

from annotate.accounts.models import User
from annotate.accounts.services import create_user
from annotate.campaigns.models import Campaign
from annotate.campaigns.services import add_member, create_campaign
from tests.databases import delete_what_was_written, migrated_database
from tests.reruns import pytest_sessionfinish, pytest_terminal_summary  # noqa: F401 (hooks)

PASSWORD = "a heron stands"
TransactionTestCase._fixture_teardown = delete_what_was_written

# Tiny models gain nothing from threads, and the threads of two workers on two cores wait for each other:
# a training of one second then takes twenty. No test has imported torch yet, nor started a job.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"


# They share one site with a model server (tests/e2e/conftest.py): on one worker, so that there is one.
ONE_SITE = {
    f"tests/e2e/test_{name}.py"
    for name in ("chat", "demonstration", "doors", "first_minutes", "ranking", "text", "trainer_and_admin")
}


class ByFile(LoadFileScheduling):
    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "one site" if file in ONE_SITE else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return ByFile(config, log)


def pytest_collection_modifyitems(items):
    """What takes long first, the loop before all: a long file begun last would leave the other workers idle."""
    whole_sites = ("e2e", "tests")

    def place(item) -> tuple[bool, ...]:
        is_of_one_site = item.nodeid.split("::")[0] in ONE_SITE
        return item.path.name != "test_loop.py", not is_of_one_site, item.path.parent.name not in whole_sites

    items.sort(key=place)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix):
    """The tests' database begins as a copy of a migrated one."""
    connection.settings_dict["TEST"]["TEMPLATE"] = migrated_database(of_django.DATABASE_URL)


@pytest.fixture(autouse=True)
def sign_in_is_quick_and_every_test_starts_afresh(settings):
    """No counted sign-ins, and no language that an earlier test's request left in the thread.

    Static files are looked for when they are asked for: each new client would find all of them first.
    """
    settings.WHITENOISE_AUTOREFRESH = True
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.CACHES = {"default": settings.CACHES["default"] | {"KEY_PREFIX": secrets.token_hex(4)}}
    translation.deactivate()


def _person(name: str, *roles: str) -> User:
    return create_user(username=name, password=PASSWORD, roles=roles, check_password=False)


@pytest.fixture
def alice(db) -> User:
    return _person("alice", "annotator")


@pytest.fixture
def bob(db) -> User:
    return _person("bob", "annotator")


@pytest.fixture
def carol(db) -> User:
    return _person("carol", "admin")


@pytest.fixture
def tom(db) -> User:
    return _person("tom", "trainer")


def signed_in(user: User) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client


@pytest.fixture
def alice_client(alice: User) -> APIClient:
    return signed_in(alice)


@pytest.fixture
def bob_client(bob: User) -> APIClient:
    return signed_in(bob)


@pytest.fixture
def carol_client(carol: User) -> APIClient:
    return signed_in(carol)


@pytest.fixture
def tom_client(tom: User) -> APIClient:
    return signed_in(tom)


@pytest.fixture
def new_campaign(db) -> Callable[..., Campaign]:
    """new_campaign(kind="ranking", members=[alice], **options)"""

    def make(kind: str = "demonstration", *, members: list[User] | None = None, **options) -> Campaign:
        name = options.pop("name", f"{kind} {Campaign.objects.count() + 1}")
        campaign = create_campaign(name=name, kind=kind, **options)
        for user in members or []:
            add_member(campaign, user)
        return campaign

    return make
