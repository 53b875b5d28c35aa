"""What every name that a person gives has to be."""

from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

one_line = RegexValidator(
    r"\A[^\x00-\x1f\x7f-\x9f\u2028\u2029]*\Z",
    _("A name is one line, without control characters."),
    code="one_line",
)
