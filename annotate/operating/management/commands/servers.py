"""python manage.py servers status|stop: the PostgreSQL and Valkey that Parley carries."""

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from annotate.operating import servers


class Command(BaseCommand):
    help = "Show or stop the embedded PostgreSQL and Valkey (they start by themselves)."
    requires_system_checks: list = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["status", "stop"])

    def handle(self, *, action: str, **options: object) -> None:
        if action == "stop":
            stopped = servers.stop(settings.PARLEY_DATA)
            self.stdout.write("Stopped " + " and ".join(stopped) + "." if stopped else "Nothing was running.")
        else:
            self.stdout.write(f"database: {settings.DATABASES['default']['HOST'] or 'localhost'}")
            self.stdout.write(f"broker: {settings.REDIS_URL}")
