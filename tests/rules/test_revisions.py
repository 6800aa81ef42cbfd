"""A policy is read as it was at a revision, and nothing else of the repository is touched."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.rules.folders import FILES, RULES, write_policy
from tests.rules.repositories import commit, git, repository
from tidegate.dsl.diagnostics import has_errors
from tidegate.rules.policy import Policy
from tidegate.rules.revisions import Revision, RevisionRefused, read_folder, read_revision

CASE = """
- name: blocked
  event: {payment: {id: p, at: 2026-01-03T12:00:00Z, amount: 5 EUR, card: tok_1, card_country: FR}}
  expect: {outcome: decline, reasons: [blocked], fired: [blocked_card]}
"""


def policy_of(revision: Revision) -> Policy:
    """The policy, which has to be there."""
    assert revision.loaded is not None
    assert revision.loaded.policy is not None, revision.loaded.rendered()
    return revision.loaded.policy


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A policy two folders below its repository, committed, tagged and then changed."""
    root = repository(tmp_path / "repo")
    folder = write_policy(root / "policies" / "my shop")
    (folder / "cases").mkdir()
    (folder / "cases" / "first.yaml").write_text(CASE)
    commit(root)
    git(root, "tag", "first")
    (folder / "rules" / "rules.tide").write_text(RULES.replace("100 EUR", "200 EUR"))
    (folder / "lists" / "blocked.csv").write_text("value\ntok_1\ntok_2\ntok_3\n")
    (folder / "rates.csv").write_text("date,currency,rate\n2026-01-02,USD,1.5\n")
    (folder / "cases" / "first.yaml").unlink()
    commit(root)
    git(root, "branch", "second")
    (folder / "lists" / "blocked.csv").write_text("value\n")
    return folder


@pytest.mark.parametrize("name", ["first", "second~1", "HEAD~1", "refs/tags/first", "first^{}"])
def test_everything_is_as_it_was(shop: Path, name: str) -> None:
    """Rules of yesterday would be judged with the lists of today."""
    found = read_revision(shop, name)
    policy = policy_of(found)
    assert found.commit == git(shop, "rev-parse", "first")
    assert policy.hash == policy_of(read_folder(write_policy(shop.parent / "other"))).hash
    assert len(policy.lists["blocked"].values) == 2  # type: ignore[union-attr]
    assert [located.case.name for located in found.cases.cases] == ["blocked"]
    later = read_revision(shop, "second")
    assert len(policy_of(later).lists["blocked"].values) == 3  # type: ignore[union-attr]
    assert policy_of(later).rates != policy.rates
    assert later.cases.cases == ()


def test_nothing_is_written(shop: Path) -> None:
    """A comparison would change what it compares, or lock somebody's index."""
    root = shop.parents[1]
    before = {p: p.stat().st_mtime_ns for p in root.rglob("*")}
    status = git(root, "status", "--porcelain")
    read_revision(shop, "first")
    after = {p: p.stat().st_mtime_ns for p in root.rglob("*")}
    assert before.keys() == after.keys()
    assert {p for p in before if before[p] != after[p] and ".git" not in p.parts} == set()
    assert git(root, "status", "--porcelain") == status


def test_a_policy_at_the_top_of_its_repository(tmp_path: Path) -> None:
    """The path of the folder is empty there."""
    root = repository(write_policy(tmp_path / "repo"))
    commit(root)
    (root / "policy.tide").unlink()
    assert policy_of(read_revision(root, "HEAD")).program.name == "shop"


def test_a_folder_that_was_not_there_is_absent(shop: Path) -> None:
    """Everything is new, and that is no error."""
    new = write_policy(shop.parents[1] / "policies" / "new")
    assert read_revision(new, "HEAD").loaded is None
    (new / "policy.tide").rename(new / "policy.txt")
    (new / "rules" / "rules.tide").unlink()
    commit(shop.parents[1])
    assert read_revision(new, "HEAD").loaded is None


def test_a_folder_that_moved_is_named_with_its_commit(shop: Path) -> None:
    """A policy that was moved would be all new."""
    moved = shop.rename(shop.parents[1] / "moved")
    assert read_revision(moved, "HEAD").loaded is None
    found = read_revision(moved, "first:policies/my shop")
    assert len(policy_of(found).lists["blocked"].values) == 2  # type: ignore[union-attr]


def test_a_folder_instead_of_a_revision(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two folders are compared where there is no Git."""
    other = write_policy(shop.parents[2] / "plain")
    assert read_revision(other, str(shop)).commit == ""
    assert policy_of(read_revision(shop, str(other))).folder == other
    monkeypatch.chdir(other.parent)
    assert policy_of(read_revision(Path("plain"), "repo/policies/my shop")).folder.name == "my shop"


def test_a_name_of_both_is_asked_about(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The branch `main` would hide the folder `main`, or the other way round."""
    monkeypatch.chdir(shop)
    write_policy(shop / "second")
    with pytest.raises(RevisionRefused, match="is a revision and a folder") as refused:
        read_revision(shop, "second")
    assert "`./second`" in refused.value.help
    assert read_revision(shop, "./second").commit == ""
    assert read_revision(shop, "second~0").commit


@pytest.mark.parametrize("name", ["nonsense", "--output=x", "HEAD~99", "", "first:nowhere", "a b"])
def test_what_git_does_not_know_is_refused(shop: Path, name: str) -> None:
    """A typing error would compare with nothing, or an option be taken for a revision."""
    with pytest.raises(RevisionRefused, match="knows no revision"):
        read_revision(shop, name)
    assert not list(shop.parents[1].rglob("x"))


def test_no_repository(tmp_path: Path) -> None:
    """What to do would not be clear."""
    with pytest.raises(RevisionRefused, match="lies in no Git repository"):
        read_revision(write_policy(tmp_path / "shop"), "HEAD")


def test_no_git(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container without Git gives a defect and a trace."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RevisionRefused, match="is not installed"):
        read_revision(shop, "HEAD")


def test_in_a_hook(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git tells its hooks where the repository is, as seen from the top."""
    monkeypatch.setenv("GIT_DIR", ".git")
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/index")
    assert policy_of(read_revision(shop, "first")).program.name == "shop"


def test_a_shallow_clone_says_so(shop: Path, tmp_path: Path) -> None:
    """A workflow fetches one commit, and its author wonders where the others are."""
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{shop.parents[1]}", "clone")
    with pytest.raises(RevisionRefused, match="knows no revision") as refused:
        read_revision(tmp_path / "clone" / "policies" / "my shop", "HEAD~1")
    assert "fetch-depth: 0" in refused.value.help


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("rules/more.tide", "rules.tide"), ("lists/blocked.csv", "near.csv"),
        ("cases/more.yaml", "first.yaml"), ("more", "rules"), ("more", "/elsewhere"),
    ],
)  # fmt: skip
def test_a_link_is_refused(shop: Path, name: str, target: str) -> None:
    """What lies behind it is no part of the revision."""
    path = shop / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    commit(shop.parents[1])
    with pytest.raises(RevisionRefused, match=f"`{name}` is a link"):
        read_revision(shop, "HEAD")


def test_a_link_that_holds_nothing_of_the_policy_does_not_matter(shop: Path) -> None:
    """A read-me that is a link would make every comparison impossible."""
    (shop / "notes.md").symlink_to("../notes.md")
    (shop / ".hidden").symlink_to("/elsewhere")
    commit(shop.parents[1])
    assert policy_of(read_revision(shop, "HEAD")).program.name == "shop"


def test_a_policy_behind_a_link_or_in_a_submodule_is_refused(shop: Path, tmp_path: Path) -> None:
    """A folder of another repository would be taken for one that is not there."""
    root = shop.parents[1]
    other = repository(write_policy(tmp_path / "other"))
    commit(other)
    git(root, "submodule", "add", "-q", str(other), "policies/sub")
    (root / "linked").symlink_to("policies")
    commit(root)
    git(root, "tag", "odd")
    git(root, "rm", "-q", "-f", "policies/sub")
    (root / "linked").unlink()
    for name in ("policies/sub", "linked/shop", "policies/sub/below"):
        with pytest.raises(RevisionRefused, match=r"is a (link|submodule) at `odd`"):
            read_revision(write_policy(root / name), "odd")


def test_a_submodule_below_the_policy_is_refused(shop: Path, tmp_path: Path) -> None:
    """Rules may lie in it."""
    other = repository(write_policy(tmp_path / "other"))
    commit(other)
    git(shop, "submodule", "add", "-q", str(other), "shared")
    commit(shop.parents[1])
    with pytest.raises(RevisionRefused, match="`shared` is a submodule"):
        read_revision(shop, "HEAD")


def test_a_file_of_git_lfs_is_refused(shop: Path) -> None:
    """Its pointer would be read as a list of three values."""
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    (shop / "lists" / "blocked.csv").write_text(pointer)
    commit(shop.parents[1])
    with pytest.raises(RevisionRefused, match=r"`lists/blocked\.csv` .* Git LFS"):
        read_revision(shop, "HEAD")


def test_a_broken_revision_says_what_is_wrong(shop: Path) -> None:
    """A comparison with nothing would show every rule as new."""
    (shop / "rules" / "rules.tide").write_text(RULES.replace("then decline", "then declin"))
    commit(shop.parents[1])
    (shop / "rules" / "rules.tide").write_text(RULES)
    loaded = read_revision(shop, "HEAD").loaded
    assert loaded is not None
    assert loaded.policy is None
    assert has_errors(loaded.diagnostics)


def test_an_object_that_is_not_here_is_said(shop: Path, tmp_path: Path) -> None:
    """A clone without contents would give an empty policy."""
    root = shop.parents[1]
    blob = git(root, "rev-parse", "HEAD:policies/my shop/policy.tide")
    path = root / ".git" / "objects" / blob[:2] / blob[2:]
    path.chmod(0o600)
    path.rename(tmp_path / "gone")
    with pytest.raises(RevisionRefused, match="does not hold all"):
        read_revision(shop, "HEAD")


def test_line_endings_and_marks_change_nothing(shop: Path) -> None:
    """A checkout on another system would look like another policy."""
    path = shop / "policy.tide"
    path.write_bytes(b"\xef\xbb\xbf" + FILES["policy.tide"].replace("\n", "\r\n").encode())
    commit(shop.parents[1])
    crlf = policy_of(read_revision(shop, "HEAD"))
    assert (
        crlf.sources["policy.tide"]
        == policy_of(read_revision(shop, "first")).sources["policy.tide"]
    )


def test_the_program_is_asked_without_a_shell(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A revision's name could run a command."""
    seen: list[tuple[object, object]] = []
    ordinary = subprocess.run

    def noted(command: list[str], **options: object) -> object:
        seen.append((command, options.get("shell", False)))
        return ordinary(command, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", noted)
    with pytest.raises(RevisionRefused):
        read_revision(shop, "$(touch x)")
    assert seen
    assert all(isinstance(command, list) and not shell for command, shell in seen)
