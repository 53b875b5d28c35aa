"""Lists in pages: `limit` rows from `offset` on, refused in words where they are no such numbers."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.request import Request

BIGGEST_OFFSET = 2**31 - 1


class Pages(LimitOffsetPagination):
    """REST framework's own, which takes whatever is no number for its default, and any number of rows."""

    max_limit = 1000

    def get_limit(self, request: Request) -> int:
        return self._number(request, "limit", 1, self.max_limit, self.default_limit or 50)

    def get_offset(self, request: Request) -> int:
        return self._number(request, "offset", 0, BIGGEST_OFFSET, 0)

    def _number(self, request: Request, name: str, least: int, most: int, default: int) -> int:
        given = request.query_params.get(name)
        if given is None:
            return default
        if not (given.isascii() and given.isdecimal() and len(given) < 12 and least <= int(given) <= most):
            wrong = _("Write a whole number from %(least)d to %(most)d.") % {"least": least, "most": most}
            raise ValidationError({name: [wrong]})
        return int(given)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        limits = {
            "limit": {"minimum": 1, "maximum": self.max_limit},
            "offset": {"minimum": 0, "maximum": BIGGEST_OFFSET},
        }
        parameters = super().get_schema_operation_parameters(view)
        for parameter in parameters:
            parameter["schema"] |= limits[parameter["name"]]
        return parameters
