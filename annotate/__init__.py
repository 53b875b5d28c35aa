"""The web side of Parley: everything with a database row or a URL."""

from annotate.celery import app as celery_app

__all__ = ["celery_app"]
