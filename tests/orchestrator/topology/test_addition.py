"""A host added to the text of a topology: what a person wrote stays as it is, to the byte."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from saturn_orchestrator.errors import InventoryError
from saturn_orchestrator.topology.addition import with_host
from saturn_orchestrator.topology.document import Loader

ENTRY = {"address": "10.0.0.9", "ssh": {"user": "ada", "port": 2222}, "services": ["web"]}
BLOCK = ["  new:", "    address: 10.0.0.9", "    ssh: {user: ada, port: 2222}", "    services: [web]"]


def added(text: str, name: str = "new", entry: dict[str, object] | None = None) -> str:
    after = with_host(text, name, ENTRY if entry is None else entry, "topology.yaml")
    assert yaml.load(after, Loader)["hosts"][name] == (ENTRY if entry is None else entry)
    return after


def block(indent: int = 0) -> str:
    return "".join(f"{' ' * indent}{line}\n" for line in BLOCK)


@pytest.mark.parametrize(
    "before, behind",
    [
        ("version: 1\nhosts:\n  a:\n    link: stable\n", ""),
        ("hosts:\n  a: {link: stable}  # here\n", "policy: {}\n"),
        ("hosts:\n  a:\n", "\npolicy: {}\n"),
        ("hosts:\n  a: {}\n    # of a\n    # too\n", "# of the policy\npolicy: {}\n"),
        ("hosts:\n  a:\n    services:\n      - x\n      - y   # last\n", "\n\n# end"),
        ("hosts:\n  a:\n    ssh: {user: x,\n      port: 2}\n", "policy: {}\n"),
        ("hosts:\n  a: {address: 'it''s'}\n", ""),
        ("hosts:\n  a: {address: \"x # no comment\"}\n", "# a\ttab\n"),
        ("hosts:\n  a: &one\n    link: stable\n  b: *one\n", "policy: {}\n"),
    ],
)  # fmt: skip
def test_the_host_stands_behind_the_last_one_and_every_line_stays(before, behind):
    assert added(before + behind) == before + block() + behind


def test_hosts_that_blank_lines_keep_apart_go_on_so():
    before = "hosts:\n  # first\n  a: {}\n\n  # second\n  b: {}\n"
    spaced = "hosts:\n  a: {}\n\n  b: {}\n"

    assert added(spaced + "\npolicy: {}\n") == spaced + "\n" + block() + "\npolicy: {}\n"
    assert added(before) == before + block()


def test_the_indentation_is_that_of_the_person():
    before = "hosts:\n    a:\n       link: stable\n"

    assert added(before) == before + (
        "    new:\n       address: 10.0.0.9\n       ssh: {user: ada, port: 2222}\n       services: [web]\n"
    )


def test_a_file_without_a_last_newline_gets_one():
    assert added("hosts:\n  a: {}") == "hosts:\n  a: {}\n" + block()


def test_lines_end_as_the_others_do():
    assert added("hosts:\r\n  a: {}\r\npolicy: {}\r\n") == (
        "hosts:\r\n  a: {}\r\n" + block().replace("\n", "\r\n") + "policy: {}\r\n"
    )


def test_a_mark_of_byte_order_stays():
    assert added("\ufeffhosts:\n  a: {}\n") == "\ufeffhosts:\n  a: {}\n" + block()


@pytest.mark.parametrize(
    "before, after",
    [
        ("hosts: {}\n", "hosts:\n" + block()),
        ("hosts: {}  # none yet\npolicy: {}\n", "hosts:  # none yet\n" + block() + "policy: {}\n"),
        ("hosts:\n  # a: {}\npolicy: {}\n", "hosts:\n" + block() + "  # a: {}\npolicy: {}\n"),
        ("hosts:\n", "hosts:\n" + block()),
        ("hosts:", "hosts:\n" + block()),
        ("hosts: null\n", "hosts:\n" + block()),
        ("version: 1\n", "version: 1\nhosts:\n" + block()),
        ("version: 1\n# the end\n", "version: 1\nhosts:\n" + block() + "# the end\n"),
        ("", "hosts:\n" + block()),
        ("# nothing yet\n", "# nothing yet\nhosts:\n" + block()),
    ],
)
def test_the_first_host(before, after):
    assert added(before) == after


FLOW = "new: {address: 10.0.0.9, ssh: {user: ada, port: 2222}, services: [web]}"


@pytest.mark.parametrize(
    "before, after",
    [
        ("hosts: {a: {}, b: {}}  # all\n", f"hosts: {{a: {{}}, b: {{}}, {FLOW}}}  # all\n"),
        ("hosts: {\n  a: {},  # one\n}\n", f"hosts: {{\n  a: {{}}, {FLOW}  # one\n}}\n"),
        ("{version: 1, hosts: {a: {}}}\n", f"{{version: 1, hosts: {{a: {{}}, {FLOW}}}}}\n"),
    ],
)
def test_hosts_in_braces_stay_in_braces(before, after):
    assert added(before) == after


@pytest.mark.parametrize(
    "text",
    [
        "defaults: &d {}\nhosts: *d\n", "hosts: &h {}\n", "{version: 1}\n", "[1]\n", "hosts: [a]\n", "hosts: text\n",
    ],
)  # fmt: skip
def test_what_cannot_be_added_to_is_an_error_with_the_lines_to_write(text):
    with pytest.raises(InventoryError) as caught:
        with_host(text, "new", ENTRY, "topology.yaml")

    (finding,) = caught.value.findings
    assert (finding.code, f"add it by hand: {FLOW}" == finding.hint) == ("hosts_unfit", True)


def test_a_text_that_is_no_yaml_is_an_error():
    with pytest.raises(InventoryError):
        with_host("hosts: {", "new", ENTRY, "topology.yaml")


@pytest.mark.parametrize("name", ["on", "123", "1e3", "null", "0x1f", "a-b_c"])
def test_names_that_yaml_would_take_for_something_else_are_quoted(name):
    assert list(yaml.safe_load(added("hosts:\n  a: {}\n", name))["hosts"]) == ["a", name]


def test_an_entry_without_keys_is_one_all_the_same():
    assert added("hosts:\n  a: {}\n", entry={}) == "hosts:\n  a: {}\n  new: {}\n"


LINES = st.sampled_from(
    ["# a comment", "", "  # deeper", "policy: {forbidden_devices: [/dev/x]}", "controller: 'saturn'  # quoted",
     "defaults:\n  root: /x\n  # inside\n  ssh: {user: a}", "# a\ttab", "rollout: {batches: [\"1\"]}"]
)  # fmt: skip
HOSTS = st.sampled_from(
    ["hosts:\n  a:\n    link: stable", "hosts: {}", "hosts:", "hosts:\n  a: {}\n\n  b: {}", "hosts: {a: {}}",
     "hosts:\n    a:\n        tags: [x]  # t\n        # end", "hosts:\n  a:\n    services:\n    - x"]
)  # fmt: skip


@given(st.lists(LINES, unique=True, max_size=4), HOSTS, st.lists(LINES, unique=True, max_size=4),
       st.sampled_from(["\n", "\r\n"]), st.booleans())  # fmt: skip
def test_every_line_of_any_file_stays_in_its_order_and_means_what_it_meant(above, hosts, below, newline, is_ended):
    lines = [*above, hosts, *[each for each in below if each not in above]]
    text = "\n".join(lines) + ("\n" if is_ended else "")
    before = yaml.load(text, Loader) or {}
    text = text.replace("\n", newline)

    after = added(text)

    value = yaml.load(after, Loader)
    assert {key: each for key, each in value.items() if key != "hosts"} == {
        key: each for key, each in before.items() if key != "hosts"
    }
    assert list(value["hosts"]) == [*(before.get("hosts") or {}), "new"]
    left = iter(after.split(newline))
    assert all(line in left for line in text.split(newline) if line and not line.startswith("hosts:"))
