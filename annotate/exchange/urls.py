from django.urls import URLPattern, URLResolver, path

from annotate.exchange import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("campaigns/<int:campaign_id>/imports", views.ImportsView.as_view()),
    path("campaigns/<int:campaign_id>/export", views.ExportView.as_view()),
    path("imports/<int:import_id>", views.ImportView.as_view()),
    path("imports/<int:import_id>/refusals", views.ImportRefusalsView.as_view()),
    path("import-formats", views.ImportFormatsView.as_view()),
]
