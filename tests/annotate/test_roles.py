"""Who may do what: every operation of the schema against annotate/accounts/permissions.py's table, and nobody's work is another's.

The operations are read from the schema, so that a new one is asked from its first day; one without a row is refused.
"""

import json
from datetime import timedelta

import pytest
from django.apps import apps
from django.utils import timezone
from rest_framework.test import APIClient
from rest_framework.views import APIView

from annotate.accounts.models import User
from annotate.accounts.permissions import ANYONE, OPERATIONS, SIGNED_IN, ByOperation
from annotate.accounts.services import create_token, create_user
from annotate.feedback.models import Assignment
from tests.annotate.whole_api import Api
from tests.conftest import PASSWORD, signed_in

pytestmark = pytest.mark.django_db
# Refused for another reason: no JSON, no such parameter, or nothing to do.
REFUSED_OTHERWISE = {"create_import", "export", "suggest", "sign_in", "resume_run", "resume_round"}
SIGNED_OUT = ("a stranger", "somebody deactivated", "a token that has ended")


def _person(name: str, *roles: str) -> User:
    return create_user(username=name, password=PASSWORD, roles=roles, check_password=False)


def _callers(alice: User) -> dict[str, tuple[tuple[str, ...], APIClient]]:
    """Each with their roles. The places are carol's; alice is a member everywhere, dora nowhere."""
    gone = _person("gone", *OPERATIONS["campaigns"])
    deactivated = signed_in(gone)
    User.objects.filter(pk=gone.pk).update(is_active=False)
    token, secret = create_token(_person("erin", *OPERATIONS["campaigns"]))
    token.expiry = timezone.now() - timedelta(seconds=1)
    token.save()
    people = {
        "a member": alice,
        "no member": _person("dora", "annotator"),
        "an admin": _person("ada", "admin"),
        "a trainer": _person("tim", "trainer"),
        "somebody without a role": _person("nobody"),
    }
    roles = {}
    for who, user in people.items():
        client = APIClient()
        client.force_authenticate(user)  # a session would end with the password that one operation changes
        roles[who] = (tuple(user.roles), client)
    clients = (APIClient(), deactivated, APIClient(HTTP_AUTHORIZATION=f"Token {secret}"))
    return roles | {who: ((), client) for who, client in zip(SIGNED_OUT, clients, strict=True)}


def _expected(who: str, roles: tuple[str, ...], operation: str, path: str) -> int:
    """The table's answer, then that of the row named in the address: 404 for what is somebody else's."""
    allowed = OPERATIONS[operation]
    if allowed == ANYONE:
        return 200
    if who in SIGNED_OUT:
        return 401
    if allowed != SIGNED_IN and not set(allowed) & set(roles):
        return 403
    of_carol = "{token_id}" in path or ("{assignment_id}" in path and who != "an admin")
    return 404 if of_carol or ("{campaign_id}" in path and who == "no member") else 200


def test_every_operation_asks_for_the_roles_of_its_row_and_for_what_it_names(alice, places):
    wrong = []
    num_asked = 0
    for who, (roles, client) in _callers(alice).items():
        api = Api(client, places)
        for method, path, operation in api.operations():
            name = operation["operationId"]
            body = json.dumps(api.good_body(operation)).encode()
            got = api.send(method, api.filled(path), body).status_code
            expected = _expected(who, roles, name, path)
            fits = got == expected or (expected == 200 and got < 300)
            if expected == 200 and name in REFUSED_OTHERWISE:
                fits = got not in (401, 403, 404)
            if not fits:
                wrong.append(f"{who}, {name}: {got} instead of {expected}")
            num_asked += 1
    assert not wrong, "\n".join(wrong)
    assert num_asked == 8 * len(OPERATIONS)


def test_trainers_learn_no_names(tom, places):
    client = APIClient()
    client.force_authenticate(tom)
    api = Api(client, places)
    num_read = 0
    for method, path, operation in api.operations():
        if method == "GET" and "trainer" in OPERATIONS[operation["operationId"]]:
            answer = client.get(api.filled(path), {"format": "csv"} if path.endswith("export") else None)
            said = b"".join(answer) if answer.streaming else answer.content
            assert answer.status_code == 200, path
            assert not any(name in said.lower() for name in (b"alice", b"bob", b"carol")), path
            num_read += 1
    assert num_read > 20


def test_what_is_not_ones_own_is_told_like_what_is_not_there(places):
    client = signed_in(_person("dora", "annotator"))
    here, nowhere = Api(client, places), Api(client, {name: [10**6] for name in places})
    for method, path, operation in here.operations():
        if "{" in path:
            body = json.dumps(here.good_body(operation)).encode()
            answer, nothing = (api.send(method, api.filled(path), body) for api in (here, nowhere))
            assert (answer.status_code, answer.content) == (nothing.status_code, nothing.content), path


def test_who_is_not_signed_in_is_told_how(db):
    answer = APIClient().get("/api/me")
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Token")


def test_an_operation_without_a_row_is_refused_to_everybody(carol, rf):
    class Unlisted(APIView):
        def get(self, request):
            raise AssertionError("reached")

    request = rf.get("/")
    request.user = carol
    assert not ByOperation().has_permission(request, Unlisted())


def test_who_is_signed_in_is_told_what_they_may_do(alice_client, carol_client):
    may = {
        name: client.get("/api/me").json()["operations"]
        for name, client in (("alice", alice_client), ("carol", carol_client))
    }
    assert {"submit", "create_token"} <= set(may["alice"])
    assert not {"members", "runs"} & set(may["alice"])
    assert {"members", "runs"} <= set(may["carol"])
    assert not {"create_run", "submit"} & set(may["carol"])


def _rows() -> dict[str, list]:
    """All of feedback, as it is stored."""
    models = apps.get_app_config("feedback").get_models()
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in models}


def test_writes_with_good_bodies_on_anothers_work_are_404_and_change_nothing(alice, places):
    before = _rows()
    num_tried = 0
    for client in (signed_in(alice), signed_in(_person("dora", "annotator"))):
        api = Api(client, places)
        for method, path, operation in api.operations():
            if "{assignment_id}" not in path:
                continue
            for which in range(len(places["assignment_id"])):
                body = json.dumps(api.good_body(operation, which)).encode()
                answer = client.generic(
                    method, api.filled(path, which), body, content_type="application/json"
                )
                assert answer.status_code == 404, (operation["operationId"], answer.content)
                num_tried += 1
    assert _rows() == before
    assert num_tried == 2 * 5 * 9


def test_who_loses_the_role_annotator_is_out_of_their_own_work_too(carol, places):
    carol.is_annotator = False
    carol.save()
    api = Api(signed_in(carol), places)
    before = _rows()
    for method, path, operation in api.operations():
        if "{assignment_id}" in path and operation["operationId"] != "versions":
            body = json.dumps(api.good_body(operation)).encode()
            assert api.send(method, api.filled(path), body).status_code == 403, operation["operationId"]
    assert _rows() == before
    assert Assignment.objects.filter(annotator__user=carol, state="leased").exists()
