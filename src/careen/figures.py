"""What the processes of a node count while they work: every figure by its name. docs/metrics.md has them for readers.

What the database knows is not here: ``registry/metrics.py`` reads it when it is asked for. The values of labels are words of ours
(operations, outcomes, kinds of jobs), and never what a client says.
"""

from careen.counting import Counter, Gauge, Histogram

_ANSWER_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_WORK_SECONDS = (0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600)

REQUESTS = Counter(
    "careen_http_requests",
    "Requests that were answered, anew or with an answer given again from memory.",
    ("surface", "operation", "method", "status", "answer"),
)
REQUEST_SECONDS = Histogram(
    "careen_http_request_seconds",
    "From a request's head to the head of its answer, without waiting for the client's body; not of answers given again.",
    ("surface", "operation"),
    _ANSWER_SECONDS,
)
IN_FLIGHT = Gauge(
    "careen_http_requests_in_flight", "Requests that are being answered, feeds of events aside."
)
CONNECTIONS = Gauge("careen_http_connections", "Open connections of clients.")
SURPLUS = Counter("careen_http_surplus_connections", "Connections beyond max_connections.")
RECEIVED = Counter("careen_http_received_bytes", "Bytes that clients sent.")
SENT = Counter(
    "careen_http_sent_bytes",
    "Bytes that clients were sent; of answers in several pieces without their heads.",
)
FEEDS = Gauge("careen_event_feeds", "Feeds of events that are being read.")
REFUSALS = Counter(
    "careen_refusals", "Requests that were refused for who asked, or how often.", ("surface", "reason")
)
UPLOADS = Counter("careen_uploads", "Upload sessions that began and how they ended.", ("outcome",))
PULL_THROUGH = Counter(
    "careen_pull_through_requests",
    "Pulls under a pull-through cache rule, by what was done for them.",
    ("upstream", "outcome"),
)
REPLICATION = Counter(
    "careen_replication_attempts", "Attempts to bring something to another registry.", ("kind", "outcome")
)
SCANS = Counter("careen_scans", "Scans of images that ended.", ("outcome",))
DELIVERIES = Counter("careen_webhook_deliveries", "Attempts to deliver an event to a webhook.", ("outcome",))
LIFECYCLE_IMAGES = Counter(
    "careen_lifecycle_images", "Images that lifecycle policy runs dealt with.", ("outcome",)
)
JOBS = Counter("careen_jobs", "Jobs that a worker did.", ("kind", "outcome"))
JOB_SECONDS = Histogram("careen_job_seconds", "What they took.", ("kind",), _WORK_SECONDS)
S3_REQUESTS = Counter(
    "careen_s3_requests", "Calls of the bucket, with the tries each took inside.", ("operation", "outcome")
)
S3_SECONDS = Histogram("careen_s3_request_seconds", "What they took.", ("operation",), _ANSWER_SECONDS)
DATABASE_CONNECTIONS = Counter(
    "careen_database_connections",
    "Connections that were opened to a database on a server, or could not be.",
    ("outcome",),
)
DATABASE_RERUNS = Counter(
    "careen_database_reruns",
    "Transactions that were run again, because another one was in conflict with them.",
)

EVERY: tuple[Counter | Histogram, ...] = (
    REQUESTS,
    REQUEST_SECONDS,
    IN_FLIGHT,
    CONNECTIONS,
    SURPLUS,
    RECEIVED,
    SENT,
    FEEDS,
    REFUSALS,
    UPLOADS,
    PULL_THROUGH,
    REPLICATION,
    SCANS,
    DELIVERIES,
    LIFECYCLE_IMAGES,
    JOBS,
    JOB_SECONDS,
    S3_REQUESTS,
    S3_SECONDS,
    DATABASE_CONNECTIONS,
    DATABASE_RERUNS,
)
GAUGES = tuple(each for each in EVERY if isinstance(each, Gauge))
