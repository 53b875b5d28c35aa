"""Answers outside the views of the API: the single-page app's shell, the health check, and no such address."""

from collections.abc import Callable
from urllib.parse import urlencode

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_safe

from annotate.api.errors import outage, refusal


@require_GET
@ensure_csrf_cookie
def single_page_app(request: HttpRequest) -> HttpResponse:
    """frontend/dist/index.html for every address that the browser's router knows."""
    shell = settings.BASE_DIR / "frontend" / "dist" / "index.html"
    if not shell.exists():
        return HttpResponse(
            _("The web interface has not been built. Run `make build`, then reload."),
            status=503,
            content_type="text/plain",
        )
    return HttpResponse(shell.read_bytes(), headers={"Cache-Control": "no-cache"})


def health_first(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """/healthz answers under any host name, and without TLS: a probe asks the machine, not the site."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return health(request) if request.path == "/healthz" else get_response(request)

    return middleware


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 while the database answers, else 503; for load balancers and container health checks."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (OperationalError, InterfaceError) as error:
        return JsonResponse({"status": outage(error)}, status=503)
    return JsonResponse({"status": "ok"})


def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """Django admin's own form would be a second door without the brake; everybody comes in by the page."""
    asked = request.GET.get("next", "")
    wanted = asked if asked.startswith("/admin/") else "/admin/"
    if not request.user.is_authenticated:
        return redirect(f"/sign-in?{urlencode({'next': wanted})}")
    return redirect(wanted if request.user.is_staff else "/nothing-here")


@csrf_exempt
def not_found(request: HttpRequest, rest: str = "") -> JsonResponse:
    """An address below /api/ that is none of ours, in the form of every refusal there, whatever the method."""
    return refusal(404, _("There is no such address. /api/docs/ lists those there are."), "not_found")
