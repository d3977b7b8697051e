from __future__ import annotations

from support.report_values import shown

from saturn_orchestrator.errors import Denied, InventoryError, InventoryFinding, UsageError
from saturn_orchestrator.report.problems import problem_block, problem_text


def test_error_names_code_place_notes_and_the_next_command():
    error = Denied("the host denied the login", place="chelsty", notes=("user homelab",), hint="saturn doctor chelsty")
    assert shown(problem_text(error)) == (
        "error[permission_denied]: the host denied the login\n"
        "  --> chelsty\n"
        "  note: user homelab\n"
        "  help: saturn doctor chelsty\n"
    )


def test_error_without_facts_is_one_line():
    assert shown(problem_text(UsageError("no hosts were chosen"))) == "error[usage]: no hosts were chosen\n"


def test_inventory_error_shows_every_finding_and_counts_last():
    error = InventoryError(
        [
            InventoryFinding("inventory/topology.yaml", 14, "hosts.vps.address", "expected text", "quote it"),
            InventoryFinding("hosts/pi/host.yaml", 0, "", "unknown key colour"),
        ]
    )
    assert shown(problem_text(error)) == (
        "error: expected text\n"
        "  --> inventory/topology.yaml:14 hosts.vps.address\n"
        "  help: quote it\n"
        "\n"
        "error: unknown key colour\n"
        "  --> hosts/pi/host.yaml\n"
        "\n"
        "error[inventory_invalid]: the inventory has 2 errors\n"
        "  help: mend the lines above, then: saturn validate\n"
    )


def test_hostile_text_cannot_forge_a_line():
    error = UsageError("[red]a\x1b[2J\nhelp: rm -rf /", place="x\ny", hint=":boom:")
    assert shown(problem_text(error)) == "error[usage]: [red]a[2J help: rm -rf /\n  --> x y\n  help: :boom:\n"


def test_a_long_command_stays_in_one_piece():
    hint = "saturn deploy --hosts chelsty,solaria,vps --resume"
    assert shown(problem_text(UsageError("no", hint=hint)), width=20).splitlines()[-1] == f"  help: {hint}"


def test_evidence_is_its_last_20_lines_cut_to_the_screen():
    block = problem_block("code", "it broke", evidence=[f"{number} {'x' * 60}" for number in range(30)])
    lines = shown(*block, width=40).splitlines()
    assert lines[0] == "error[code]: it broke"
    assert lines[1:] == [f"   | {number} {'x' * 31}…" for number in range(10, 30)]
