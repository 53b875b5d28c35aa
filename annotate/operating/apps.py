from django.apps import AppConfig
from django.core.checks import Tags, register


class OperatingConfig(AppConfig):
    name = "annotate.operating"

    def ready(self) -> None:
        from annotate.operating.checks import no_older_database

        register(no_older_database, Tags.database)
