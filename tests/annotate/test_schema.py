"""Odd requests made from the API's own schema: every operation answers them, and none with a 500."""

from collections.abc import Iterator

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error

from annotate.accounts.services import create_token, create_user
from annotate.campaigns.services import add_member
from annotate.feedback.services import lease_next_assignment
from annotate.wsgi import application

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
schema = schemathesis.openapi.from_wsgi("/api/schema/?format=json", application)
OURS = r"^/api/(me|session|password|tokens|users|campaigns|assignments)(/|$)"
NOT_OURS = r"/(imports|export|suggestions)$"


@pytest.fixture
def places(writing, ranking) -> Iterator[list[dict[str, int]]]:
    """Ids that exist, for a login with every role, who has work in both kinds of campaign; and its token."""
    person = create_user(
        username="dora", password="three blue doors", roles=["annotator", "admin", "trainer"]
    )
    found = []
    for campaign in (writing(2), ranking(2)):
        add_member(campaign, person)
        assignment = lease_next_assignment(campaign, person).assignment
        found.append({"campaign_id": campaign.id, "assignment_id": assignment.id, "user_id": person.id})
    # As in Django's own test client: the test's transaction must outlive a request.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield [{"token": create_token(person)[1]}, *found]
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@schema.include(path_regex=OURS).exclude(path_regex=NOT_OURS).parametrize()
@settings(
    max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)
def test_no_operation_ends_in_a_server_error(case, places):
    token, *kinds = places
    headers = {"Authorization": f"Token {token['token']}"}
    for ids in kinds if case.path_parameters else kinds[:1]:
        case.path_parameters = {name: ids.get(name, value) for name, value in case.path_parameters.items()}
        case.call_and_validate(headers=headers, checks=[not_a_server_error])
