"""Zones under `/api/`."""

from __future__ import annotations

from django.urls import path, register_converter

from zones.api.axfr_views import TransferView
from zones.api.change_views import ChangeSetView, ChangesView, RestoreView, RevertView
from zones.api.grant_views import GrantsView, GrantView
from zones.api.operation_views import BulkEditsView, CancelView, OperationView
from zones.api.record_views import RecordsView, RecordTypesView, RecordView
from zones.api.transfer_views import ExportView, ImportView, OperationResultView
from zones.api.truth_views import AdoptView, DriftView, RetryView, ServedView, ServersView
from zones.api.zone_views import ZonesView, ZoneView


class ZoneName:
    """A zone's name, which may hold slashes (`0/25.2.0.192.in-addr.arpa`, RFC 2317): it ends in a part with a dot, as what
    follows it in a path never does."""

    regex = r"(?:[^/]+/)*[^/]*\.[^/]*|[^/]+"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(ZoneName, "zone")

urlpatterns = [
    path("record-types/", RecordTypesView.as_view(), name="api-record-types"),
    path("zones/", ZonesView.as_view(), name="api-zones"),
    path("zones/transfer/", TransferView.as_view(), name="api-transfer"),
    path("zones/adopt/", AdoptView.as_view(), name="api-adopt"),
    path("zones/<zone:zone_name>/", ZoneView.as_view(), name="api-zone"),
    path("zones/<zone:zone_name>/records/", RecordsView.as_view(), name="api-records"),
    path("zones/<zone:zone_name>/records/<int:record_id>/", RecordView.as_view(), name="api-record"),
    path("zones/<zone:zone_name>/changes/", ChangesView.as_view(), name="api-changes"),
    path("zones/<zone:zone_name>/changes/<int:change_set_id>/", ChangeSetView.as_view(), name="api-change-set"),
    path("zones/<zone:zone_name>/restore/", RestoreView.as_view(), name="api-restore"),
    path("zones/<zone:zone_name>/changes/<int:change_set_id>/revert/", RevertView.as_view(), name="api-revert"),
    path("zones/<zone:zone_name>/import/", ImportView.as_view(), name="api-import"),
    path("zones/<zone:zone_name>/export/", ExportView.as_view(), name="api-export"),
    path("zones/<zone:zone_name>/grants/", GrantsView.as_view(), name="api-grants"),
    path("zones/<zone:zone_name>/grants/<int:grant_id>/", GrantView.as_view(), name="api-grant"),
    path("zones/<zone:zone_name>/servers/", ServersView.as_view(), name="api-servers"),
    path("zones/<zone:zone_name>/served/", ServedView.as_view(), name="api-served"),
    path("zones/<zone:zone_name>/drift/", DriftView.as_view(), name="api-drift"),
    path("zones/<zone:zone_name>/retry/", RetryView.as_view(), name="api-retry"),
    path("bulk-edits/", BulkEditsView.as_view(), name="api-bulk-edits"),
    path("operations/<str:operation_id>/", OperationView.as_view(), name="api-operation"),
    path("operations/<str:operation_id>/result/", OperationResultView.as_view(), name="api-operation-result"),
    path("operations/<str:operation_id>/cancel/", CancelView.as_view(), name="api-operation-cancel"),
]
