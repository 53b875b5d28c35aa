"""Whatever is sent, the answer is a 4xx with a field and a reason, never a 500."""

import json
import uuid

import pytest

from tests.annotate.moves import leased

pytestmark = pytest.mark.django_db

KEY = str(uuid.uuid4())
ODD = [
    None,
    [],
    {},
    "text",
    7,
    True,
    [None],
    [[]],
    {"messages": None},
    {"messages": {}},
    {"messages": [None]},
    {"messages": [{"role": None, "content": None}]},
    {"messages": [{"role": "user", "content": 7}], "submission_key": KEY},
    {"messages": [{"role": "user", "content": {"a": 1}, "suggestion": "x"}], "submission_key": KEY},
    {"messages": [{"role": "user", "content": "x", "suggestion": 10**40}], "submission_key": KEY, "turn": 10**40},
    {"messages": [{"role": "user", "content": "Question 0?"}, {"role": "assistant", "content": "x",
                  "suggestion": 2**62}], "submission_key": KEY},
    {"tiers": None, "submission_key": KEY},
    {"tiers": [[2**70]], "submission_key": KEY},
    {"tiers": [[1.5, "a", None, True]], "submission_key": KEY, "ratings": "all"},
    {"content": None, "revision": 0},
    {"content": {}, "revision": None},
    {"content": {}, "revision": -1},
    {"content": {}, "revision": 2**63},
    {"reason": 5 * "long " * 1000},
    {"reason": ["a"]},
    {"turn": -1, "messages": []},
    {"seconds_spent": 1e308, "submission_key": KEY, "messages": []},
    {"name": None, "kind": "x", "overlap": 2**40, "num_completions": 0, "sampling": [], "flags": {}},
    {"name": "x", "kind": "ranking", "sampling": {"temperature": "hot"}, "lease_seconds": -1},
    {"name": "x" * 300, "kind": "ranking"},
    {"username": None, "password": []},
    {"username": {"a": 1}, "password": "x"},
    {"username": "x" * 10_000, "password": "y" * 10_000},
    {"roles": "admin", "language": 3, "is_active": "maybe"},
    {"text": None},
    {"language": "klingon " * 9},
    {"old_password": 3, "new_password": None},
]  # fmt: skip
RAW = [
    b"",
    b"{",
    b"nul",
    b'{"a": NaN}',
    b"\xff\xfe",
    b'"\\ud800"',
    b'{"text": "\\ud800", "reason": "\\udfff", "username": "\\ud83d"}',
    b'{"text": "a\\u0000b", "reason": "a\\u0000b", "content": {"\\u0000": 1}, "revision": 0}',
    b'[{"messages": [{"role": "user", "content": "a\\u0000b"}]}]',
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"1" * 5000,
]
ADDRESSES = [
    ("post", "/api/session"),
    ("patch", "/api/me"),
    ("post", "/api/password"),
    ("post", "/api/tokens"),
    ("post", "/api/users"),
    ("patch", "/api/users/{user}"),
    ("post", "/api/campaigns"),
    ("patch", "/api/campaigns/{campaign}"),
    ("put", "/api/campaigns/{campaign}/guidelines"),
    ("post", "/api/campaigns/{campaign}/members"),
    ("post", "/api/campaigns/{campaign}/prompts"),
    ("post", "/api/campaigns/{campaign}/assignments/next"),
    ("put", "/api/assignments/{assignment}/draft"),
    ("post", "/api/assignments/{assignment}/renew"),
    ("post", "/api/assignments/{assignment}/submit"),
    ("post", "/api/assignments/{assignment}/suggestions"),
    ("post", "/api/assignments/{assignment}/skip"),
    ("post", "/api/assignments/{assignment}/release"),
]


@pytest.fixture
def carol_does_everything(carol, carol_client, writing, ranking):
    """Addresses with ids that exist, of both kinds of campaign."""
    carol.is_annotator = True
    carol.save()
    places = []
    for make in (writing, ranking):
        campaign = make(3, members=[carol])
        assignment = leased(carol_client, campaign)
        places.append({"campaign": campaign.id, "assignment": assignment["id"], "user": carol.id})
    return places


def check(answer, sent) -> None:
    assert answer.status_code < 500, (sent, answer.content)
    if answer.status_code >= 400:
        refused = answer.json()
        assert refused["detail"], sent
        assert all(set(error) == {"field", "reason", "code"} for error in refused["errors"]), refused


@pytest.mark.parametrize(("method", "address"), ADDRESSES)
def test_odd_values_are_refused_in_words(carol_client, carol_does_everything, method, address):
    for ids in carol_does_everything:
        for body in [json.dumps(odd).encode() for odd in ODD] + RAW:
            answer = carol_client.generic(
                method.upper(), address.format(**ids), body, content_type="application/json"
            )
            check(answer, (address, body[:80]))


@pytest.mark.parametrize(
    "body", [b'{"reason": "a\\u0000b"}', b'{"reason": "\\ud800"}', b"[" * 2000 + b"]" * 2000]
)
def test_text_that_the_database_cannot_hold_is_a_400(carol_client, carol_does_everything, body):
    address = f"/api/assignments/{carol_does_everything[0]['assignment']}/skip"
    answer = carol_client.generic("POST", address, body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["detail"]


def test_the_six_letters_of_an_escape_are_ordinary_text(carol_client, carol_does_everything):
    address = f"/api/assignments/{carol_does_everything[0]['assignment']}/draft"
    body = {"content": {"text": r"in C, '\u0000' ends a string"}, "revision": 0}
    assert carol_client.put(address, body, format="json").status_code == 200


def test_a_body_of_ten_megabytes_is_refused_before_it_is_read_through(carol_client, carol_does_everything):
    address = f"/api/assignments/{carol_does_everything[0]['assignment']}/draft"
    answer = carol_client.put(address, {"content": "x" * 10_000_000, "revision": 0}, format="json")
    assert answer.status_code == 413
    assert "8 MB" in answer.json()["detail"]


@pytest.mark.parametrize("address", ["/api/campaigns/{}", "/api/assignments/{}", "/api/users/{}"])
@pytest.mark.parametrize("number", [0, 10**9, 10**30])
def test_ids_that_are_not_there_are_404(carol_client, address, number):
    assert carol_client.get(address.format(number)).status_code == 404


@pytest.mark.parametrize(
    "query", ["search=%00", "search=" + "x" * 5000, "limit=-1", "limit=1e9", "offset=" + "9" * 30]
)
def test_odd_queries_do_not_end_in_a_crash(carol_client, query):
    check(carol_client.get(f"/api/users?{query}"), query)


def test_a_form_is_told_that_json_is_wanted(carol_client, carol_does_everything):
    answer = carol_client.post("/api/campaigns", "a=b", content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 415
