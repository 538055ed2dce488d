"""What scanners found in images, and what reports say that were pushed."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "scans",
        sa.Column("manifest_id", _ID, autoincrement=False, nullable=False),
        sa.Column(
            "origin",
            sa.Text(),
            nullable=False,
            comment="SCAN: of this image; REPORT: this manifest is one, on its subject",
        ),
        sa.Column("status", sa.Text(), nullable=False, comment="IN_PROGRESS, COMPLETE or FAILED"),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column(
            "started_at",
            sa.BigInteger(),
            nullable=False,
            comment="of the latest scan; of a report, when it was pushed",
        ),
        sa.Column(
            "completed_at",
            sa.BigInteger(),
            nullable=True,
            comment="of the latest that completed, whose findings are kept",
        ),
        sa.Column(
            "source_updated_at",
            sa.BigInteger(),
            nullable=True,
            comment="how old its knowledge of vulnerabilities was",
        ),
        sa.Column("counts", sa.Text(), nullable=True, comment="JSON findingSeverityCounts"),
        sa.ForeignKeyConstraint(
            ["manifest_id"], ["manifests.id"], name=op.f("fk_scans_manifest_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("manifest_id", name=op.f("pk_scans")),
    )
    op.create_table(
        "scan_findings",
        sa.Column("manifest_id", _ID, autoincrement=False, nullable=False),
        sa.Column(
            "content", sa.LargeBinary(), nullable=False, comment="JSON list of findings, compressed with zlib"
        ),
        sa.ForeignKeyConstraint(
            ["manifest_id"],
            ["scans.manifest_id"],
            name=op.f("fk_scan_findings_manifest_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("manifest_id", name=op.f("pk_scan_findings")),
    )
