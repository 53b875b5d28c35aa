"""Every setting of the web side, read from the environment (and `.env`) once. docs/operators/settings.md lists them."""

import contextlib
import secrets
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import environ
from django.utils.translation import get_language_info, to_language

from annotate.operating import servers

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")

# The directory for everything Parley writes: embedded servers, snapshots, runs, uploads.
PARLEY_DATA = Path(env.str("PARLEY_DATA", default=str(BASE_DIR / ".parley"))).resolve()
SNAPSHOTS_DIR = PARLEY_DATA / "snapshots"
RUNS_DIR = PARLEY_DATA / "runs"
UPLOADS_DIR = PARLEY_DATA / "uploads"
# Bodies on their way, beside the uploads that they become: a move there is no copy.
FILE_UPLOAD_TEMP_DIR = PARLEY_DATA / "incoming"

# What a person may name by a path: files for the settings of jobs, and models to register.
INPUTS_DIR = PARLEY_DATA / "inputs"
MODEL_DIRS = [PARLEY_DATA, *(Path(path).resolve() for path in env.list("PARLEY_MODEL_DIRS", default=[]))]

DEBUG = env.bool("PARLEY_DEBUG", default=False)


def _secret_key() -> str:
    """PARLEY_SECRET_KEY, or one made on the first start and kept in the data directory."""
    given = env.str("PARLEY_SECRET_KEY", default="")
    if given:
        return given
    path = PARLEY_DATA / "secret_key"
    if not path.exists():
        made = path.with_suffix(f".{secrets.token_hex(4)}")
        made.touch(mode=0o600)
        made.write_text(secrets.token_urlsafe(50))
        with contextlib.suppress(FileExistsError):  # another process was first: its key stays
            path.hardlink_to(made)
        made.unlink()
    return path.read_text()


try:
    PARLEY_DATA.mkdir(parents=True, exist_ok=True)
    # Not for the eyes of others on this machine; where a group was let in, it stays.
    for _private in [SNAPSHOTS_DIR, RUNS_DIR, UPLOADS_DIR, FILE_UPLOAD_TEMP_DIR, PARLEY_DATA / "logs"]:
        _private.mkdir(mode=0o700, exist_ok=True)
        if _private.stat().st_mode & 0o007:
            with contextlib.suppress(PermissionError):  # another user's, on a shared file system
                _private.chmod(0o700)
    SECRET_KEY = _secret_key()
except OSError as error:
    sys.exit(
        f"The data directory {PARLEY_DATA} cannot be written ({error.strerror}). Free some space there, or set "
        "PARLEY_DATA to a directory that may be written."
    )
ALLOWED_HOSTS = env.list("PARLEY_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("PARLEY_ORIGINS", default=[])
HTTPS = env.bool("PARLEY_HTTPS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_SSL_REDIRECT = HTTPS  # health probes are answered before it
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# A browser that nobody uses is signed out after this time, and one that is used after the other.
SESSION_COOKIE_AGE = int(env.float("PARLEY_IDLE_HOURS", default=24) * 3600)
SESSION_LONGEST_SECONDS = 14 * 24 * 3600

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "annotate.operating",
    "annotate.accounts",
    "annotate.campaigns",
    "annotate.feedback",
    "annotate.quality",
    "annotate.exchange",
    "annotate.snapshots",
    "annotate.runs",
    "annotate.demo",
]

MIDDLEWARE = [
    "annotate.pages.health_first",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",  # before static files, which are a way to the pages too
    "annotate.api.security_headers.content_security_policy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "annotate.accounts.sessions.sessions",
    "django.contrib.messages.middleware.MessageMiddleware",
]

ROOT_URLCONF = "annotate.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "frontend" / "dist"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# One database, one broker. Where none is named, the servers that Parley carries (annotate/operating/servers.py).
CARRIES_POSTGRES = not env.str("DATABASE_URL", default="")
CARRIES_REDIS = not env.str("REDIS_URL", default="")
try:
    DATABASE_URL = env.str("DATABASE_URL", default="") or servers.postgres_url(PARLEY_DATA)
    REDIS_URL = env.str("REDIS_URL", default="") or servers.redis_url(PARLEY_DATA)
except servers.ServerError as error:
    sys.exit(str(error))
if not DATABASE_URL.startswith(("postgres://", "postgresql://")):
    sys.exit(
        "DATABASE_URL names no PostgreSQL: write postgres://user:password@host:5432/name, or leave it out."
    )
if not REDIS_URL.startswith(("redis://", "rediss://", "unix://")):
    sys.exit(
        "REDIS_URL names no Redis: write redis://host:6379/0 or unix:///path/to/socket, or leave it out."
    )
DATABASES = {"default": env.db_url_config(DATABASE_URL)}
DATABASES["default"]["HOST"] = unquote(DATABASES["default"]["HOST"])  # a unix socket's directory is quoted
DATABASES["default"]["CONN_MAX_AGE"] = 60
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"].setdefault("OPTIONS", {})["connect_timeout"] = 5
DATABASES["default"]["TEST"] = {"NAME": env.str("PARLEY_TEST_DATABASE", default="test_parley")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "parley",
        "OPTIONS": {"socket_connect_timeout": 5, "socket_timeout": 5},
    }
}
CELERY_BROKER_URL = servers.broker_url(REDIS_URL)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "web"
# Jobs are launched, and the model server run, where the GPUs are: a worker of the queue "train".
# Imports and snapshots may last long: in the queue "files" nothing that others wait for stands behind them.
CELERY_TASK_ROUTES = {
    "annotate.runs.tasks.*": {"queue": "train"},
    "annotate.exchange.tasks.*": {"queue": "files"},
    "annotate.snapshots.tasks.*": {"queue": "files"},
}
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 600, "socket_connect_timeout": 5}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_REDIRECT_STDOUTS = False
# A message only says "look now"; several waiting say no more than one, so they expire unread after a period.
CELERY_BEAT_SCHEDULE = {
    name: {"task": task, "schedule": seconds, "options": {"expires": seconds}}
    for name, task, seconds in [
        ("clear what has ended", "annotate.accounts.tasks.clear_ended", 3600.0),
        ("expire leases", "annotate.feedback.tasks.expire_leases", 30.0),
        ("queue reviews", "annotate.feedback.tasks.queue_all_reviews", 30.0),
        ("fold tallies", "annotate.feedback.tasks.fold_tallies", 30.0),
        ("count agreement", "annotate.quality.tasks.count_agreement", 30.0),
        ("advance imports", "annotate.exchange.tasks.advance_imports", 5.0),
        ("advance snapshots", "annotate.snapshots.tasks.advance_snapshots", 5.0),
        ("advance runs", "annotate.runs.tasks.advance_runs", 3.0),
        ("advance rounds", "annotate.runs.tasks.advance_rounds", 3.0),
        ("start due schedules", "annotate.runs.tasks.start_due_schedules", 60.0),
        ("tend model server", "annotate.runs.tasks.tend_model_server", 10.0),
    ]
}

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ["UserAttributeSimilarityValidator", "MinimumLengthValidator"]
] + [{"NAME": "annotate.accounts.passwords.NotGuessable"}]
LOGIN_URL = "/sign-in"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "annotate.accounts.authentication.TokenAuthentication",  # first: its header is what makes "not signed in" a 401
        "annotate.accounts.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["annotate.accounts.permissions.ByOperation"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_PARSER_CLASSES": ["annotate.api.parsers.JSONBodyParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "annotate.api.paging.Pages",
    "PAGE_SIZE": 50,
    "URL_FORMAT_OVERRIDE": None,  # answers are JSON; a parameter `format` is an operation's own, or nobody's
    "EXCEPTION_HANDLER": "annotate.api.errors.exception_handler",
    # How many proxies of one's own stand before the site: the brake counts by the address behind them.
    "NUM_PROXIES": env.int("PARLEY_PROXIES", default=1 if HTTPS else 0),
}
SIGN_IN_TRIES = env.int("PARLEY_SIGN_IN_TRIES", default=10)
REST_KNOX = {"TOKEN_TTL": timedelta(days=90), "AUTH_HEADER_PREFIX": "Token"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Parley",
    "DESCRIPTION": "Human feedback, and the training that learns from it.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "annotate.api.schema.declare_errors",
    ],
    "ENUM_NAME_OVERRIDES": {
        "Operation": "annotate.accounts.serializers.OPERATION_NAMES",
        "CampaignKind": "annotate.campaigns.models.Campaign.Kind",
        "CampaignStatus": "annotate.campaigns.models.Campaign.Status",
        "RunKind": "annotate.runs.models.Run.Kind",
        "RunState": "annotate.runs.models.Run.State",
        "RoundState": "annotate.runs.models.Round.State",
        "RoundStage": "annotate.runs.models.Round.Stage",
        "SnapshotState": "annotate.snapshots.models.Snapshot.State",
        "ImportState": "annotate.exchange.models.FeedbackImport.State",
        "AssignmentState": "annotate.feedback.models.Assignment.State",
        "RemarkReason": "annotate.feedback.models.Remark.Reason",
        "ReviewVerdict": "annotate.feedback.models.Verdict",
        "ComparisonVerdict": "annotate.feedback.kinds.comparison.COMPARISON_VERDICTS",
    },
}

LANGUAGE_CODE = "en"
# English is what the source says; every other language is a folder there.
LOCALE_PATHS = [BASE_DIR / "annotate" / "locale"]
_tags = ["en", *(to_language(path.name) for path in sorted(LOCALE_PATHS[0].iterdir()) if path.is_dir())]
LANGUAGES = [(tag, get_language_info(tag)["name_local"]) for tag in _tags]
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
# Where collectstatic would write; WhiteNoise finds the files without it.
STATIC_ROOT = PARLEY_DATA / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
STATICFILES_DIRS = [path for path in [BASE_DIR / "frontend" / "dist"] if path.exists()]
WHITENOISE_USE_FINDERS = True
WHITENOISE_ALLOW_ALL_ORIGINS = False
WHITENOISE_IMMUTABLE_FILE_TEST = r"^/static/assets/"  # their names hold a hash of what is in them
WHITENOISE_AUTOREFRESH = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# How many views run at once in a web process; bodies and streams do not hold them (annotate/asgi.py).
WEB_THREADS = env.int("PARLEY_WEB_THREADS", default=8)
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 1024 * 1024
MAX_IMPORT_BYTES = env.int("PARLEY_MAX_IMPORT_BYTES", default=4 * 1024**3)

# The policy that people wait for: an OpenAI-compatible server. Empty: Parley starts `transformers serve` itself.
MODEL_SERVER_URL = env.str("PARLEY_MODEL_SERVER_URL", default="")
MODEL_SERVER_API_KEY = env.str("PARLEY_MODEL_SERVER_API_KEY", default="")
# Where that one listens and is asked: the name of the training machine, where the web process runs on another.
MODEL_SERVER_HOST = env.str("PARLEY_MODEL_SERVER_HOST", default="127.0.0.1")
MODEL_SERVER_PORT = env.int("PARLEY_MODEL_SERVER_PORT", default=8377)
MODEL_SERVER_TIMEOUT_SECONDS = env.float("PARLEY_MODEL_SERVER_TIMEOUT", default=60.0)
# Put before `python -m trainer.<kind>`: for instance `accelerate launch --num_processes 4 --module`.
LAUNCH_PREFIX = env.str("PARLEY_LAUNCH_PREFIX", default="")
# How many training jobs run at once, and after how long without a heartbeat one is lost.
MAX_RUNNING_JOBS = env.int("PARLEY_MAX_RUNNING_JOBS", default=1)
LOST_AFTER_SECONDS = env.int("PARLEY_LOST_AFTER", default=60)
MAX_ATTEMPTS = env.int("PARLEY_MAX_ATTEMPTS", default=3)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "one_line": {
            "()": "annotate.operating.logs.OneLine",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "one_line"}},
    "root": {"handlers": ["stderr"], "level": env.str("PARLEY_LOG_LEVEL", default="WARNING")},
    "loggers": {"annotate": {"level": env.str("PARLEY_LOG_LEVEL", default="INFO")}},
}
