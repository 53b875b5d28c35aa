from django.urls import path

from annotate.quality import views

urlpatterns = [
    path("my-agreement", views.OwnAgreementView.as_view()),
]
