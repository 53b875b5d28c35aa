from django.urls import URLPattern, URLResolver, path

from annotate.runs import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("assignments/<int:assignment_id>/suggestions", views.SuggestionsView.as_view()),
    path("runs", views.RunsView.as_view()),
    path("runs/<int:run_id>", views.RunView.as_view()),
    path("runs/<int:run_id>/metrics", views.RunMetricsView.as_view()),
    path("runs/<int:run_id>/log", views.RunLogView.as_view()),
    path("runs/<int:run_id>/samples", views.RunSamplesView.as_view()),
    path("runs/<int:run_id>/cancel", views.CancelRunView.as_view()),
    path("runs/<int:run_id>/resume", views.ResumeRunView.as_view()),
    path("rounds", views.RoundsView.as_view()),
    path("rounds/<int:round_id>", views.RoundView.as_view()),
    path("rounds/<int:round_id>/cancel", views.CancelRoundView.as_view()),
    path("rounds/<int:round_id>/resume", views.ResumeRoundView.as_view()),
    path("promotions", views.PromotionsView.as_view()),
    path("policy-versions", views.PolicyVersionsView.as_view()),
    path("policy-versions/<int:policy_version_id>", views.PolicyVersionView.as_view()),
    path("policy-versions/<int:policy_version_id>/promote", views.PromoteView.as_view()),
    path("policy-versions/<int:policy_version_id>/comparisons", views.AgainstOthersView.as_view()),
    path("campaigns/<int:campaign_id>/policies", views.PoliciesOfCampaignView.as_view()),
    path("reward-models", views.RewardModelsView.as_view()),
    path("schedules", views.SchedulesView.as_view()),
    path("schedules/<int:schedule_id>", views.ScheduleView.as_view()),
    path("model-server", views.ModelServerView.as_view()),
]
