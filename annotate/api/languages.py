"""In which language the server speaks.

While there is a request, in the one its Accept-Language names (Django's LocaleMiddleware; the pages send the language
they are shown in), and without that header in the own language of who asks. What a worker writes on a row later
(an import's report, why a run failed) is in the language of the request that made the row.
"""

from django.conf import settings
from django.http import HttpRequest
from django.utils import translation


def spoken_now() -> str:
    """The default of every row's `language`."""
    return translation.get_language() or settings.LANGUAGE_CODE


def speak_own_language(request: HttpRequest, own: str) -> None:
    """Until the next request of this thread, unless this one names a language itself."""
    if own and "Accept-Language" not in request.headers:
        translation.activate(own)
