"""The brake on guessing passwords: by name and place, by address, and nobody is locked out by another."""

import threading
import time
from contextlib import nullcontext

import pytest
import redis
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.cache import cache
from django.db import connections
from rest_framework.test import APIClient

from annotate.accounts import brake
from annotate.accounts.models import User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def three_tries(settings):
    settings.SIGN_IN_TRIES = 3


def sign_in(client: APIClient, username: str = "alice", password: str = PASSWORD, **where):
    body = {"username": username, "password": password}
    return client.post("/api/session", body, format="json", **where)


def guess(num: int, username: str = "alice", client: APIClient | None = None, **where) -> list[int]:
    client = client or APIClient()
    return [sign_in(client, username, f"guess {i}", **where).status_code for i in range(num)]


def test_a_name_is_guessed_at_a_few_times_from_one_place_however_it_is_spelt(alice, bob):
    assert guess(2) + guess(2, "ALICE") == [400, 400, 400, 429]
    refused = sign_in(APIClient())
    assert refused.status_code == 429  # the right password too: otherwise it would be told
    assert 0 < int(refused["Retry-After"]) <= brake.WINDOW_SECONDS
    assert sign_in(APIClient(), "bob").status_code == 200


def test_tries_are_counted_in_redis_for_all_processes(alice, settings):
    guess(2)
    counted = redis.from_url(settings.REDIS_URL).keys(f"{cache.key_prefix}:*tries:*")
    assert len(counted) == 2  # of the name, and of the address


def test_many_at_once_are_no_way_around(alice, rf, monkeypatch):
    """A try counts before its password is looked at: here each begins while the ones before it are looked at."""
    monkeypatch.setattr(brake, "_one_of_few", nullcontext)
    looked_at = []

    def while_it_is_looked_at() -> None:
        looked_at.append(1)
        brake.checked(rf.get("/"), "alice", while_it_is_looked_at if len(looked_at) < 9 else lambda: None)

    with pytest.raises(brake.TooManyTries):
        brake.checked(rf.get("/"), "alice", while_it_is_looked_at)
    assert len(looked_at) == 3


def test_who_guesses_elsewhere_locks_nobody_out(alice):
    guess(5, REMOTE_ADDR="192.0.2.7")
    assert sign_in(APIClient(), REMOTE_ADDR="192.0.2.8").status_code == 200


def test_who_guesses_behind_the_same_address_locks_no_known_device_out(alice, bob):
    known = APIClient()
    assert sign_in(known).status_code == 200
    known.cookies.pop("sessionid")
    assert guess(4)[-1] == 429
    assert sign_in(known).status_code == 200
    assert guess(4, client=known) == [400, 400, 400, 429]  # a stolen device guesses no longer
    other = APIClient()
    other.cookies[brake.DEVICE] = known.cookies[brake.DEVICE].value.replace("a", "b")
    assert sign_in(other).status_code == 429
    sign_in(other, "bob")
    assert sign_in(other).status_code == 429  # bob's device is none of alice's


def test_one_address_tries_few_names(alice, settings):
    most = settings.SIGN_IN_TRIES * brake.NAMES_OF_AN_ADDRESS
    codes = [guess(1, f"name-{i}")[0] for i in range(most + 1)]
    assert codes == [400] * most + [429]


def test_right_passwords_do_not_count(alice):
    assert [sign_in(APIClient()).status_code for _ in range(10)] == [200] * 10


def test_the_old_password_is_not_guessed_at_the_password_page(alice, alice_client):
    def change(old):
        body = {"old_password": old, "new_password": "three blue doors"}
        return alice_client.post("/api/password", body, format="json").status_code

    assert [change(f"guess {i}") for i in range(4)] == [400, 400, 400, 429]
    assert change(PASSWORD) == 429
    assert User.objects.get(pk=alice.pk).check_password(PASSWORD)


def test_a_new_password_that_is_refused_is_no_try(alice, alice_client):
    body = {"old_password": PASSWORD, "new_password": "parleyparley"}
    assert {alice_client.post("/api/password", body, format="json").status_code for _ in range(9)} == {400}
    body["new_password"] = "three blue doors"
    assert alice_client.post("/api/password", body, format="json").status_code == 204


@pytest.mark.parametrize(
    ("proxies", "seen"), [(0, "10.0.0.1"), (1, "198.51.100.9"), (2, "203.0.113.5"), (3, "203.0.113.5")]
)
def test_the_address_is_the_one_before_our_own_proxies(rf, monkeypatch, proxies, seen):
    monkeypatch.setattr("rest_framework.settings.api_settings.NUM_PROXIES", proxies)
    request = rf.get("/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR="203.0.113.5, 198.51.100.9")
    assert brake.address_of(request) == seen


def test_of_ipv6_the_network_counts(rf):
    request = rf.get("/", REMOTE_ADDR="2001:db8:1:2:aaaa::1")
    assert brake.address_of(request) == "2001:db8:1:2::/64"


@pytest.mark.django_db(transaction=True)
def test_many_at_once_wait_or_are_sent_away_and_the_site_answers(alice, client, settings):
    settings.PASSWORD_HASHERS = ["tests.annotate.accounts.test_brake.Slow"]
    settings.SIGN_IN_TRIES = 1000
    codes = []

    def come(number: int) -> None:
        codes.extend(guess(1, f"name-{number}"))
        connections.close_all()

    people = [threading.Thread(target=come, args=[number]) for number in range(20)]
    for person in people:
        person.start()
    began = time.monotonic()
    assert client.get("/healthz").status_code == 200
    assert time.monotonic() - began < 1
    for person in people:
        person.join()
    assert set(codes) == {400, 503} and codes.count(400) >= brake.MOST_IN_LINE
    assert Slow.most_at_once <= brake.MOST_HASHING
    assert 2 * brake.MOST_IN_LINE <= settings.WEB_THREADS


class Slow(PBKDF2PasswordHasher):
    """Takes its time, and knows how many do."""

    iterations = 1
    at_once = most_at_once = 0

    def encode(self, *args, **kwargs):
        Slow.at_once += 1
        Slow.most_at_once = max(Slow.most_at_once, Slow.at_once)
        time.sleep(0.1)
        Slow.at_once -= 1
        return super().encode(*args, **kwargs)
