"""The API described: OpenAPI, and a page to browse and try it."""

from __future__ import annotations

from csp.decorators import csp_update
from django.utils.decorators import method_decorator
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny


class SchemaView(SpectacularAPIView):
    """The OpenAPI description. It holds no data, so it is for everybody."""

    permission_classes = [AllowAny]


# Swagger UI styles its own elements; that is allowed on this page alone, and scripts stay as strict as anywhere.
@method_decorator(csp_update({"style-src": ["'unsafe-inline'"]}), name="dispatch")
class DocumentationView(SpectacularSwaggerSplitView):
    """Swagger UI, from the site's own files, its script apart from the page."""

    permission_classes = [AllowAny]
    template_name = "api/docs.html"
    url_name = "schema"
