"""Personal tokens over the API: listed, made and ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from dnsadmin import access_tokens
from dnsadmin.access_tokens import SCOPES
from dnsadmin.models import ApiToken


class ApiTokenSerializer(serializers.ModelSerializer):
    """A personal token. `hint`: its last characters. `last_used_at`: to the minute."""

    scopes = serializers.SerializerMethodField()

    class Meta:
        model = ApiToken
        fields = ("id", "name", "hint", "scopes", "created_at", "expires_at", "last_used_at")
        read_only_fields = fields

    def get_scopes(self, token: ApiToken) -> list[str]:
        return token.scopes.split()


class NewApiTokenSerializer(serializers.Serializer[Any]):
    """What a token is for. Without `expires_at` or `days` it has no end."""

    name = serializers.CharField(max_length=100)
    scopes = serializers.MultipleChoiceField(choices=list(SCOPES.items()), allow_empty=False)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)
    days = serializers.IntegerField(required=False, min_value=1, max_value=3650)


class MadeApiTokenSerializer(ApiTokenSerializer):
    """A new token. `token`: its text, shown this once."""

    token = serializers.CharField()

    class Meta:
        model = ApiToken
        fields = (*ApiTokenSerializer.Meta.fields, "token")
        read_only_fields = fields


class OwnTokens(GenericAPIView):
    """A view about one's own tokens, for the person and not for one of the tokens."""

    serializer_class = ApiTokenSerializer

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if isinstance(request.auth, ApiToken):
            raise exceptions.PermissionDenied("A personal token cannot see, make or end tokens.")


class ApiTokensView(OwnTokens):
    """One's personal tokens."""

    @extend_schema(operation_id="tokens_list", responses=ApiTokenSerializer(many=True))
    def get(self, request: Request) -> Response:
        rows = self.paginate_queryset(access_tokens.of(request.user)) or []
        return self.get_paginated_response(ApiTokenSerializer(rows, many=True).data)

    @extend_schema(request=NewApiTokenSerializer, responses={201: MadeApiTokenSerializer})
    def post(self, request: Request) -> Response:
        """Make a token. Its text is in this answer and nowhere else."""
        given = NewApiTokenSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        asked = given.validated_data
        ends = asked.get("expires_at")
        if days := asked.get("days"):
            ends = timezone.now() + timedelta(days=days)
        try:
            made, text = access_tokens.make(request.user, asked["name"], asked["scopes"], ends)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error
        return Response({**ApiTokenSerializer(made).data, "token": text}, status=201)


class ApiTokenView(OwnTokens):
    """One of one's personal tokens."""

    @extend_schema(responses={204: None})
    def delete(self, request: Request, token_id: int) -> Response:
        """End it, with every socket that it opened."""
        access_tokens.revoke(get_object_or_404(access_tokens.of(request.user), pk=token_id))
        return Response(status=204)
