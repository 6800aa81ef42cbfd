"""Cases, deliveries, and rare entries by their kind."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
RARE = "kind NOT IN ('decision', 'event')"


def upgrade() -> None:
    """Make the tables; they are empty, for no release before this one opened a case."""
    op.create_index(
        "leaves_kind",
        "leaves",
        ["kind", "seq"],
        sqlite_where=sa.text(RARE),
        postgresql_where=sa.text(RARE),
    )
    op.create_table(
        "cases",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("opened_us", NUMBER, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("claimed_by", sa.String(), nullable=False),
        sa.Column("claimed_until_us", NUMBER, nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("closed_us", NUMBER, nullable=False),
    )
    op.create_index("cases_queue", "cases", ["state", "priority", "opened_us", "id"])
    op.create_index("ix_cases_decision", "cases", ["decision"])
    op.create_table(
        "outbox",
        sa.Column("seq", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("consumer", sa.String(), primary_key=True),
        sa.Column("created_us", NUMBER, nullable=False),
        sa.Column("due_us", NUMBER, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
    )
    op.create_index("outbox_due", "outbox", ["consumer", "due_us"])
