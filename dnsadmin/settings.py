"""Django's settings, derived from the environment (`dnsadmin.env`). Nothing else reads `os.environ`."""

from __future__ import annotations

import hashlib
import os
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

import dj_database_url
from csp.constants import NONE, SELF

from dnsadmin import env
from monitoring.queries.conf import QuerySettings
from realtime.conf import RealtimeSettings, RolloutSettings
from realtime.legacy.conf import LegacySettings  # LEGACY
from security.detection.conf import DetectionSettings
from zones.nameserver.conf import NamedSettings

BASE_DIR = Path(__file__).resolve().parent.parent

SITE = env.read(env.SiteSettings, "DNSADMIN_", os.environ)
EMAIL = env.read(env.EmailSettings, "DNSADMIN_EMAIL_", os.environ)
REALTIME = env.read(RealtimeSettings, "DNSADMIN_REALTIME_", os.environ)
ROLLOUT = env.read(RolloutSettings, "DNSADMIN_ROLLOUT_", os.environ)
LEGACY = env.read(LegacySettings, "DNSADMIN_LEGACY_", os.environ)  # LEGACY
NAMED = env.read(NamedSettings, "DNSADMIN_NAMED_", os.environ)
DETECTION = env.read(DetectionSettings, "DNSADMIN_DETECTION_", os.environ)
QUERIES = env.read(QuerySettings, "DNSADMIN_QUERIES_", os.environ)

DATA_DIR = SITE.data_dir if SITE.data_dir.is_absolute() else BASE_DIR / SITE.data_dir
DATA_DIR.mkdir(mode=0o750, parents=True, exist_ok=True)


def _secret_key() -> str:
    """The configured key, or one that is made once and kept in the data directory, readable by the owner only."""
    if SITE.secret_key:
        return SITE.secret_key
    path = DATA_DIR / "secret_key"
    try:
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(50))
    except FileExistsError:
        pass
    return path.read_text()


SECRET_KEY = _secret_key()
DEBUG = SITE.debug
ALLOWED_HOSTS = [host.strip() for host in SITE.allowed_hosts.split(",") if host.strip()]
SITE_ORIGINS = [origin.strip().rstrip("/") for origin in SITE.origins.split(",") if origin.strip()]
CSRF_TRUSTED_ORIGINS = SITE_ORIGINS

INSTALLED_APPS = [
    "dnsadmin",
    "realtime",
    "realtime.legacy",  # LEGACY
    "zones",
    "security",
    "monitoring",
    "dnsadmin.administration.Administration",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "waffle",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "csp.middleware.CSPMiddleware",
    "dnsadmin.query_strings.QueryStringMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "waffle.middleware.WaffleMiddleware",
    "dnsadmin.maintenance.MaintenanceMiddleware",
    "realtime.middleware.PositionMiddleware",
    "realtime.middleware.ActorMiddleware",
]

ROOT_URLCONF = "dnsadmin.urls"
ASGI_APPLICATION = "dnsadmin.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dnsadmin.context.site",
                "dnsadmin.context.bell",
            ],
        },
    },
]

# -- database -----------------------------------------------------------------------------------------------------

DATABASES: dict[str, Any] = {"default": dj_database_url.parse(SITE.database_url or f"sqlite:///{DATA_DIR}/db.sqlite3")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        # Writers queue for the lock at BEGIN, instead of failing in the middle of a transaction that began by reading.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # FULL: with NORMAL a power failure takes back the last commits, which screens and the name server have seen already.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# In the database, so that every process counts the same attempts to sign in, whatever becomes of Redis.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}}


def _site_mark() -> str:
    """What tells this site's messages from those of another site on the same Redis: its database, and its secret."""
    identity = (SECRET_KEY, *(str(DATABASES["default"].get(name, "")) for name in ("ENGINE", "NAME", "PORT")))
    return hashlib.sha256("\0".join(identity).encode()).hexdigest()[:16]


# -- channel layers: "default" between processes, "local" within one ------------------------------------------------

CHANNEL_LAYERS: dict[str, Any] = {
    "default": (
        {
            "BACKEND": "realtime.redis_layer.SleepingRedisLayer",
            # redis-py 8 gives idle connections up after 5 s by default; a subscriber is idle most of the time.
            "CONFIG": {
                "hosts": [{"address": SITE.redis_url, "socket_timeout": None, "socket_connect_timeout": 2}],
                "prefix": f"dnsadmin-{_site_mark()}",
            },
        }
        if SITE.redis_url
        else {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 10_000}}
    ),
    "local": {"BACKEND": "realtime.layers.LocalChannelLayer"},
}

# -- people ---------------------------------------------------------------------------------------------------------

PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"

WAFFLE_FLAG_MODEL = "realtime.RolloutFlag"

# -- API --------------------------------------------------------------------------------------------------------------

API_REQUESTS_PER_MINUTE = SITE.api_requests_per_minute
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "dnsadmin.api.authentication.PersonalTokenAuthentication",
        "rest_framework_simplejwt.authentication.JWTAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "dnsadmin.api.pagination.Pages",
    "DEFAULT_SCHEMA_CLASS": "dnsadmin.api.schema.Schema",
    "DEFAULT_THROTTLE_CLASSES": ["dnsadmin.api.throttling.Throttle"],
    "EXCEPTION_HANDLER": "dnsadmin.api.problems.exception_handler",
}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=1),
    "SIGNING_KEY": SECRET_KEY,
    "AUTH_TOKEN_CLASSES": ("realtime.sessions.RevocableAccessToken",),
    "CHECK_REVOKE_TOKEN": True,  # a new password ends the tokens that were made with the old one
}
SPECTACULAR_SETTINGS = {
    "TITLE": "dnsadmin",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # Fields of one name that mean different things: each kind of choice has its own.
    "ENUM_NAME_OVERRIDES": {
        "ZoneKindEnum": "zones.models.ZoneKind",
        "PolicyKindEnum": "security.models.PolicyKind",
        "ActionEnum": "security.triggers.Action",
        "ComponentStateEnum": "monitoring.models.Health",
        "SeverityEnum": "realtime.events.SEVERITIES",
    },
}

# -- e-mail -----------------------------------------------------------------------------------------------------------

EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL.host else 'filebased'}.EmailBackend"
EMAIL_FILE_PATH = DATA_DIR / "mail"
EMAIL_HOST, EMAIL_PORT = EMAIL.host, EMAIL.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = EMAIL.user, EMAIL.password
EMAIL_USE_TLS, EMAIL_USE_SSL = EMAIL.security == "starttls", EMAIL.security == "tls"
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = SERVER_EMAIL = EMAIL.sender

# -- browser security -------------------------------------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "worker-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
if SITE.tls:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]  # asked of each process itself, behind the proxy
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True


def _own_origins() -> list[str]:
    """The origins of the site itself. Behind TLS that is the proxy's port 443; any other set-up names `SITE_ORIGINS`."""
    hosts = [host for host in ALLOWED_HOSTS if not host.startswith((".", "*"))]
    if SITE.tls:
        return [f"https://{host}" for host in hosts]
    return [f"http://{host}" if SITE.port == 80 else f"http://{host}:{SITE.port}" for host in hosts]


OWN_ORIGINS = _own_origins()


# -- static files -------------------------------------------------------------------------------------------------------

STATIC_URL = "/static/"
# Of the packages in package-lock.json, as they were installed: charts, and Punycode for names in events.
_PACKAGES = BASE_DIR / "node_modules"
STATICFILES_DIRS = [BASE_DIR / "static", ("uplot", _PACKAGES / "uplot" / "dist"), ("punycode", _PACKAGES / "punycode")]
STATIC_ROOT = DATA_DIR / "static"
SERVESTATIC_USE_FINDERS = True
SERVESTATIC_AUTOREFRESH = DEBUG

# -- the rest -------------------------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": SITE.log_level},
    # It would log each WebSocket twice, with its query string.
    "loggers": {"uvicorn.error": {"level": "WARNING"}},
}
