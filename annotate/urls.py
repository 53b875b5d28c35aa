"""Every address: the API of each app, the schema, Django admin, and the single-page app for the rest."""

from django.contrib import admin
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from annotate.pages import not_found, single_page_app

urlpatterns = [
    path("api/", include("annotate.accounts.urls")),
    path("api/", include("annotate.campaigns.urls")),
    path("api/", include("annotate.feedback.urls")),
    path("api/", include("annotate.quality.urls")),
    path("api/", include("annotate.snapshots.urls")),
    path("api/", include("annotate.runs.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    re_path(r"^api(?:/.*)?$", not_found),
    path("admin/", admin.site.urls),
    re_path(r"^(?!(?:api|static|admin)(?:/|$))[\w/-]*$", single_page_app),
]
