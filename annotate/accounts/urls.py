from django.urls import path

from annotate.accounts import views

urlpatterns = [
    path("me", views.MeView.as_view()),
    path("session", views.SessionView.as_view()),
    path("sessions", views.SessionsView.as_view()),
    path("password", views.PasswordView.as_view()),
    path("tokens", views.TokensView.as_view()),
    path("tokens/<str:token_id>", views.TokenView.as_view()),
    path("users", views.UsersView.as_view()),
    path("users/<int:user_id>", views.UserView.as_view()),
    path("users/<int:user_id>/tokens", views.UserTokensView.as_view()),
    path("users/<int:user_id>/tokens/<str:token_id>", views.UserTokenView.as_view()),
]
