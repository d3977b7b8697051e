from __future__ import annotations

from support.report_values import shown

from saturn_orchestrator.events import Check
from saturn_orchestrator.report.doctor_view import doctor_document, doctor_text
from saturn_orchestrator.state.checkup import Checkup

LONG = "git -C /home/ada/a/folder/that/is/long status; git -C /home/ada/a/folder/that/is/long log --oneline"
FOUND = (
    Checkup("", (Check("git", "ok", "2.39.5"), Check("clone", "warn", "not committed: notes.txt", LONG))),
    Checkup("chelsty", (Check("docker", "fail", "docker does not answer", "sudo systemctl start docker"),)),
    Checkup("vps", (Check("units", "skip", "systemd does not run here"),)),
)


def test_each_machine_has_a_table_and_below_it_what_to_type():
    assert shown(doctor_text(FOUND)) == (
        "SATURN\n"
        "check  status  message\n"
        "git    ✔ ok    2.39.5\n"
        "clone  ! warn  not committed: notes.txt\n"
        "\n"
        f"  clone: {LONG}\n"
        "\n"
        "chelsty\n"
        "check   status  message\n"
        "docker  ✘ fail  docker does not answer\n"
        "\n"
        "  docker: sudo systemctl start docker\n"
        "\n"
        "vps\n"
        "check  status  message\n"
        "units  - skip  systemd does not run here\n"
        "\n"
        "3 machines: 1 ok, 1 warn, 1 fail, 1 skip.\n"
    )


def test_text_of_a_node_is_shown_as_it_is():
    found = [Checkup("vps", (Check("disk", "fail", "[red]x[/red] :smile: \x1b[2J", "[b]rm[/b]"),))]

    told = shown(doctor_text(found))

    assert "[red]x[/red] :smile: [2J" in told
    assert "  disk: [b]rm[/b]" in told


def test_document_of_a_doctor():
    assert doctor_document(FOUND) == {
        "version": 1,
        "exit_code": 1,
        "saturn": [
            {"name": "git", "status": "ok", "message": "2.39.5", "fix": None},
            {"name": "clone", "status": "warn", "message": "not committed: notes.txt", "fix": LONG},
        ],
        "hosts": {
            "chelsty": [
                {
                    "name": "docker", "status": "fail", "message": "docker does not answer",
                    "fix": "sudo systemctl start docker",
                }
            ],
            "vps": [{"name": "units", "status": "skip", "message": "systemd does not run here", "fix": None}],
        },
    }  # fmt: skip
