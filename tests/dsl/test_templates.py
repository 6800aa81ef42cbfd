"""A template means what the same rules written by hand mean, and its messages name both places."""

from __future__ import annotations

from dataclasses import replace

from tidegate.dsl.checker import Checked, check
from tidegate.dsl.diagnostics import render
from tidegate.dsl.parser import parse
from tidegate.dsl.program import Param, Program, Rule
from tidegate.dsl.source import Source
from tidegate.dsl.types import COUNT, Bounds

POLICY = """
policy shop language 1 currency EUR timezone "Europe/Paris"
event pay decided by default approve
  silent review
  id text key
  at time
  amount money max 1000000 EUR
  card token
  customer token?
reason own "Own" message "Please wait."
group quick "Fast ones"
  except when amount < 1 EUR
"""
TEMPLATE = """
template tries on payment
  takes who    token or text
  takes amount money
  takes window duration = 10m from 1m to 24h
  takes most   count = 10 from 2 to 500
feature seen = count of payment by who over window where amount > 5 EUR
let many = seen >= most
reason too_many "Many tries" message "Please wait."
rule tries "Many" owner desk when many and amount > 2 EUR then review because too_many
  if unknown then skip
rule twice when seen >= most + most then hold because too_many if unknown then skip
"""
BY_HAND = """
param card_tries_most count = 7 from 2 to 500
feature card_tries_seen = count of pay by card over 30m where amount > 5 EUR
let card_tries_many = card_tries_seen >= card_tries_most
reason card_tries_too_many "Many tries" message "Please wait."
rule card_tries version 3 "Mine" owner desk in quick on pay
  when card_tries_many and amount > 2 EUR
  then decline because own
  except when amount > 500 EUR
rule card_tries_twice version 3 "Mine" in quick on pay
  when card_tries_seen >= card_tries_most + card_tries_most
  then decline because own
  except when amount > 500 EUR
"""
USE = """
apply tries as card_tries version 3 "Mine" in quick
  with who = card, most = 7, window = 30m
  then decline because own
  except when amount > 500 EUR
"""


def checked(*texts: str) -> Checked:
    """The texts as files of one policy."""
    return check([parse(Source(f"{n}.tide", text)).file for n, text in enumerate(texts)])


def program_of(*texts: str) -> Program:
    """The program of texts without an error."""
    result = checked(*texts)
    sources = {f"{n}.tide": Source(f"{n}.tide", text) for n, text in enumerate(texts)}
    shown = "\n".join(render(d, sources) for d in result.diagnostics)
    assert result.program is not None, shown
    return result.program


def rules_of(program: Program) -> dict[str, Rule]:
    """The rules by name."""
    return {rule.name: rule for rule in program.event("pay").rules}


def test_a_use_is_what_its_rules_are_by_hand() -> None:
    """Evaluators, records and reports would meet something that no rule can say."""
    used, written = program_of(POLICY + USE, TEMPLATE), program_of(POLICY + BY_HAND)
    assert used == written
    assert rules_of(used)["card_tries"].meaning == rules_of(written)["card_tries"].meaning


def test_two_uses_share_nothing() -> None:
    """A threshold of one would be that of the other."""
    other = "apply tries as customer_tries version 1 with who = customer, most = 20"
    program = program_of(f"{POLICY}{USE}{other}", TEMPLATE)
    assert {p.name: p.value for p in program.params} == {
        "card_tries_most": 7, "customer_tries_most": 20,
    }  # fmt: skip
    assert {f.name: (f.keys, f.window_us) for f in program.features} == {
        "card_tries_seen": ((("card", "card"),), 1_800_000_000),
        "customer_tries_seen": ((("customer", "customer"),), 600_000_000),
    }
    first, second = (rules_of(program)[name] for name in ("card_tries", "customer_tries"))
    assert (first.unknown, second.unknown is not None) == (None, True)
    assert (first.owner, second.text, second.version) == ("desk", "Many", 1)


def test_a_value_is_a_param_that_a_release_may_change() -> None:
    """A threshold of a library could be changed by an edit of rules only."""
    (param,) = program_of(POLICY + USE, TEMPLATE).params
    same = Param("card_tries_most", COUNT, 7, param.span, Bounds(2, 500))
    assert param == same


def test_a_changed_template_changes_the_meaning_of_its_rules() -> None:
    """A version would stand for two things."""
    before = rules_of(program_of(POLICY + USE, TEMPLATE))
    for old, new in (
        ("amount > 5 EUR", "amount > 6 EUR"), ("from 2 to 500", "from 2 to 501"),
        ("seen >= most\n", "seen > most\n"),
    ):  # fmt: skip
        after = rules_of(program_of(POLICY + USE, TEMPLATE.replace(old, new)))
        assert after["card_tries"].meaning != before["card_tries"].meaning, new
    for old, new in (("most = 7", "most = 8"), ('"Mine"', '"Yours"')):
        after = rules_of(program_of(POLICY + USE.replace(old, new), TEMPLATE))
        assert after["card_tries"].meaning == before["card_tries"].meaning, new
    after = rules_of(program_of(POLICY + USE.replace("30m", "31m"), TEMPLATE))
    assert after["card_tries"].meaning != before["card_tries"].meaning


def test_a_message_names_the_template_and_the_use() -> None:
    """A person would look for the mistake in a file that others share."""
    wrong = TEMPLATE.replace("most + most", "most + amount")
    other = "apply tries as customer_tries version 1 with who = customer"
    texts = (f"{POLICY}{USE}{other}", wrong)
    found = [d for d in checked(*texts).diagnostics if d.code == "TG305"]
    assert [d.span.path for d in found] == ["1.tide", "1.tide"]
    source = Source("0.tide", texts[0])
    places = [[source.slice(span) for span, _ in d.related] for d in found]
    assert places == [["card_tries"], ["customer_tries"]]
    shown = render(found[0], {"0.tide": source, "1.tide": Source("1.tide", wrong)})
    assert "--> 1.tide:" in shown
    assert "^^^^^^^^^^ applied here" in shown


def test_what_stands_before_a_template_belongs_to_the_policy() -> None:
    """A rule would vanish into a template, or a template's rule act by itself."""
    program = program_of(f"{POLICY}{USE}{TEMPLATE}")
    assert sorted(rules_of(program)) == ["card_tries", "card_tries_twice"]
    program = program_of(f"{POLICY}{TEMPLATE}")
    assert program.event("pay").rules == ()
    assert program.features == ()


def test_a_template_that_cannot_be_read_is_one_error() -> None:
    """Everything in it, and every use of it, would be called wrong as well."""
    broken = TEMPLATE.replace("takes amount money", "takes amount coin")
    parsed = parse(Source("1.tide", broken))
    assert [d.code for d in parsed.diagnostics] == ["TG101"]
    reads = "rule mine version 1 when card_tries_seen > 2 then hold"
    result = check([parse(Source("0.tide", POLICY + USE)).file, parsed.file])
    assert result.diagnostics == ()
    faulty = TEMPLATE.replace("amount > 2 EUR", "total > 2 EUR")
    codes = [d.code for d in checked(f"{POLICY}{USE}", faulty).diagnostics]
    assert codes == ["TG230"]
    unfit = USE.replace("who = card", "who = amount")
    codes = [d.code for d in checked(f"{POLICY}{unfit}{reads}", TEMPLATE).diagnostics]
    assert codes == ["TG232"]


def test_libraries_of_a_folder_hold_each_version_apart() -> None:
    """A policy would use a version that it did not ask for."""
    old, new = TEMPLATE, TEMPLATE.replace("amount > 5 EUR", "amount > 9 EUR")
    files = {
        "library/house/1/tries.tide": old, "library/house/2/tries.tide": new,
        "library/houses/tries.tide": "",
    }  # fmt: skip
    use = USE.replace("apply tries", "apply house.tries")

    def meaning(version: int, folder: str = "library/house") -> str:
        text = f'library house version {version} from "{folder}"\n{use}'
        sources = [Source("p.tide", POLICY + text), *(Source(*pair) for pair in files.items())]
        program = check([parse(source).file for source in sources]).program
        assert program is not None
        return rules_of(program)["card_tries"].meaning

    def local(template: str) -> str:
        return rules_of(program_of(POLICY + USE, template))["card_tries"].meaning

    assert (meaning(1), meaning(2)) == (local(old), local(new))
    assert meaning(2, "./library/house/") == local(new)
    stray = replace(Source("library/house/2/x.tide", "param free count = 3"))
    text = f'{POLICY}library house version 2 from "library/house"\n{use}'
    sources = [Source("p.tide", text), stray, *(Source(*pair) for pair in files.items())]
    found = check([parse(source).file for source in sources]).diagnostics
    assert [d.code for d in found] == ["TG230"]
