"""Zones under `/api/`."""

from __future__ import annotations

from django.urls import path

from zones.api import views
from zones.api.transfer_views import ExportView, ImportView

urlpatterns = [
    path("record-types/", views.RecordTypesView.as_view(), name="api-record-types"),
    path("zones/", views.ZonesView.as_view(), name="api-zones"),
    path("zones/<str:zone_name>/", views.ZoneView.as_view(), name="api-zone"),
    path("zones/<str:zone_name>/records/", views.RecordsView.as_view(), name="api-records"),
    path("zones/<str:zone_name>/records/<int:record_id>/", views.RecordView.as_view(), name="api-record"),
    path("zones/<str:zone_name>/changes/", views.ChangesView.as_view(), name="api-changes"),
    path("zones/<str:zone_name>/changes/<int:change_set_id>/revert/", views.RevertView.as_view(), name="api-revert"),
    path("zones/<str:zone_name>/import/", ImportView.as_view(), name="api-import"),
    path("zones/<str:zone_name>/export/", ExportView.as_view(), name="api-export"),
    path("zones/<str:zone_name>/grants/", views.GrantsView.as_view(), name="api-grants"),
    path("zones/<str:zone_name>/grants/<int:grant_id>/", views.GrantView.as_view(), name="api-grant"),
    path("operations/<str:operation_id>/", views.OperationView.as_view(), name="api-operation"),
    path("operations/<str:operation_id>/cancel/", views.CancelView.as_view(), name="api-operation-cancel"),
]
