"""The one way what a client sent is held against a serializer."""

from typing import Any

from rest_framework.serializers import BaseSerializer


def checked(serializer: type[BaseSerializer], given: Any, **options: Any) -> Any:
    """The validated values of a body, or of query parameters; else a 400 that names the fields."""
    asked = serializer(data=given, **options)
    asked.is_valid(raise_exception=True)
    return asked.validated_data
