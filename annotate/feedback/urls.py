from django.urls import path

from annotate.feedback import campaign_views, views

urlpatterns = [
    path("campaigns", campaign_views.CampaignsView.as_view()),
    path("campaigns/<int:campaign_id>", campaign_views.CampaignView.as_view()),
    path("campaigns/<int:campaign_id>/members", campaign_views.MembersView.as_view()),
    path("campaigns/<int:campaign_id>/assignments/next", views.NextAssignmentView.as_view()),
    path("campaigns/<int:campaign_id>/assignments/ahead", views.AheadAssignmentView.as_view()),
    path("campaigns/<int:campaign_id>/prompts", campaign_views.PromptsView.as_view()),
    path("campaigns/<int:campaign_id>/progress", campaign_views.ProgressView.as_view()),
    path("assignments/<int:assignment_id>", views.AssignmentView.as_view()),
    path("assignments/<int:assignment_id>/draft", views.DraftView.as_view()),
    path("assignments/<int:assignment_id>/renew", views.RenewView.as_view()),
    path("assignments/<int:assignment_id>/submit", views.SubmitView.as_view()),
    path("assignments/<int:assignment_id>/versions", views.VersionsView.as_view()),
    path("assignments/<int:assignment_id>/skip", views.SkipView.as_view()),
    path("assignments/<int:assignment_id>/release", views.ReleaseView.as_view()),
    path("assignments/<int:assignment_id>/remarks", views.RemarkView.as_view()),
    path("campaigns/<int:campaign_id>/remarks", views.RemarksView.as_view()),
    path("remarks/<int:remark_id>", views.SettleRemarkView.as_view()),
    path("my-work", views.OwnWorkView.as_view()),
]
