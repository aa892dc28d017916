"""Response policies under `/api/rpz/`."""

from __future__ import annotations

from django.urls import path
from rest_framework.routers import SimpleRouter

from security.api import views
from security.api.hits import HitsView
from security.api.watches import HitWatchViewSet

router = SimpleRouter()
router.register("watches", HitWatchViewSet, basename="api-rpz-watches")

urlpatterns = [
    *router.urls,
    path("policies/", views.PoliciesView.as_view(), name="api-rpz-policies"),
    path("policies/<int:policy_id>/", views.PolicyView.as_view(), name="api-rpz-policy"),
    path("policies/<int:policy_id>/sync/", views.PolicySyncView.as_view(), name="api-rpz-policy-sync"),
    path("policies/<int:policy_id>/export/", views.PolicyExportView.as_view(), name="api-rpz-policy-export"),
    path("policies/<int:policy_id>/import/", views.PolicyImportView.as_view(), name="api-rpz-policy-import"),
    path("feeds/", views.FeedsView.as_view(), name="api-rpz-feeds"),
    path("feeds/<int:feed_id>/", views.FeedView.as_view(), name="api-rpz-feed"),
    path("feeds/<int:feed_id>/refresh/", views.FeedRefreshView.as_view(), name="api-rpz-feed-refresh"),
    path("check/", views.CheckView.as_view(), name="api-rpz-check"),
    path("rules/", views.RulesView.as_view(), name="api-rpz-rules"),
    path("rules/<int:rule_id>/", views.RuleView.as_view(), name="api-rpz-rule"),
    path("rules/<int:rule_id>/retry/", views.RuleRetryView.as_view(), name="api-rpz-rule-retry"),
    path("hits/", HitsView.as_view(), name="api-rpz-hits"),
]
