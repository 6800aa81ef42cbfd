"""A model's folder, and three people with keys, for the commands of the registry."""

from pathlib import Path

from tests.models.registry_samples import NAME, REGISTRY, write_version
from tidegate.cli.models_key import row_of
from tidegate.vault.key_file import make_key_file

PASSPHRASE = "correct horse battery staple"


def prepare_models(parent: Path, *versions: int) -> Path:
    """Write `models/boosting` with these versions, `passphrase`, three keys and their people."""
    folder = parent / "models" / NAME
    for version in versions or (1,):
        write_version(folder, version)
    (parent / "passphrase").write_text(f"{PASSPHRASE}\n")
    rows = [f"registry: {REGISTRY}", "people:"]
    for name, role in (("ada", "author"), ("ben", "approver"), ("ola", "operator")):
        signer = make_key_file(parent / f"{name}.key.pem", name, PASSPHRASE.encode())
        rows.append(row_of(signer, [role]))
    (parent / "models" / "people.yaml").write_text("\n".join(rows) + "\n")
    return folder
