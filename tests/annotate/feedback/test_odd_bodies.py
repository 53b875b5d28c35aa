"""Bytes, sizes and addresses that do not belong: the answer is a 4xx in words. tests/annotate/test_sweep.py has the values."""

import pytest

from tests.annotate.moves import leased

pytestmark = pytest.mark.django_db


@pytest.fixture
def carol_does_everything(carol, carol_client, writing, ranking):
    """Addresses with ids that exist."""
    carol.is_annotator = True
    carol.save()
    places = []
    for make in (writing, ranking):
        campaign = make(3, members=[carol])
        assignment = leased(carol_client, campaign)
        places.append({"campaign": campaign.id, "assignment": assignment["id"], "user": carol.id})
    return places


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
def test_ids_that_are_not_there_are_404(carol_client, carol_does_everything, address, number):
    assert carol_client.get(address.format(number)).status_code == 404


def check(answer, sent) -> None:
    assert answer.status_code < 500, (sent, answer.content)
    if answer.status_code >= 400:
        refused = answer.json()
        assert refused["detail"], sent
        assert all(set(error) == {"field", "reason", "code"} for error in refused["errors"]), refused


@pytest.mark.parametrize("query", ["search=%00", "search=" + "x" * 5000])
def test_odd_queries_do_not_end_in_a_crash(carol_client, query):
    check(carol_client.get(f"/api/users?{query}"), query)


@pytest.mark.parametrize(
    "query", ["limit=-1", "limit=0", "limit=1001", "limit=1e3", "limit=", "offset=-1", "offset=" + "9" * 30]
)
def test_a_page_that_is_none_is_refused_and_not_another_one_given(carol_client, query):
    answer = carol_client.get(f"/api/users?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == query.partition("=")[0]


def test_a_parameter_named_format_changes_nothing(carol_client):
    """REST framework would answer 404, as if the address were not there."""
    assert carol_client.get("/api/users?format=xml").status_code == 200


def test_a_form_is_told_that_json_is_wanted(carol_client, carol_does_everything):
    answer = carol_client.post("/api/campaigns", "a=b", content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 415
