"""What every operation of the OpenAPI schema shares: the form of a refusal, and who may get which."""

from typing import Any

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
    "409": "does not fit what is stored",
    "413": "too large",
    "415": "not JSON",
}
ALWAYS = {"401": "not signed in", "403": "a role or the CSRF token is missing", "406": "no such form of answer",
          "503": "the database or another part is out of reach"}  # fmt: skip


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
            if "{" in path:
                declared["404"] = "not there, or not yours to see"
            for code, meaning in declared.items():
                operation["responses"].setdefault(
                    code,
                    {
                        "description": meaning,
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                    },
                )
    return result
