"""A folder becomes a policy, or every reason why not in one run."""

import os
from pathlib import Path

import pytest

from tests.rules.folders import FILES, POLICY, RULES, write_policy
from tidegate import Engine, load_policy
from tidegate.dsl.diagnostics import Severity
from tidegate.dsl.lists import ListContent
from tidegate.dsl.literals import IPV4_BASE
from tidegate.rules import Loaded, PolicyRefused, read
from tidegate.rules.tables import content_of

BODY = {
    "id": "p-1",
    "at": "2026-01-03T12:00:00Z",
    "amount": "150.00 EUR",
    "card": "tok_9",
    "card_country": "FR",
}


def codes(loaded: Loaded) -> list[str]:
    """The codes of the errors and warnings."""
    return [d.code for d in loaded.diagnostics if d.severity is not Severity.NOTE]


def fired(folder: Path, **changes: str) -> tuple[str, ...]:
    """The rules that fire for the body with some fields changed."""
    return Engine(load_policy(folder)).decide({**BODY, **changes}).record.rules.fired


def test_a_folder_loads_and_decides(tmp_path: Path) -> None:
    """Lists, rates and rules of several files have to reach the engine together."""
    write_policy(tmp_path)
    assert codes(read(tmp_path)) == []
    assert fired(tmp_path) == ()
    assert fired(tmp_path, card="tok_1") == ("blocked_card@1",)
    assert fired(tmp_path, ip_address="192.0.2.200") == ("network@1",)
    assert fired(tmp_path, ip_address="2001:db8::1") == ("network@1",)
    assert fired(tmp_path, ip_address="203.0.113.7") == ("network@1",)
    assert fired(tmp_path, amount="126.00 USD", card_country="US") == ("far@1",)


def test_a_listed_network_holds_addresses_of_its_own_version(tmp_path: Path) -> None:
    """`::/64` on a list would match every IPv4 address."""
    write_policy(tmp_path, {"lists/networks.csv": "::/64\n"})
    assert fired(tmp_path, ip_address="::1") == ("network@1",)
    assert fired(tmp_path, ip_address="192.0.2.200") == ()
    networks = next(d for d in load_policy(tmp_path).program.lists if d.name == "networks")
    given = content_of(["::/64"], networks)
    assert isinstance(given, ListContent)
    assert (1 in given, IPV4_BASE in given) == (True, False)


def test_a_managed_list_is_given_by_the_caller(tmp_path: Path) -> None:
    """A list that cannot be read is unknown; one that is given silences its rule."""
    policy = load_policy(write_policy(tmp_path))
    body = {**BODY, "card_country": "US"}
    assert Engine(policy).decide(body).record.rules.fired == ("far@1",)
    trusted = policy.with_lists({"trusted": ListContent(frozenset({"tok_9"}))})
    assert Engine(trusted).decide(body).record.rules.silenced == ("far@1",)
    assert policy.with_lists({"trusted": ["tok_9"]}).lists == trusted.lists
    with pytest.raises(ValueError, match="list `trusted`: its values are not given as a list"):
        policy.with_lists({"trusted": "tok_9"})
    with pytest.raises(ValueError, match="no managed list is called `blocked`"):
        policy.with_lists({"blocked": ListContent()})


def test_every_error_comes_in_one_run(tmp_path: Path) -> None:
    """An analyst who mends one error must not find the next one only then."""
    broken = RULES.replace("amount > 100 EUR", "amout > 100 EUR")
    changes: dict[str, str | bytes | None] = {
        "rules/rules.tide": broken,
        "more.tide": "rule x version\n",
        "bad.tide": b"# \xff\n",
    }
    loaded = read(write_policy(tmp_path, changes))
    assert loaded.policy is None
    found = {d.span.path: d for d in loaded.diagnostics if d.severity is Severity.ERROR}
    assert set(found) == {"bad.tide", "more.tide", "rules/rules.tide"}
    assert "did you mean `amount`?" in loaded.rendered()
    assert found["bad.tide"].code == "TG181"
    with pytest.raises(PolicyRefused, match="amout"):
        load_policy(tmp_path)


def test_files_are_read_though_a_rule_is_wrong(tmp_path: Path) -> None:
    """The bad line of a list would show only after every rule is mended."""
    broken = RULES.replace("amount > 100 EUR", "amout > 100 EUR")
    changes = {"rules/rules.tide": broken, "lists/near.csv": "fr\n", "rates.csv": "date\n"}
    assert set(codes(read(write_policy(tmp_path, changes)))) == {"TG204", "TG705"}


def test_a_list_of_something_else_is_said_once(tmp_path: Path) -> None:
    """Its file cannot be judged, and the declaration is what is wrong."""
    changed = RULES.replace("blocked of token", "blocked of money")
    assert "TG216" in codes(read(write_policy(tmp_path, {"rules/rules.tide": changed})))


def test_the_place_of_a_byte_that_is_no_text_is_named(tmp_path: Path) -> None:
    """Somebody has to find that byte."""
    loaded = read(write_policy(tmp_path, {"bad.tide": b"# fine\n# \xe9t\xe9\n"}))
    assert "bad.tide:2" in loaded.rendered()


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    """A wrong path must not load as a policy without rules."""
    assert codes(read(tmp_path / "nowhere")) == ["TG183"]
    assert codes(read(tmp_path)) == ["TG183"]
    assert codes(read(write_policy(tmp_path, {"file": ""}) / "file")) == ["TG183"]


def test_hidden_folders_are_no_part_of_the_policy(tmp_path: Path) -> None:
    """An editor's backup copy would declare everything twice."""
    write_policy(tmp_path, {".backup/policy.tide": POLICY})
    assert codes(read(tmp_path)) == []


# --- files that a policy names ---


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ("../outside.csv", "TG701"),
        ("/etc/hostname", "TG701"),
        ("lists/../../outside.csv", "TG701"),
        ("lists/link.csv", "TG701"),
        ("lists/bloked.csv", "TG702"),
        ("lists", "TG702"),
    ],
)
def test_a_path_stays_in_the_folder(tmp_path: Path, named: str, code: str) -> None:
    """A policy that reads outside its folder decides otherwise on another machine."""
    (tmp_path / "outside.csv").write_text("value\ntok_1\n")
    changed = RULES.replace("lists/blocked.csv", named)
    folder = write_policy(tmp_path / "shop", {"rules/rules.tide": changed})
    (folder / "lists" / "link.csv").symlink_to(tmp_path / "outside.csv")
    assert codes(read(folder)) == [code]


def test_a_file_that_cannot_be_looked_at_is_said(tmp_path: Path) -> None:
    """A name that no file can have, or a link to itself, would end in a traceback."""
    for number, named in enumerate(("a" * 5000, "lists/circle.csv")):
        text = RULES.replace("lists/blocked.csv", named)
        folder = write_policy(tmp_path / str(number), {"rules/rules.tide": text})
        (folder / "lists/circle.csv").symlink_to("circle.csv")
        assert codes(read(folder)) == ["TG182"]


def test_a_rule_file_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    """Its name is a part of the hash, and there would be no bytes for it."""
    folder = write_policy(tmp_path)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.tide")).write_text("# nothing\n")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.TIDE")).write_text("# nothing\n")
    loaded = read(folder)
    assert sorted(codes(loaded)) == ["TG182", "TG184"]
    loaded.rendered().encode()


def test_a_missing_file_gets_its_neighbour_named(tmp_path: Path) -> None:
    """A slip in a path should cost one look."""
    changed = RULES.replace("lists/blocked.csv", "lists/bloked.csv")
    text = read(write_policy(tmp_path, {"rules/rules.tide": changed})).rendered()
    assert "did you mean `lists/blocked.csv`?" in text
    assert "rules/rules.tide:2:" in text


def test_a_rule_file_that_links_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    """Rules from elsewhere are no part of what was reviewed."""
    (tmp_path / "elsewhere.tide").write_text("# nothing\n")
    folder = write_policy(tmp_path / "shop")
    (folder / "more.tide").symlink_to(tmp_path / "elsewhere.tide")
    assert codes(read(folder)) == ["TG701"]


@pytest.mark.parametrize(
    ("file", "content", "code", "line"),
    [
        ("lists/blocked.csv", "value\ntok_1\n4111111111111111\n", "TG705", 3),
        ("lists/blocked.csv", "value\ntok_1,tok_2\n", "TG705", 2),
        ("lists/blocked.csv", 'value\n""\n', "TG705", 2),
        ("lists/blocked.csv", "value\ntok\u200b_1\n", "TG705", 2),
        ("lists/blocked.csv", "value\ntok_1\ntok_1\n", "TG706", 3),
        ("lists/blocked.csv", b"value\n\xff\n", "TG181", 2),
        ("lists/blocked.csv", 'value\n"tok_1\n', "TG704", 0),
        ("lists/near.csv", "FR\nfr\n", "TG705", 2),
        ("lists/near.csv", "FR\nXX\n", "TG705", 2),
        ("lists/networks.csv", "192.0.2.1/24\n", "TG705", 1),
        ("lists/networks.csv", "192.0.2.256\n", "TG705", 1),
        ("rates.csv", "date,rate\n2026-01-02,1.25\n", "TG705", 1),
        ("rates.csv", "date,currency,rate\n2026-01-02,USD,1,25\n", "TG705", 2),
        ("rates.csv", "date,currency,rate\n2026-01-02,USD,0\n", "TG705", 2),
        ("rates.csv", "date,currency,rate\n2026-13-02,USD,1.25\n", "TG705", 2),
        ("rates.csv", "date,currency,rate\n2026-01-02,USX,1.25\n", "TG705", 2),
        ("rates.csv", FILES["rates.csv"] + "2026-01-02,USD,1.26\n", "TG705", 3),
    ],
)
def test_a_bad_line_is_named_and_its_value_is_not(
    tmp_path: Path, file: str, content: str | bytes, code: str, line: int
) -> None:
    """A list that was read wrong lets through whom it was to stop."""
    loaded = read(write_policy(tmp_path, {file: content}))
    found = [d for d in loaded.diagnostics if d.severity is not Severity.NOTE]
    assert (found[0].code, found[0].span.path, found[0].line) == (code, file, line)
    assert "4111" not in loaded.rendered()


def test_many_bad_lines_are_counted(tmp_path: Path) -> None:
    """A thousand messages with one cause hide the message about something else."""
    loaded = read(write_policy(tmp_path, {"lists/near.csv": "fr\n" * 100}))
    assert [d.code for d in loaded.diagnostics].count("TG705") == 20
    assert "80 more lines" in loaded.rendered()


def test_capitals_on_a_list_for_a_folded_field_are_said(tmp_path: Path) -> None:
    """Whoever was put on the list with a capital letter would never be found."""
    changes: dict[str, str | bytes | None] = {
        "policy.tide": POLICY + "  mail text folded\n",
        "mail.tide": 'list mails of text from "mails.csv"\nrule mail version 1\n'
        "  when mail in mails\n  then review because far\n",
        "mails.csv": "value\nMail.Example\npost.example\n",
    }
    loaded = read(write_policy(tmp_path, changes))
    assert codes(loaded) == ["TG708"]
    assert "1 of the values" in loaded.rendered()
    assert codes(read(write_policy(tmp_path, {**changes, "mails.csv": "mail.example\n"}))) == []
    as_sent = {**changes, "policy.tide": POLICY + "  mail text\n"}
    assert codes(read(write_policy(tmp_path, as_sent))) == []


def test_capitals_are_said_behind_a_let_and_a_function_too(tmp_path: Path) -> None:
    """A let would hide from the warning what it names."""
    changes: dict[str, str | bytes | None] = {
        "policy.tide": POLICY + "  mail text folded\n",
        "mail.tide": 'list mails of text from "mails.csv"\nlet named = mail\n'
        "rule mail_a version 1\n  when named in mails\n  then review because far\n"
        "rule mail_b version 1\n  when lower(id) in mails\n  then review because far\n",
        "mails.csv": "value\nMail.Example\npost.example\n",
    }
    loaded = read(write_policy(tmp_path, changes))
    assert codes(loaded) == ["TG708", "TG708"]
    assert "never match `named`" in loaded.rendered()


def test_a_listed_network_that_is_finer_than_a_rounded_address_is_said(tmp_path: Path) -> None:
    """A single address would be listed, and match nobody or its whole network."""
    changes = {"policy.tide": POLICY.replace("ip_address ip?", "ip_address ip? coarse /24 /48")}
    loaded = read(write_policy(tmp_path, changes))
    assert codes(loaded) == ["TG710"]
    assert "1 of the networks of list `networks` are smaller" in loaded.rendered()
    wide = {**changes, "lists/networks.csv": "192.0.2.0/24\n2001:db8::/48\n"}
    assert codes(read(write_policy(tmp_path, wide))) == []


# --- the hash ---


@pytest.mark.parametrize("file", sorted(FILES))
def test_the_hash_covers_every_file(tmp_path: Path, file: str) -> None:
    """Two policies that decide differently must not have one name in the records."""
    before = load_policy(write_policy(tmp_path / "a")).hash
    addition = {
        "policy.tide": "# more\n",
        "rules/rules.tide": "# more\n",
        "rates.csv": "2026-01-05,USD,1.26\n",
        "lists/near.csv": "ES\n",
        "lists/networks.csv": "198.51.100.0/24\n",
        "lists/blocked.csv": "tok_3\n",
    }[file]
    after = load_policy(write_policy(tmp_path / "b", {file: FILES[file] + addition})).hash
    assert before != after


def test_the_hash_is_of_content_and_not_of_its_place(tmp_path: Path) -> None:
    """A copy of the folder on another system is the same policy."""
    one = load_policy(write_policy(tmp_path / "one")).hash
    windows = {
        name: (text.replace("\n", "\r\n") if name.endswith(".tide") else text)
        for name, text in FILES.items()
    }
    shuffled = {"lists/blocked.csv": "value\ntok_2\ntok_1\n"}
    assert load_policy(write_policy(tmp_path / "two", windows)).hash == one
    assert load_policy(write_policy(tmp_path / "three", shuffled)).hash == one


def test_a_rule_that_moves_to_another_file_is_another_release(tmp_path: Path) -> None:
    """The hash names the files that somebody approved."""
    moved = {"rules/rules.tide": None, "other.tide": RULES}
    assert (
        load_policy(write_policy(tmp_path / "a")).hash
        != load_policy(write_policy(tmp_path / "b", moved)).hash
    )
