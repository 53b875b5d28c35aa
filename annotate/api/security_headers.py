"""The header that keeps strangers' text from running.

Ours, in a dozen lines: one policy for every answer, set before files are looked for, and no view changes it but those
that already bring their own (Django 6 has it built in, and takes its place when Python 3.11 is left behind).
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


def content_security_policy(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable:
    """Scripts and connections of our own only; no remote images; inline styles are Mantine's."""
    policy = (
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
    )

    def middleware(request: HttpRequest) -> HttpResponse:
        answer = get_response(request)
        answer.headers.setdefault("Content-Security-Policy", policy)
        return answer

    return middleware
