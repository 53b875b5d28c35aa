from django.apps import AppConfig


class FeedbackConfig(AppConfig):
    name = "annotate.feedback"
    default_auto_field = "django.db.models.BigAutoField"
