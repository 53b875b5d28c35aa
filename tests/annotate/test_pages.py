"""Addresses outside the API's views, the headers of all, and bodies that are nested too deep."""

import re

import pytest
from drf_spectacular.renderers import OpenApiYamlRenderer

from annotate.api.schema import written
from tests.annotate.moves import leased
from tests.site import ROOT


@pytest.mark.parametrize("path", ["/", "/sign-in", "/campaigns/3/progress", "/no-such-page"])
def test_an_address_that_may_be_a_page_is_answered_by_the_app(client, path):
    assert client.get(path).status_code in (
        200,
        503,
    )  # 503: not built; the app itself says that there is no page


@pytest.mark.parametrize(
    "path", ["/.env", "/.git/config", "/wp-login.php", "/a/b.html", "/static/no.js", "/static"]
)
def test_an_address_that_is_no_page_is_404(client, path):
    assert client.get(path).status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nothing", "/api/runs/abc/cancel"])
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_an_unknown_address_of_the_api_is_json_whatever_the_method(client, carol_client, path, method):
    client.handler.enforce_csrf_checks = True
    for one in (client, carol_client):
        answer = getattr(one, method)(path)
        assert answer.status_code == 404
        assert answer.json()["errors"][0]["code"] == "not_found"


def test_the_health_check_answers_under_any_host_name_and_without_tls(client, db, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/healthz", headers={"Host": "10.0.0.7"}).json() == {"status": "ok"}
    assert client.head("/healthz").status_code == 200
    assert client.post("/healthz").status_code == 405


@pytest.mark.parametrize(
    "path", ["/", "/api/docs/", "/admin/login/", "/static/admin/css/base.css", "/static/index.html"]
)
def test_no_page_can_be_framed_or_run_strange_scripts(client, db, path):
    answer = client.get(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy and "script-src 'self';" in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_the_page_of_the_api_has_no_script_within_itself(client, db):
    page = client.get("/api/docs/").content.decode()
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 3 and all("src=" in head and not inside.strip() for head, inside in scripts)
    own = re.search(r'src="(/api/docs/[^"]*)"', page)
    assert own and client.get(own.group(1)).headers["Content-Type"] == "application/javascript"


def test_the_schema_is_made_once(client):
    written.cache_clear()
    first, second = client.get("/api/schema/"), client.get("/api/schema/", headers={"Accept-Language": "fr"})
    assert first.content == second.content == (ROOT / "frontend" / "openapi.yaml").read_bytes()
    assert written.cache_info().misses == 1
    as_json = client.get("/api/schema/", headers={"Accept": "application/json"}).json()
    assert as_json["info"]["title"] == "Parley"
    assert written(OpenApiYamlRenderer) == first.content


def nested(levels: int, innermost: str = "1") -> str:
    return "[" * levels + innermost + "]" * levels


@pytest.mark.parametrize(
    "body", [nested(101), nested(450, '"\\u0000"'), nested(990), '{"a":' * 200 + "1" + "}" * 200]
)
def test_what_is_nested_too_deep_is_refused_everywhere(client, alice_client, writing, body):
    assignment = leased(alice_client, writing(1))
    draft = f"/api/assignments/{assignment['id']}/draft"
    said = {"content_type": "application/json"}
    answers = [
        client.post("/api/session", f'{{"username": {body}, "password": ""}}', **said),
        alice_client.patch("/api/me", f'{{"preferences": {body}}}', **said),
        alice_client.put(draft, f'{{"content": {{"text": {body}}}, "revision": 0}}', **said),
    ]
    for answer in answers:
        assert answer.status_code == 400
        assert answer.json()["detail"]


def test_what_is_nested_less_deep_is_kept(alice_client, writing):
    assignment = leased(alice_client, writing(1))
    body = f'{{"content": {{"text": {nested(97)}}}, "revision": 0}}'
    path = f"/api/assignments/{assignment['id']}/draft"
    assert alice_client.put(path, body, content_type="application/json").status_code == 200
    assert alice_client.get(f"/api/assignments/{assignment['id']}").status_code == 200
