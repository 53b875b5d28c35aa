from django.urls import URLPattern, URLResolver, path

from annotate.snapshots import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("snapshots", views.SnapshotsView.as_view()),
    path("snapshots/<int:snapshot_id>", views.SnapshotView.as_view()),
]
