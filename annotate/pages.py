"""Answers outside the views of the API: the single-page app's shell, the health check, and no such address."""

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from annotate.errors import outage


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


@require_GET
def health(request: HttpRequest) -> JsonResponse:
    """200 while the database answers, else 503; for load balancers and container health checks."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (OperationalError, InterfaceError) as error:
        return JsonResponse({"status": outage(error)}, status=503)
    return JsonResponse({"status": "ok"})


def not_found(request: HttpRequest, rest: str = "") -> JsonResponse:
    """An address below /api/ that is none of ours, in the form of every refusal there."""
    reason = _("There is no such address. /api/docs/ lists those there are.")
    error = {"field": "", "reason": reason, "code": "not_found"}
    return JsonResponse({"detail": reason, "errors": [error]}, status=404)
