from django.urls import path

from annotate.campaigns import views

urlpatterns = [
    path("campaigns/<int:campaign_id>/guidelines", views.GuidelinesView.as_view()),
    path("campaigns/<int:campaign_id>/guidelines/read", views.GuidelinesReadView.as_view()),
    path("campaigns/<int:campaign_id>/terms", views.TermsView.as_view()),
    path("campaigns/<int:campaign_id>/consent", views.ConsentView.as_view()),
    path("campaigns/<int:campaign_id>/members/<int:user_id>", views.MemberView.as_view()),
]
