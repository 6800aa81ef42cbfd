"""The ledger: leaves, payloads, data keys, requests, checkpoints."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables, and let the database itself refuse to change or delete a leaf."""
    op.create_table(
        "leaves",
        sa.Column("seq", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("about", sa.String(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
    )
    op.create_index("leaves_about", "leaves", ["about"])
    op.create_table(
        "payloads",
        sa.Column("seq", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("key_id", sa.LargeBinary(), nullable=False),
        sa.Column("lookup", sa.LargeBinary(), nullable=True),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
    )
    op.create_index(
        "payloads_lookup",
        "payloads",
        ["lookup"],
        sqlite_where=sa.text("lookup IS NOT NULL"),
        postgresql_where=sa.text("lookup IS NOT NULL"),
    )
    op.create_table(
        "data_keys",
        sa.Column("id", sa.LargeBinary(), primary_key=True),
        sa.Column("month", sa.String(), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=True),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("erased_seq", NUMBER, nullable=True),
    )
    op.create_index(
        "data_keys_subject",
        "data_keys",
        ["subject", "month"],
        unique=True,
        sqlite_where=sa.text("subject IS NOT NULL"),
        postgresql_where=sa.text("subject IS NOT NULL"),
    )
    op.create_table(
        "requests",
        sa.Column("key", sa.LargeBinary(), primary_key=True),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("seq", NUMBER, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "checkpoints",
        sa.Column("size", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("note", sa.String(), nullable=False),
    )
    for statement in _TRIGGERS[op.get_bind().dialect.name]:
        op.execute(statement)


_POSTGRES = """
CREATE FUNCTION tidegate_no_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'a leaf is never changed'; END $$;
CREATE TRIGGER leaves_no_change BEFORE UPDATE OR DELETE ON leaves
FOR EACH ROW EXECUTE FUNCTION tidegate_no_change();
CREATE TRIGGER leaves_no_truncate BEFORE TRUNCATE ON leaves
FOR EACH STATEMENT EXECUTE FUNCTION tidegate_no_change()
"""
_TRIGGERS = {
    "sqlite": [
        f"CREATE TRIGGER leaves_no_{action} BEFORE {action.upper()} ON leaves "
        "BEGIN SELECT RAISE(ABORT, 'a leaf is never changed'); END"
        for action in ("update", "delete")
    ],
    "postgresql": [_POSTGRES],
}
