"""The OpenAPI schema: what every operation shares (the form of a refusal, and who may get which), and its pages."""

import functools
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response

ERROR = {
    "type": "object",
    "description": "Why a request was refused.",
    "required": ["detail", "errors"],
    "properties": {
        "detail": {"type": "string", "description": "one sentence for a person"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "reason", "code"],
                "properties": {
                    "field": {
                        "type": "string",
                        "description": "path in the body; empty when it is no single field",
                    },
                    "reason": {"type": "string"},
                    "code": {"type": "string"},
                },
            },
        },
    },
}
WITH_BODY = {
    "400": "a value is missing or wrong",
    "408": "the rest of the body did not come",
    "409": "does not fit what is stored",
    "413": "too large",
    "415": "not JSON",
}
ALWAYS = {"401": "not signed in", "403": "a role or the CSRF token is missing", "406": "no such form of answer",
          "503": "the database or another part is out of reach"}  # fmt: skip
LIMITED = {"suggest": "two suggestions are on their way to this person already"}

BRAKED = {"sign_in", "change_password"}


def declare_errors(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A drf-spectacular hook: adds the error answers that the whole API shares to every operation."""
    result.setdefault("components", {}).setdefault("schemas", {})["Error"] = ERROR
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            if not isinstance(operation, dict) or "responses" not in operation:
                continue
            declared = dict(ALWAYS)
            if method != "get":
                declared |= WITH_BODY
            elif operation.get("parameters"):
                declared["400"] = WITH_BODY["400"]
            if operation.get("operationId") in BRAKED:
                declared["429"] = "too many wrong passwords from here; Retry-After says when"
            if "{" in path:
                declared["404"] = "not there, or not yours to see"
            if operation["operationId"] in LIMITED:
                declared["429"] = LIMITED[operation["operationId"]]
            for code, meaning in declared.items():
                operation["responses"].setdefault(
                    code,
                    {
                        "description": meaning,
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                    },
                )
    return result


@functools.cache
def written(renderer: type[BaseRenderer]) -> bytes:
    """The whole schema, made once in a process: it takes most of a second."""
    with translation.override("en"):
        text = renderer().render(SchemaGenerator().get_schema(public=True))
    return text if isinstance(text, bytes) else text.encode()


@require_safe
@cache_control(max_age=300)
def schema(request: HttpRequest) -> HttpResponse:
    """As YAML, or as JSON where that is asked for."""
    asks_for_json = "json" in request.headers.get("Accept", "") or request.GET.get("format") == "json"
    renderer = OpenApiJsonRenderer if asks_for_json else OpenApiYamlRenderer
    return HttpResponse(written(renderer), content_type=renderer.media_type, headers={"Vary": "Accept"})


class DocsView(SpectacularSwaggerSplitView):
    """Swagger's page with its script apart, so that the site's content security policy holds here too."""

    @extend_schema(exclude=True)
    def get(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)
