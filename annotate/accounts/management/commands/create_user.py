"""python manage.py create_user NAME --role annotator [--role trainer …] [--password …]: make or change a login."""

import secrets
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from rest_framework.exceptions import ValidationError

from annotate.accounts import services
from annotate.accounts.models import ROLES, User
from annotate.api.errors import sentence


class Command(BaseCommand):
    help = "Make a login, or give an existing one these roles. A generated password is printed once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--role", action="append", choices=ROLES, dest="roles", help="may be repeated")
        parser.add_argument("--password", help="without it a new login gets a generated one")
        parser.add_argument("--name", default="", help="the name that others see")
        parser.add_argument(
            "--superuser", action="store_true", help="all roles, and everything in Django admin"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        username, password = User.normalize_username(options["username"]), options["password"]
        with transaction.atomic():
            user = User.objects.filter(username=username).first()
            if user is None:
                generated = "" if password else secrets.token_urlsafe(12)
                try:
                    user = services.create_user(
                        username=username,
                        password=password or generated,
                        roles=options["roles"] or ["annotator"],
                        name=options["name"],
                        check_password=False,
                    )
                except ValidationError as error:
                    raise CommandError(sentence(error.detail)) from error
                self.stdout.write(
                    f"{username} was created" + (f", password: {generated}" if generated else "")
                )
            else:
                changes = {"roles": options["roles"], "password": password, "name": options["name"]}
                given = {key: value for key, value in changes.items() if value}
                services.update_user(user, given, by=None)
                self.stdout.write(f"{username} exists" + (f"; changed: {', '.join(given)}" if given else ""))
            if options["superuser"] and not user.is_superuser:
                services.update_user(user, {"is_superuser": True}, by=None)
