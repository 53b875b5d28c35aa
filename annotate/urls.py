"""Every address: the API of each app, the schema, Django admin, and the single-page app for the rest."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from annotate.api.schema import DocsView, schema
from annotate.pages import admin_sign_in, not_found, single_page_app

urlpatterns = [
    path("api/", include("annotate.accounts.urls")),
    path("api/", include("annotate.campaigns.urls")),
    path("api/", include("annotate.feedback.urls")),
    path("api/", include("annotate.quality.urls")),
    path("api/", include("annotate.exchange.urls")),
    path("api/", include("annotate.snapshots.urls")),
    path("api/", include("annotate.runs.urls")),
    path("api/schema/", schema, name="schema"),
    path("api/docs/", DocsView.as_view(), name="docs"),
    re_path(r"^api(?:/.*)?$", not_found),
    path("admin/login/", admin_sign_in),
    path("admin/password_change/", RedirectView.as_view(url="/account")),
    path("admin/", admin.site.urls),
    re_path(r"^(?!(?:api|static|admin)(?:/|$))[\w/-]*$", single_page_app),
]
