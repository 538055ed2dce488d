"""The schema, as SQLAlchemy metadata: what the migrations must arrive at (a test compares the two).

::

    principals ──< access_keys                           users and roles; keys are users'
         ├──< identity_policies                          documents of their own
         ├──< attached_policies                          managed policies, by name
         ├─── login_profiles                             a user's password, as a hash
         └──< console_sessions, sign_in_links            who is signed in, and links that sign somebody in once
    sign_in_attempts     how often somebody, or somebody from an address, has been wrong in a row
    oidc_providers               whose tokens may assume roles
    repositories ──< repository_tags                       resource tags
         │ ├──< tags >── manifests ── manifest_contents    a tag names one manifest
         │ ├──< manifests ──< manifest_children >── manifests       index → child: a listed child cannot be deleted
         │ │        └──< manifest_blobs ──┐                manifest → config, layer
         │ └──< repository_blobs <────────┘                a blob is readable where it is linked; seen_at is its lease
         │             └──> blobs ── blob_contents         bytes up to 64 KiB are rows, the rest are files
         ├──< reviews                                      links that may have become unreferenced, and when to look
         ├──< lifecycle_previews ──< lifecycle_preview_results
         ├──< lifecycle_runs ──< lifecycle_actions
         ├──< pins                                       an image is in use: what is pinned is not expired
         ├─── repository_summaries                      what is in it, as it was last added up
         └─── public_repositories                        anybody may pull from it; its catalogue and logo
         └──< pins                                       an image is in use: what is pinned is not expired
    manifests ── scans ── scan_findings                  what is wrong with an image, or what a report says of its subject
    pin_feeds                    those who report everything they see, and when they did
    pin_watch                    how much time passed in which reports could be heard
    deletions ── trash ──< trash_blobs ──> blobs         who deleted what, for ever; what can still come back
    default_lifecycle_policies   for repositories that have none, by name pattern
    registry_documents           what holds for all repositories: protection rules, the registry policy
    repository_creation_templates    settings of repositories that nobody creates by name
    account_settings             the registry's own, where they differ from the default
    registry_documents           what holds for all repositories, such as protection rules
    pull_through_cache_rules     prefixes of names that stand for other registries
    repositories ──< upstream_references                 when a cached tag was compared with its upstream
    pull_time_exclusions         principals whose pulls do not count
    manifests ──< replications   how far an image is on its way to another registry
    replication_deletions        deletions that are on theirs
    replication_backfills ──< replication_backfill_results
    condemned_blobs      bytes whose row is gone, until they are gone too
    blobs ── damaged_blobs, manifests ── damaged_manifests     what a scrub found; a push of the same digest repairs it
    scrubs               how far each scrub is
    holds                while one is there, no blob's file is deleted: a backup copies them
    storage_samples      what the registry stored, hour by hour, then day by day
    collections, collection_totals     what each collection gave back, and all of them
    events               what happened, told in the transaction in which it did: appended to, pruned by age
    webhooks ──< dead_letters >── events                 who is told, how far each is, and what could not be delivered
    jobs                 what a worker does: one row per thing to do, with a lease
    nodes                who works on a database that several share, and was seen lately

Instants are BIGINT microseconds since the epoch (``careen.clock``), sizes BIGINT bytes, JSON is text. The foreign keys keep
the promises: a linked blob has its row, a referenced blob its link, a listed child its manifest.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy import Text as _Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Text = _Text().with_variant(_Text(collation="C"), "postgresql")
"""Compared byte by byte, as SQLite does, whatever language the database's server speaks."""

_Id = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER is SQLite's rowid


def _id() -> Column[int]:
    return Column("id", _Id, primary_key=True, autoincrement=True)


def _repository_id() -> Column[int]:
    return Column("repository_id", _Id, ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False)


principals = Table(
    "principals",
    metadata,
    _id(),
    Column("kind", Text, nullable=False, comment="user or role"),
    Column("name", Text, nullable=False),
    Column("path", Text, nullable=False, comment="/, or /team/…/"),
    Column("unique_id", Text, nullable=False, unique=True, comment="AIDA… or AROA…, never used again"),
    Column("created_at", BigInteger, nullable=False),
    Column("trust_policy", Text, comment="who may assume the role, as it was sent; NULL: a user"),
    Column("description", Text, comment="of a role"),
    Column("max_session", Integer, comment="seconds that a session of the role may last; NULL: a user"),
    UniqueConstraint("kind", "name"),
)

identity_policies = Table(
    "identity_policies",
    metadata,
    Column("principal_id", _Id, ForeignKey("principals.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("document", Text, nullable=False, comment="as it was sent"),
    PrimaryKeyConstraint("principal_id", "name"),
    sqlite_with_rowid=False,
)

attached_policies = Table(
    "attached_policies",
    metadata,
    Column("principal_id", _Id, ForeignKey("principals.id", ondelete="CASCADE"), nullable=False),
    Column("policy", Text, nullable=False, comment="name of a managed policy"),
    PrimaryKeyConstraint("principal_id", "policy"),
    sqlite_with_rowid=False,
)

access_keys = Table(
    "access_keys",
    metadata,
    Column(
        "id", Text, primary_key=True, comment="AKIA…; its secret is derived from the master key, never stored"
    ),
    Column("principal_id", _Id, ForeignKey("principals.id", ondelete="CASCADE"), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("active", Integer, nullable=False, server_default="1"),
)

login_profiles = Table(
    "login_profiles",
    metadata,
    Column(
        "principal_id",
        _Id,
        ForeignKey("principals.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("password", Text, nullable=False, comment="its Argon2id hash"),
    Column("created_at", BigInteger, nullable=False),
    Column("reset_required", Integer, nullable=False, comment="1: the next sign-in asks for another"),
)

console_sessions = Table(
    "console_sessions",
    metadata,
    Column("secret_hash", Text, primary_key=True, comment="SHA-256 of what the cookie has"),
    Column(
        "principal_id",
        _Id,
        ForeignKey("principals.id", ondelete="CASCADE"),
        index=True,
        comment="NULL: the account itself, by the key of the settings",
    ),
    Column(
        "access_key_id",
        Text,
        ForeignKey("access_keys.id", ondelete="CASCADE"),
        index=True,
        comment="what it was begun with, and ends with; NULL: no key of a user",
    ),
    Column(
        "root_key", Text, comment="a keyed hash of the settings' key and its secret; NULL: a user's session"
    ),
    Column("method", Text, nullable=False, comment="Password, AccessKey or Link"),
    Column("began_at", BigInteger, nullable=False, comment="by the system's clock, as all of these"),
    Column("used_at", BigInteger, nullable=False, comment="within the minutes that are not written"),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("address", Text, comment="where it was begun from; NULL: not known"),
    Column("user_agent", Text),
    sqlite_with_rowid=False,
)

sign_in_links = Table(
    "sign_in_links",
    metadata,
    Column("secret_hash", Text, primary_key=True, comment="SHA-256 of what the link has"),
    Column(
        "principal_id",
        _Id,
        ForeignKey("principals.id", ondelete="CASCADE"),
        index=True,
        comment="NULL: the account itself",
    ),
    Column("expires_at", BigInteger, nullable=False, index=True, comment="by the system's clock"),
    sqlite_with_rowid=False,
)

sign_in_attempts = Table(
    "sign_in_attempts",
    metadata,
    Column("subject", Text, primary_key=True, comment="an address, or a name's keyed hash"),
    Column("wrong", Integer, nullable=False, comment="in a row"),
    Column("next_at", BigInteger, nullable=False, comment="not sooner, by the system's clock"),
    Column("forget_at", BigInteger, nullable=False, index=True),
    sqlite_with_rowid=False,
)

oidc_providers = Table(
    "oidc_providers",
    metadata,
    Column(
        "issuer",
        Text,
        primary_key=True,
        comment="its URL without https://, as ARNs and condition keys have it",
    ),
    Column("audiences", Text, nullable=False, comment="JSON list: the client ids that tokens may be for"),
    Column("thumbprints", Text, nullable=False, comment="JSON list, kept for those who ask"),
    Column("created_at", BigInteger, nullable=False),
    Column("keys", Text, comment="a JSON Web Key Set; NULL: the provider is asked for it"),
)

repositories = Table(
    "repositories",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("tag_mutability", Text, nullable=False),
    Column("tag_mutability_filters", Text, nullable=False, comment="JSON list of wildcard filters"),
    Column("scan_on_push", Integer, nullable=False),
    Column("encryption", Text, nullable=False, comment="JSON encryptionConfiguration"),
    Column("lifecycle_policy", Text, comment="canonical JSON; NULL: none"),
    Column("lifecycle_evaluated_at", BigInteger, nullable=False, comment="0: never"),
    Column("extension_rules", Text, comment="rules beyond ECR, canonical JSON; NULL: none"),
    Column("protection_rules", Text, comment="what must stay, canonical JSON; NULL: none"),
    Column(
        "lifecycle_due_at",
        BigInteger,
        server_default="0",
        comment="evaluating before this instant does nothing; 0: something changed; NULL: never as things are",
    ),
    Column("access_policy", Text, comment="the repository policy, as ECR answers it; NULL: none"),
    # Pushes and runs change the row, and whoever looks for a repository reads its indexes' pages: on PostgreSQL the two are in
    # conflict, unless the row keeps its entries (heap-only tuples). So no index has what they change, and a page has room.
    Index("ix_repositories_lifecycle_due_at", "lifecycle_due_at").ddl_if(dialect="sqlite"),
    postgresql_with={"fillfactor": 50},
    sqlite_autoincrement=True,  # the ids name upload folders and jobs: never again the id of a deleted one
)

public_repositories = Table(
    "public_repositories",
    metadata,
    Column(
        "repository_id",
        _Id,
        ForeignKey("repositories.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("catalogue", Text, comment="JSON; NULL: nobody described the repository"),
    Column("logo", LargeBinary),
)

repository_summaries = Table(
    "repository_summaries",
    metadata,
    Column(
        "repository_id",
        _Id,
        ForeignKey("repositories.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("images", BigInteger, nullable=False),
    Column("untagged", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False, comment="bytes of the blobs that its images need, each once"),
    Column("pushed_at", BigInteger),
    Column("pulled_at", BigInteger),
    Column("pulls", BigInteger, nullable=False),
)

repository_tags = Table(
    "repository_tags",
    metadata,
    _repository_id(),
    Column("key", Text, nullable=False),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("repository_id", "key"),
    sqlite_with_rowid=False,
)

manifests = Table(
    "manifests",
    metadata,
    _id(),
    _repository_id(),
    Column("digest", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("artifact_type", Text),
    Column("size", BigInteger, nullable=False, comment="bytes of the manifest itself"),
    Column("image_size", BigInteger, nullable=False, comment="config and layers; of an index, its largest child"),
    Column("subject", Text, comment="digest of the manifest this one refers to, present or not"),
    Column("annotations", Text, comment="JSON, kept only for referrers"),
    Column("status", Text, nullable=False, comment="ACTIVE, ARCHIVED or ACTIVATING"),
    Column("pushed_at", BigInteger, nullable=False),
    Column("pulled_at", BigInteger),
    Column("pull_count", BigInteger, nullable=False, server_default="0"),
    Column("archived_at", BigInteger),
    Column("activated_at", BigInteger),
    UniqueConstraint("repository_id", "digest"),
    Index("ix_manifests_repository_id_subject", "repository_id", "subject", sqlite_where=text("subject IS NOT NULL"),
          postgresql_where=text("subject IS NOT NULL")),
    sqlite_autoincrement=True,  # a pull time that is on its way must not find a later manifest
)  # fmt: skip

manifest_contents = Table(
    "manifest_contents",
    metadata,
    Column(
        "manifest_id",
        _Id,
        ForeignKey("manifests.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("content", LargeBinary, nullable=False),
)

tags = Table(
    "tags",
    metadata,
    _repository_id(),
    Column("name", Text, nullable=False),
    Column("manifest_id", _Id, ForeignKey("manifests.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("tagged_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("repository_id", "name"),
    sqlite_with_rowid=False,
)

manifest_children = Table(
    "manifest_children",
    metadata,
    Column("manifest_id", _Id, ForeignKey("manifests.id", ondelete="CASCADE"), nullable=False),
    Column("child_id", _Id, ForeignKey("manifests.id"), nullable=False, index=True),
    PrimaryKeyConstraint("manifest_id", "child_id"),
    sqlite_with_rowid=False,
)

# Few of them, and every start looks for one.
_ARCHIVED = "generation >= 'archive-' AND generation < 'archive.'"

blobs = Table(
    "blobs",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column(
        "generation",
        Text,
        nullable=False,
        comment="names this life of the bytes; empty: they are in blob_contents; archive-…: in the archive's home",
    ),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_blobs_archived", "generation", sqlite_where=text(_ARCHIVED), postgresql_where=text(_ARCHIVED)),
    sqlite_with_rowid=False,
)

blob_contents = Table(
    "blob_contents",
    metadata,
    Column("digest", Text, ForeignKey("blobs.digest", ondelete="CASCADE"), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

repository_blobs = Table(
    "repository_blobs",
    metadata,
    _repository_id(),
    Column("digest", Text, ForeignKey("blobs.digest"), nullable=False, index=True),
    Column(
        "seen_at",
        BigInteger,
        nullable=False,
        comment="last upload, mount or HEAD: a lease for the grace period",
    ),
    PrimaryKeyConstraint("repository_id", "digest"),
    sqlite_with_rowid=False,
)

manifest_blobs = Table(
    "manifest_blobs",
    metadata,
    Column("manifest_id", _Id, ForeignKey("manifests.id", ondelete="CASCADE"), nullable=False),
    Column("repository_id", _Id, nullable=False),
    Column("digest", Text, nullable=False),
    PrimaryKeyConstraint("manifest_id", "digest"),
    ForeignKeyConstraint(
        ["repository_id", "digest"], ["repository_blobs.repository_id", "repository_blobs.digest"]
    ),
    Index("ix_manifest_blobs_repository_id_digest", "repository_id", "digest"),
    sqlite_with_rowid=False,
)

deletions = Table(
    "deletions",
    metadata,
    _id(),
    Column("repository", Text, nullable=False, comment="its name: the ledger outlives the repository"),
    Column("digest", Text, nullable=False, index=True),
    Column("tags", Text, nullable=False, comment="JSON list of names"),
    Column("media_type", Text, nullable=False),
    Column("image_size", BigInteger, nullable=False, comment="bytes, as ECR counts them"),
    Column("deleted_at", BigInteger, nullable=False),
    Column("deleted_by", Text, nullable=False, comment="a principal's ARN, or what deletes by itself"),
    Column("operation", Text, nullable=False),
    Column("batch", Text, nullable=False, comment="one for all that one request or one run deleted"),
    Column("run_id", _Id, index=True, comment="the lifecycle run"),
    Column("rule_priority", Integer),
    Column("reason", Text, nullable=False),
    Column("plan_hash", Text),
    Column("ended_at", BigInteger),
    Column("ended", Text, comment="RESTORED, PURGED or REPLACED; NULL: in the trash"),
    Column("ended_by", Text),
    Column("freed", BigInteger, comment="bytes that came back when it was purged"),
    Column(
        "missed_pulls", BigInteger, nullable=False, server_default="0", comment="while it was in the trash"
    ),
    Column("missed_at", BigInteger),
    Index("ix_deletions_repository_digest", "repository", "digest"),
    sqlite_autoincrement=True,
)

trash = Table(
    "trash",
    metadata,
    Column("deletion_id", _Id, ForeignKey("deletions.id"), primary_key=True, autoincrement=False),
    Column("purge_at", BigInteger, nullable=False, index=True),
    Column("content", LargeBinary, nullable=False, comment="the manifest"),
    Column("tags", Text, nullable=False, comment="JSON list of [name, tagged at]"),
    Column("subject", Text),
    Column("status", Text, nullable=False),
    Column("pushed_at", BigInteger, nullable=False),
    Column("pulled_at", BigInteger),
    Column("pull_count", BigInteger, nullable=False),
    Column("archived_at", BigInteger),
    Column("activated_at", BigInteger),
)

trash_blobs = Table(
    "trash_blobs",
    metadata,
    Column("deletion_id", _Id, ForeignKey("trash.deletion_id", ondelete="CASCADE"), nullable=False),
    Column("digest", Text, ForeignKey("blobs.digest"), nullable=False, index=True),
    PrimaryKeyConstraint("deletion_id", "digest"),
    sqlite_with_rowid=False,
)

reviews = Table(
    "reviews",
    metadata,
    _repository_id(),
    Column("digest", Text, nullable=False),
    Column("due_at", BigInteger, nullable=False, index=True),
    PrimaryKeyConstraint("repository_id", "digest"),
    sqlite_with_rowid=False,
)

condemned_blobs = Table(
    "condemned_blobs",
    metadata,
    Column("digest", Text, nullable=False),
    Column("generation", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column(
        "delete_at",
        BigInteger,
        nullable=False,
        server_default="0",
        comment="the bytes stay until this instant: somebody may be reading them",
    ),
    PrimaryKeyConstraint("digest", "generation"),
    sqlite_with_rowid=False,
)

damaged_blobs = Table(
    "damaged_blobs",
    metadata,
    Column("digest", Text, ForeignKey("blobs.digest", ondelete="CASCADE"), primary_key=True),
    Column("generation", Text, nullable=False, comment="of the lost bytes; empty: they were a row"),
    Column("size", BigInteger, nullable=False, comment="bytes that the blob has when it is whole"),
    Column("what", Text, nullable=False, comment="missing, size, digest or unreadable"),
    Column("found_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

damaged_manifests = Table(
    "damaged_manifests",
    metadata,
    Column(
        "manifest_id",
        _Id,
        ForeignKey("manifests.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("what", Text, nullable=False, comment="missing, size, digest or references"),
    Column("found_at", BigInteger, nullable=False),
)

scrubs = Table(
    "scrubs",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("phase", Text, nullable=False),
    Column(
        "cursor", Text, nullable=False, comment="the last digest or manifest id of the phase that is done"
    ),
    Column("blobs", BigInteger, nullable=False),
    Column("manifests", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False, comment="bytes that were verified"),
    Column("strays", BigInteger, nullable=False, comment="files that no row names"),
    Column("stray_size", BigInteger, nullable=False, comment="their bytes"),
    sqlite_with_rowid=False,
)

holds = Table(
    "holds",
    metadata,
    Column("name", Text, primary_key=True),
    Column("until", BigInteger, nullable=False, comment="by the system's clock"),
    sqlite_with_rowid=False,
)

default_lifecycle_policies = Table(
    "default_lifecycle_policies",
    metadata,
    Column("pattern", Text, primary_key=True, comment="of repository names, * for anything"),
    Column("policy", Text, nullable=False, comment="canonical JSON"),
)

pull_through_cache_rules = Table(
    "pull_through_cache_rules",
    metadata,
    Column("prefix", Text, primary_key=True, comment="of repository names, without its /; or ROOT"),
    Column("upstream_url", Text, nullable=False, comment="as it was given"),
    Column("upstream_registry", Text, comment="ECR's name for it; NULL: it has none"),
    Column("upstream_prefix", Text, nullable=False, comment="what stands there for prefix; or ROOT"),
    Column("credential_arn", Text, comment="names a secret; NULL: none is needed"),
    Column("custom_role_arn", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

upstream_references = Table(
    "upstream_references",
    metadata,
    _repository_id(),
    Column("reference", Text, nullable=False, comment="a tag; or a digest, whose referrers were listed"),
    Column("digest", Text, nullable=False, comment="what it stood for; a tag that was pushed here is ours"),
    Column("due_at", BigInteger, nullable=False, comment="when to compare it with the upstream again"),
    PrimaryKeyConstraint("repository_id", "reference"),
    sqlite_with_rowid=False,
)

pull_time_exclusions = Table(
    "pull_time_exclusions",
    metadata,
    Column("principal_arn", Text, primary_key=True, comment="whose pulls are not recorded"),
    Column("created_at", BigInteger, nullable=False),
)

registry_documents = Table(
    "registry_documents",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("content", Text, nullable=False),
)

repository_creation_templates = Table(
    "repository_creation_templates",
    metadata,
    Column("prefix", Text, primary_key=True, comment="as it was sent; ROOT: what no other matches"),
    Column("description", Text),
    Column("encryption", Text, nullable=False, comment="JSON encryptionConfiguration"),
    Column("resource_tags", Text, nullable=False, comment="JSON object"),
    Column("tag_mutability", Text, nullable=False),
    Column("tag_mutability_filters", Text, nullable=False, comment="JSON list of wildcard filters"),
    Column("repository_policy", Text),
    Column("lifecycle_policy", Text, comment="canonical JSON; NULL: none"),
    Column("applied_for", Text, nullable=False, comment="JSON list"),
    Column("custom_role_arn", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

account_settings = Table(
    "account_settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

scans = Table(
    "scans",
    metadata,
    Column(
        "manifest_id",
        _Id,
        ForeignKey("manifests.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column(
        "origin",
        Text,
        nullable=False,
        comment="SCAN: of this image; REPORT: this manifest is one, on its subject",
    ),
    Column("status", Text, nullable=False, comment="IN_PROGRESS, COMPLETE or FAILED"),
    Column("description", Text, nullable=False),
    Column(
        "started_at",
        BigInteger,
        nullable=False,
        comment="of the latest scan; of a report, when it was pushed",
    ),
    Column("completed_at", BigInteger, comment="of the latest that completed, whose findings are kept"),
    Column("source_updated_at", BigInteger, comment="how old its knowledge of vulnerabilities was"),
    Column("counts", Text, comment="JSON findingSeverityCounts"),
)

scan_findings = Table(
    "scan_findings",
    metadata,
    Column(
        "manifest_id",
        _Id,
        ForeignKey("scans.manifest_id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("content", LargeBinary, nullable=False, comment="JSON list of findings, compressed with zlib"),
)

replications = Table(
    "replications",
    metadata,
    Column("manifest_id", _Id, ForeignKey("manifests.id", ondelete="CASCADE"), nullable=False),
    Column("region", Text, nullable=False),
    Column("registry_id", Text, nullable=False),
    Column("status", Text, nullable=False, comment="IN_PROGRESS, COMPLETE or FAILED"),
    Column("failure_code", Text),
    Column("failure_reason", Text, comment="for people"),
    Column("refused_tags", Text, nullable=False, comment="JSON list: tags that the destination did not take"),
    Column("asked_at", BigInteger, nullable=False, comment="the push; what fails is tried again for a day"),
    Column("updated_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("manifest_id", "region", "registry_id"),
    sqlite_with_rowid=False,
)

replication_deletions = Table(
    "replication_deletions",
    metadata,
    _id(),
    Column("repository", Text, nullable=False, comment="its name: the image is gone"),
    Column("digest", Text, nullable=False),
    Column("is_image", Integer, nullable=False, comment="0: only the tags"),
    Column("tags", Text, nullable=False, comment="JSON list: those that it had, or that were removed"),
    Column("region", Text, nullable=False),
    Column("registry_id", Text, nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("failure_code", Text, comment="NULL: it is tried"),
    Column("failure_reason", Text),
    sqlite_autoincrement=True,  # the ids name jobs
)

replication_backfills = Table(
    "replication_backfills",
    metadata,
    Column("id", Text, primary_key=True, comment="a UUID"),
    Column("region", Text, nullable=False),
    Column("registry_id", Text, nullable=False),
    Column(
        "status",
        Text,
        nullable=False,
        comment="PREPARING, IN_PROGRESS, STOPPING, STOPPED, COMPLETE or FAILED",
    ),
    Column("failure_code", Text),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("prepared_to", BigInteger, nullable=False, comment="images up to this manifest's id are listed"),
    Column("is_prepared", Integer, nullable=False),
    Column(
        "rounds", Integer, nullable=False, comment="how often in a row the destination was not to be reached"
    ),
    sqlite_with_rowid=False,
)

replication_backfill_results = Table(
    "replication_backfill_results",
    metadata,
    Column("backfill_id", Text, ForeignKey("replication_backfills.id", ondelete="CASCADE"), nullable=False),
    Column("repository", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("tag", Text, nullable=False, comment="empty: an image without a tag"),
    Column("status", Text, comment="COMPLETE or FAILED; NULL: not yet"),
    Column("failure_code", Text),
    Column("sub_image_failure_codes", Text, comment="JSON list; only of an index"),
    PrimaryKeyConstraint("backfill_id", "repository", "digest", "tag"),
    sqlite_with_rowid=False,
)

lifecycle_previews = Table(
    "lifecycle_previews",
    metadata,
    Column(
        "repository_id",
        _Id,
        ForeignKey("repositories.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("policy", Text, nullable=False, comment="as it was sent, white space included"),
    Column("status", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
)

lifecycle_preview_results = Table(
    "lifecycle_preview_results",
    metadata,
    Column(
        "repository_id",
        _Id,
        ForeignKey("lifecycle_previews.repository_id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("position", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("tags", Text, nullable=False, comment="JSON list"),
    Column("pushed_at", BigInteger, nullable=False),
    Column("action", Text, nullable=False),
    Column("rule_priority", Integer, nullable=False),
    Column("status", Text, nullable=False),
    PrimaryKeyConstraint("repository_id", "position"),
    sqlite_with_rowid=False,
)

lifecycle_runs = Table(
    "lifecycle_runs",
    metadata,
    _id(),
    Column(
        "repository_id", _Id, ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("policy", Text, nullable=False),
    Column("evaluated_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("images", Integer, nullable=False, comment="images that were looked at"),
)

lifecycle_actions = Table(
    "lifecycle_actions",
    metadata,
    Column("run_id", _Id, ForeignKey("lifecycle_runs.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("tags", Text, nullable=False, comment="JSON list"),
    Column(
        "size", BigInteger, nullable=False, comment="bytes of the image (imageSizeInBytes), shared or not"
    ),
    Column("action", Text, nullable=False),
    Column("rule_priority", Integer),
    Column("reason", Text, nullable=False),
    Column(
        "outcome",
        Text,
        nullable=False,
        comment="EXPIRED, ARCHIVED, BLOCKED, SKIPPED (changed since the plan)",
    ),
    PrimaryKeyConstraint("run_id", "position"),
    sqlite_with_rowid=False,
)

pins = Table(
    "pins",
    metadata,
    _repository_id(),
    Column("digest", Text, nullable=False, comment="of an image that runs, whether it is here or not"),
    Column("source", Text, nullable=False, comment="who says so; a feed if it is in pin_feeds"),
    Column("consumer", Text, nullable=False, comment="what runs it"),
    Column("tag", Text, comment="the tag that led to the digest when it was last seen; NULL: none did"),
    Column("ttl", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False, comment="by the registry's clock, for people"),
    Column("seen_watch", BigInteger, nullable=False, comment="by pin_watch, for deciding"),
    PrimaryKeyConstraint("repository_id", "digest", "source", "consumer"),
    Index("ix_pins_source", "source"),
    sqlite_with_rowid=False,
)

pin_feeds = Table(
    "pin_feeds",
    metadata,
    Column("source", Text, primary_key=True),
    Column("ttl", BigInteger, nullable=False),
    Column("heard_at", BigInteger, nullable=False, comment="its last report, whole or in part"),
    Column("reported_at", BigInteger, comment="its last whole report, for people; NULL: none yet"),
    Column(
        "reported_watch",
        BigInteger,
        nullable=False,
        comment="the same by pin_watch; else when it was first heard",
    ),
    sqlite_with_rowid=False,
)

pin_watch = Table(
    "pin_watch",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, comment="1: there is one"),
    Column(
        "looked_at", BigInteger, nullable=False, comment="the registry's clock when it was last looked at"
    ),
    Column("passed", BigInteger, nullable=False, comment="time that has passed, jumps and silences left out"),
)


def _given_back() -> list[Column[int]]:
    return [
        Column("blobs", BigInteger, nullable=False),
        Column("freed", BigInteger, nullable=False, comment="bytes"),
        Column("orphans", BigInteger, nullable=False, comment="files that no row named"),
        Column("uploads", BigInteger, nullable=False, comment="that were abandoned"),
        Column("purged", BigInteger, nullable=False, comment="images that left the trash"),
    ]


collections = Table(
    "collections",
    metadata,
    _id(),
    Column("kind", Text, nullable=False, comment="collect or sweep"),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, comment="NULL: under way, or its process died"),
    *_given_back(),
)

collection_totals = Table(
    "collection_totals",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("runs", BigInteger, nullable=False),
    Column("busy", BigInteger, nullable=False, comment="microseconds that they took"),
    Column("ended_at", BigInteger, nullable=False, comment="of the last one; 0: none yet"),
    *_given_back(),
    sqlite_with_rowid=False,
)

storage_samples = Table(
    "storage_samples",
    metadata,
    Column("sampled_at", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("live_bytes", BigInteger, nullable=False, comment="of blobs that images of one repository need"),
    Column("shared_bytes", BigInteger, nullable=False, comment="the same of several repositories"),
    Column("archive_bytes", BigInteger, nullable=False, comment="of blobs that only archived images need"),
    Column("trash_bytes", BigInteger, nullable=False, comment="of blobs that only images in the trash need"),
    Column("unneeded_bytes", BigInteger, nullable=False, comment="of blobs that no image needs"),
    Column("taken_bytes", BigInteger, nullable=False, comment="of files and of the database"),
    Column("archive_home_bytes", BigInteger, nullable=False, comment="of these, in the archive's home"),
    Column("repositories", BigInteger, nullable=False),
    Column("images", BigInteger, nullable=False),
    Column("trash_images", BigInteger, nullable=False),
    Column("unruled", BigInteger, nullable=False, comment="repositories on whose images no rule acts"),
    Column("stale_images", BigInteger, nullable=False, comment="untagged for two weeks in such repositories"),
    Column("stale_bytes", BigInteger, nullable=False, comment="what deleting those gives back"),
    Column(
        "spared_images", BigInteger, nullable=False, comment="that a rule would take were they not in use"
    ),
)

events = Table(
    "events",
    metadata,
    _id(),
    Column("recorded_at", BigInteger, nullable=False),
    Column("detail_type", Text, nullable=False),
    Column("action", Text, nullable=False, comment="its action-type; empty: it has none"),
    Column("repository", Text, comment="its name: the event outlives the repository"),
    Column("detail", Text, nullable=False, comment="JSON"),
)

webhooks = Table(
    "webhooks",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    Column("url", Text, nullable=False),
    Column("detail_types", Text, nullable=False, comment="JSON list; empty: all"),
    Column("actions", Text, nullable=False, comment="JSON list; empty: all"),
    Column("repositories", Text, nullable=False, comment="a pattern of names; empty: all events"),
    Column("enabled", Integer, nullable=False),
    Column("generation", Integer, nullable=False, comment="of its secret, which is derived and not kept"),
    Column(
        "rotated_at", BigInteger, nullable=False, comment="when the generation began, by the system's clock"
    ),
    Column("created_at", BigInteger, nullable=False),
    Column("cursor", BigInteger, nullable=False, comment="the last event that is dealt with"),
    Column("attempts", Integer, nullable=False, comment="how often the next one was tried in vain"),
    Column("error", Text, comment="of the last attempt; NULL: it was delivered"),
    Column("attempted_at", BigInteger),
    Column("delivered_at", BigInteger),
    sqlite_autoincrement=True,  # the id is what the secret is derived from
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("webhook_id", _Id, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("event_id", _Id, ForeignKey("events.id"), nullable=False, index=True),
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("failed_at", BigInteger, nullable=False),
    Column("wanted", Integer, nullable=False, comment="1: somebody asked for it after all"),
    PrimaryKeyConstraint("webhook_id", "event_id"),
    sqlite_with_rowid=False,
)

jobs = Table(
    "jobs",
    metadata,
    _id(),
    Column("kind", Text, nullable=False),
    Column(
        "key",
        Text,
        nullable=False,
        comment="what it is about, a repository id as a rule; one waiting job per kind and key",
    ),
    Column("run_at", BigInteger, nullable=False, index=True),
    Column("leased_until", BigInteger, nullable=False, comment="0: free"),
    Column("leased_by", Text),
    Column("attempts", Integer, nullable=False),
    Column("error", Text),
    UniqueConstraint("kind", "key"),
)

nodes = Table(
    "nodes",
    metadata,
    Column("id", Text, primary_key=True, comment="another with every start"),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False, comment="of Careen"),
    Column("schema", Text, nullable=False, comment="the newest that it knows"),
    Column("processes", Integer, nullable=False, comment="that answer requests"),
    Column("started_at", BigInteger, nullable=False, comment="by the database's clock"),
    Column("seen_at", BigInteger, nullable=False, comment="by the database's clock"),
    Column(
        "clock_offset", BigInteger, nullable=False, comment="how far its clock is ahead of the database's"
    ),
)
