"""What a new password may not be, beside Django's own rules: one that is guessed within a million tries."""

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from zxcvbn import zxcvbn

ENOUGH = 2  # of zxcvbn's 0 to 4
READ = 72  # characters; the rest cannot make it weaker


class NotGuessable:
    """Words, names, dates, rows of keys, repetitions, and what is known of the person, by themselves or joined."""

    def validate(self, password: str, user: Any = None) -> None:
        known = ["parley", *(getattr(user, field, "") for field in ("username", "first_name", "email"))]
        if zxcvbn(password[:READ], user_inputs=[word for word in known if word])["score"] < ENOUGH:
            raise ValidationError(
                _("This password is easy to guess. Take several words that do not belong together."),
                code="guessable",
            )

    def get_help_text(self) -> str:
        return _("Your password can’t be one that is easy to guess.")
