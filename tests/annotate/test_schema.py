"""Every answer of the API is one that its schema tells: schemathesis makes requests out of the schema alone.

Bounded and without chance: the same requests each time. PARLEY_SCHEMA_EXAMPLES=200 asks that many of each operation
and form (20 by default, half of them meant to be good ones), PARLEY_SCHEMA_SEED takes others.
"""

import os

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode, checks
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from annotate.accounts.services import create_token

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
EXAMPLES = int(os.environ.get("PARLEY_SCHEMA_EXAMPLES", "20"))
SEED = int(os.environ.get("PARLEY_SCHEMA_SEED", "7"))
CHECKS = [
    checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def modes_of(operation):
    """Good requests, and bad ones where anything in one can be wrong: its address names rows that exist."""
    has_any = operation.query or operation.body
    return list(GenerationMode) if has_any else [GenerationMode.POSITIVE]


def requests_of(operation, places, mode, num):
    """A test function that asks an operation `num` times, of rows that exist, and undoes each."""
    there = {name: ids[-1] for name, ids in places.items() if f"{{{name}}}" in operation.path}

    @seed(SEED)
    @settings(
        max_examples=num,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(mode, path_parameters=there))
    def ask(case):
        with transaction.atomic():
            answer = case.call(headers=ask.headers)
            transaction.set_rollback(True)
        ask.num += 1
        case.validate_response(answer, checks=CHECKS)

    ask.num = 0
    return ask


@pytest.fixture
def one_connection(db):
    """Requests leave the test's connection open, as those of Django's own test client do."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


def test_no_answer_is_one_that_the_schema_does_not_tell(carol, places, one_connection):
    """carol is annotator, admin and trainer; what others may not is tests/annotate/test_roles.py's."""
    schema = schemathesis.openapi.from_wsgi(
        "/api/schema/", get_wsgi_application(), headers={"Accept": "application/json"}
    )
    headers = {"Authorization": f"Token {create_token(carol)[1]}", "Host": "localhost"}
    wrong, num_asked = [], 0
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in modes_of(operation):
            ask = requests_of(operation, places, mode, EXAMPLES // 2)
            ask.headers = headers
            try:
                ask()
            except FailureGroup as group:
                reasons = "; ".join(str(error) for error in group.exceptions)
                wrong.append(f"{operation.method.upper()} {operation.path} ({mode.value}): {reasons}")
            num_asked += ask.num
    assert not wrong, "\n\n".join(wrong)
    assert num_asked > 40 * EXAMPLES
