"""`tidegate audit`: the ledger as auditors and operators see it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidegate.cli.inputs import AsJson, bad_input
from tidegate.cli.output import ExitCode, Stop, counted, say, say_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidegate.store.notes import VerifierKey
    from tidegate.store.reading import Reader
    from tidegate.store.verification import Verified
    from tidegate.vault.memory import MemoryKeys

DATABASE = "sqlite:///tidegate-data/ledger.db"
KEYS = Path("tidegate-data/keys.json")
HEAD = Path("tidegate-data/head")

Database = Annotated[
    str,
    typer.Option(
        metavar="URL", envvar="TIDEGATE_LEDGER", help="The ledger: sqlite:///FILE or postgresql://…"
    ),
]
KeyFile = Annotated[
    Path,
    typer.Option("--keys", metavar="FILE", readable=False, help="The file of development keys."),
]
Key = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME+ID+BASE64",
        show_default="that of --keys",
        help="The verifier key that signed heads must have; may be repeated.",
    ),
]
Heads = Annotated[
    list[Path] | None,
    typer.Option(
        "--head",
        metavar="FILE",
        readable=False,
        show_default="tidegate-data/head, where it is there",
        help="A signed head that was kept elsewhere; may be repeated.",
    ),
]
Anchor = Annotated[
    Path, typer.Option("--anchor", metavar="FILE", help="The file that keeps the signed head.")
]
Folder = Annotated[
    Path, typer.Argument(metavar="FOLDER", show_default=False, help="A folder that is not there.")
]


def init(
    *,
    database: Database = DATABASE,
    keys: KeyFile = KEYS,
    anchor: Anchor = HEAD,
    name: Annotated[
        str, typer.Option(metavar="ORIGIN", help="The log's name, which its signed heads bear.")
    ] = "tidegate.local/ledger",
) -> None:
    """Make a ledger with development keys and a head kept beside it; the first leaf says so."""
    from datetime import UTC, datetime
    from uuid import uuid4

    from tidegate import __version__
    from tidegate.store.anchors import FileAnchor
    from tidegate.store.entries import Entry
    from tidegate.store.errors import LedgerError
    from tidegate.store.ledger import open_ledger
    from tidegate.store.notes import NoteError, key_of
    from tidegate.vault.key_file import KeyFileError
    from tidegate.vault.memory import MemoryKeys

    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    facts = {"origin": name, "release": __version__}
    try:
        keys.parent.mkdir(parents=True, exist_ok=True)
        development = MemoryKeys.kept(keys, name)
        verifier = key_of(development.signer).text()
        with open_ledger(database, development, [FileAnchor(anchor)]) as ledger:
            if ledger.head.size:
                raise bad_input(f"there is a ledger of {ledger.head.size:,} leaves already")
            ledger.append(Entry("opened", str(uuid4()), at, facts=facts)).result()
    except (KeyFileError, NoteError) as error:
        raise bad_input(str(error)) from None
    except LedgerError as error:
        raise _stop(error) from None
    say(f"made a ledger, its keys in {keys} and its signed head in {anchor}")
    say(f"auditors verify with {verifier}")


def verify(
    export: Annotated[
        Path | None,
        typer.Argument(
            metavar="[EXPORT]",
            show_default=False,
            readable=False,
            help="An export to be verified instead of the database.",
        ),
    ] = None,
    *,
    database: Database = DATABASE,
    keys: KeyFile = KEYS,
    key: Key = None,
    head: Heads = None,
    payloads: Annotated[
        bool, typer.Option(help="Decrypt each payload and compare it with its leaf.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Verify every leaf, payload and signed head; whatever is wrong is named."""
    from tidegate.store.verification import verify_ledger

    heads = _heads(head)
    if export is not None:
        _verify_export(export, _verifiers(key, keys), heads, as_json=as_json)
        return
    trusted = _verifiers(key, keys)
    with _reader(database) as reader:
        source = _development(keys).source if payloads else None
        verified = verify_ledger(reader, trusted, heads, source)
    if as_json:
        say_json(_as_json(verified))
    else:
        for finding in verified.findings:
            say(f"error: {finding.said}")
        _say_verified(verified, opened=payloads)
    raise typer.Exit(ExitCode.FAILED if verified.findings else ExitCode.FINE)


def prove(
    entry: Annotated[
        str,
        typer.Argument(metavar="ENTRY", show_default=False, help="A decision's id or a number."),
    ],
    *,
    database: Database = DATABASE,
    leaf: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the leaf's bytes there, too.")
    ] = None,
) -> None:
    """Print the proof that an entry is in the ledger, as a `.tlog-proof` for anybody to verify."""
    from tidegate.cli.files import keep
    from tidegate.store.errors import UnknownEntryError
    from tidegate.store.merkle import Tree
    from tidegate.store.notes import inclusion_note

    with _reader(database) as reader:
        try:
            found = [reader.by_seq(int(entry))] if entry.isdecimal() else reader.about(entry)[:1]
        except UnknownEntryError:
            found = []
        if not found:
            raise bad_input(f"the ledger has no entry `{entry}`")
        seq = found[0].leaf.seq
        covering = [one for one in reader.checkpoints() if one[0] > seq]
        if not covering:
            raise Stop(
                ExitCode.FAILED,
                "not_signed_yet",
                f"no signed head covers leaf {seq} yet",
                help_="a running service signs one within seconds; `tidegate audit checkpoint "
                "--sign` does so where none runs",
            )
        size, note = covering[-1]
        tree = Tree([hashed for number, hashed, *_ in reader.leaves() if number < size])
        proof = tree.inclusion_proof(seq, size)
    if leaf is not None:
        keep(leaf, found[0].content)
    say(inclusion_note(seq, proof, note).rstrip("\n"))


def checkpoint(
    *,
    database: Database = DATABASE,
    keys: KeyFile = KEYS,
    anchor: Anchor = HEAD,
    sign: Annotated[
        bool, typer.Option("--sign", help="Sign a head over all leaves; no service may run.")
    ] = False,
    new_anchor: Annotated[
        bool, typer.Option("--new-anchor", help="With --sign: the anchor is new and empty.")
    ] = False,
) -> None:
    """Print the newest signed head of the ledger."""
    if sign:
        from tidegate.store.anchors import FileAnchor
        from tidegate.store.errors import LedgerError
        from tidegate.store.ledger import open_ledger

        development = _development(keys)
        try:
            anchors = [FileAnchor(anchor)]
            with open_ledger(database, development, anchors, adopt=new_anchor) as ledger:
                note = ledger.checkpoint()
        except LedgerError as error:
            raise _stop(error) from None
        say(note.rstrip("\n"))
        return
    with _reader(database) as reader:
        notes = reader.checkpoints()
    if not notes:
        raise bad_input("no head was signed yet")
    say(notes[-1][1].rstrip("\n"))


def key(*, keys: KeyFile = KEYS) -> None:
    """Print the verifier key, which auditors keep somewhere else."""
    from tidegate.store.notes import key_of

    say(key_of(_development(keys).signer).text())


def export(folder: Folder, *, database: Database = DATABASE) -> None:
    """Write the ledger as files for the offline verifier, which is put beside them."""
    import shutil

    from tidegate.store import offline_verifier
    from tidegate.store.export import export_ledger

    with _reader(database) as reader:
        try:
            written = export_ledger(reader, folder)
            shutil.copy(offline_verifier.__file__, folder / "verify.py")
        except FileExistsError:
            raise bad_input(f"`{folder}` is there already") from None
        except OSError as error:
            raise bad_input(f"`{folder}` cannot be written: {error.strerror}") from None
    said = [
        counted(written.leaves, "leaf", "leaves"),
        counted(written.payloads, "payload"),
        counted(written.checkpoints, "checkpoint"),
    ]
    say(f"wrote {', '.join(said)} to {folder}")
    say(f"verify it anywhere: python {folder / 'verify.py'} {folder} --key '…'")


def migrate(*, database: Database = DATABASE) -> None:
    """Bring the database to the schema of this release."""
    from tidegate.store.database import REVISION, parse_url, prepare
    from tidegate.store.errors import LedgerError

    try:
        prepare(parse_url(database), migrate=True)
    except LedgerError as error:
        raise _stop(error) from None
    say(f"the ledger has schema {REVISION}")


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The copy; not there yet.")],
    *,
    database: Database = DATABASE,
    keys: KeyFile = KEYS,
    key: Key = None,
) -> None:
    """Copy an embedded ledger while its service goes on, and verify the copy."""
    from tidegate.store.backup import back_up
    from tidegate.store.errors import LedgerError

    try:
        verified = back_up(database, file, _verifiers(key, keys))
    except LedgerError as error:
        raise _stop(error) from None
    _say_verified(verified)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", readable=False, help="A backup.")],
    *,
    database: Database = DATABASE,
    keys: KeyFile = KEYS,
    key: Key = None,
    head: Heads = None,
) -> None:
    """Put a backup in the place of an embedded ledger that is gone, and verify it."""
    from tidegate.store.backup import restore as put_back
    from tidegate.store.errors import LedgerError

    try:
        verified = put_back(file, database, _verifiers(key, keys), _heads(head))
    except LedgerError as error:
        raise _stop(error) from None
    _say_verified(verified)


COMMANDS: dict[str, Callable[..., None]] = {
    "init": init,
    "verify": verify,
    "prove": prove,
    "checkpoint": checkpoint,
    "key": key,
    "export": export,
    "migrate": migrate,
    "backup": backup,
    "restore": restore,
}


def _reader(database: str) -> Reader:
    from tidegate.store.database import parse_url
    from tidegate.store.errors import LedgerError
    from tidegate.store.reading import Reader

    try:
        place = parse_url(database)
        if place.path is not None and not place.path.exists():
            raise bad_input(f"there is no ledger `{place.path}`")
        return Reader(database)
    except LedgerError as error:
        raise _stop(error) from None


def _development(path: Path) -> MemoryKeys:
    from tidegate.vault.key_file import KeyFileError
    from tidegate.vault.memory import MemoryKeys

    if not path.exists():
        raise bad_input(f"there is no file of keys `{path}`: name it with --keys")
    try:
        return MemoryKeys.kept(path)
    except KeyFileError as error:
        raise bad_input(str(error)) from None


def _verifiers(texts: Sequence[str] | None, path: Path) -> list[VerifierKey]:
    from tidegate.store.notes import NoteError, key_of, parse_key

    if not texts:
        return [key_of(_development(path).signer)]
    try:
        return [parse_key(text) for text in texts]
    except NoteError as error:
        raise bad_input(str(error)) from None


def _heads(files: Sequence[Path] | None) -> list[str]:
    if files is None:
        files = [HEAD] if HEAD.exists() else []
    try:
        return [file.read_text(encoding="utf-8") for file in files]
    except (OSError, UnicodeDecodeError) as error:
        raise bad_input(f"a head cannot be read: {error}") from None


def _verify_export(
    folder: Path, keys: Sequence[VerifierKey], heads: list[str], *, as_json: bool
) -> None:
    from tidegate.store import offline_verifier

    if len(keys) != 1:
        raise typer.BadParameter("an export is verified by one --key")
    try:
        verifier = offline_verifier.Export(folder, offline_verifier.read_key(keys[0].text()), heads)
        findings = verifier.verify()
    except OSError as error:
        raise bad_input(f"`{folder}` is no export: {error.strerror}: {error.filename}") from None
    if as_json:
        say_json(
            {
                "schema": "tidegate.audit.export/1",
                "sound": not findings,
                "leaves": verifier.size,
                "covered": verifier.covered,
                "findings": findings,
            }
        )
    else:
        for finding in findings:
            say(f"error: {finding}")
        words = "not sound" if findings else "sound"
        leaves = counted(verifier.size, "leaf", "leaves")
        say(f"{words}: {leaves}, {verifier.covered:,} under a signed head")
    raise typer.Exit(ExitCode.FAILED if findings else ExitCode.FINE)


def _say_verified(verified: Verified, *, opened: bool = False) -> None:
    said = [
        counted(verified.leaves, "leaf", "leaves"),
        f"{verified.covered:,} under a signed head",
        counted(verified.payloads, "payload")
        + (f" ({verified.opened:,} opened)" if opened else ""),
        f"{verified.erased:,} erased",
    ]
    say(f"{'not sound' if verified.findings else 'sound'}: {', '.join(said)}")


def _as_json(verified: Verified) -> dict[str, object]:
    return {
        "schema": "tidegate.audit/1",
        "sound": not verified.findings,
        "leaves": verified.leaves,
        "covered": verified.covered,
        "checkpoints": verified.checkpoints,
        "payloads": verified.payloads,
        "opened": verified.opened,
        "erased": verified.erased,
        "findings": [
            {"kind": one.kind, "seq": one.seq, "said": one.said} for one in verified.findings
        ],
    }


def _stop(error: Exception) -> Stop:
    from tidegate.store.errors import SecondWriterError, TamperedLedgerError

    if isinstance(error, TamperedLedgerError):
        return Stop(ExitCode.FAILED, "tampered_ledger", str(error))
    if isinstance(error, SecondWriterError):
        return Stop(ExitCode.BAD_INPUT, "second_writer", str(error), help_="stop the service first")
    return bad_input(str(error))
