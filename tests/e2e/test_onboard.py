"""From "I can log in there" to a first deploy; once more changes nothing; interrupted anywhere, it goes on.

The package manager is a stand-in on the node's PATH that brings back what was hidden: no test fetches real packages.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.world import World

COMMENTED = "# My homelab.\n"
LAST = "    # the machine under the desk\n"
AFTER = "\n# that is all of them\n"

FAKE_APT = """#!/bin/sh
echo "$@" >> /tmp/apt.log
case "$*" in
  *' update') exit 0 ;;
  *install*git) exec mv /var/lib/saturn-fleet/hidden/usr/bin/git /usr/bin/git ;;
esac
echo "E: Unable to locate package" >&2
exit 100
"""
# Hangs up on whoever is logged in, once: before or after the real work of the program that it stands before.
CUT = """#!/bin/sh
cut() {{ [ -e /tmp/cut ] || {{ touch /tmp/cut; pkill -KILL -u deploy sshd; sleep 0.3; }}; }}
{before}
{real} "$@" || exit
{after}
exit 0
"""


class Bare:
    """vps as it comes from the shop: a login with sudo, docker, and nothing of saturn's; no topology knows it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.host = world.fleet.host("vps")
        self.file = world.homelab.folder / "inventory" / "topology.yaml"
        hosts = world.homelab.topology["hosts"]
        assert isinstance(hosts, dict)
        del hosts["vps"]
        world.push("without vps")
        self.text = COMMENTED + self.file.read_text() + LAST + AFTER
        self.file.write_text(self.text)
        lines = world.known_hosts.read_text().splitlines(keepends=True)
        self.keys = "".join(line for line in lines if not line.startswith(f"{self.host.address} "))
        world.known_hosts.write_text(self.keys)
        self.root("gpasswd", "--delete", "deploy", "docker")
        self.root("rm", "-rf", "/opt/homelab")

    def root(self, *command: str) -> str:
        return self.host.exec(*command, user="root").stdout

    def words(self, *more: str) -> tuple[str, ...]:
        return ("onboard", "vps", "--address", self.host.address, "--services", "proxy,site", *more)

    @property
    def certain(self) -> tuple[str, ...]:
        """What names the key, and says yes to the rest."""
        told = self.root("ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key")
        return ("--yes", "--fingerprint", next(word for word in told.split() if word.startswith("SHA256:")))

    def put_before(self, program: str, script: str) -> None:
        self.host.write(f"/usr/local/sbin/{program}", script, owner="root", mode=0o755)

    def is_as_it_was(self) -> bool:
        groups = self.root("id", "-nG", "deploy").split()
        there = self.host.exec("test", "-e", "/opt/homelab", user="root", check=False).returncode == 0
        return not there and "docker" not in groups

    def restore(self) -> None:
        self.host.heal()
        self.root("sh", "-c", "rm -f /usr/local/sbin/* /tmp/cut /tmp/apt.log; usermod -aG docker deploy")
        self.root("install", "-d", "-o", "deploy", "-g", "deploy", "/opt/homelab")
        self.host.write("/etc/sudoers.d/deploy", "deploy ALL=(ALL) NOPASSWD: ALL\n", owner="root", mode=0o440)


@pytest.fixture
def bare(world: World) -> Iterator[Bare]:
    bare = Bare(world)
    yield bare
    bare.restore()


def snapshot(bare: Bare) -> tuple[str, str, str, str]:
    """Everything that a run of onboard might change."""
    listing = bare.root("find", "/opt/homelab", "-maxdepth", "1", "-printf", "%p %u %g %m %T@\n")
    return bare.file.read_text(), bare.world.known_hosts.read_text(), bare.root("id", "deploy"), listing


def test_a_bare_host_gets_from_a_login_to_a_first_deploy(bare: Bare) -> None:
    said = bare.world.saturn.run(*bare.words(*bare.certain))

    assert said.exit_code == 0, said.err + said.out
    assert set(bare.world.containers("vps")) >= {"proxy-proxy-1", "site-site-1"}
    entry = f"  vps:\n    address: {bare.host.address}\n    services: [proxy, site]\n"
    assert bare.file.read_text() == bare.text.removesuffix(AFTER) + entry + AFTER
    assert bare.world.known_hosts.read_text() == f"{bare.keys}{bare.host.known_hosts_line()}\n"
    assert "docker" in bare.root("id", "-nG", "deploy").split()
    assert bare.root("stat", "-c", "%U %a", "/opt/homelab", "/opt/homelab/config").split() == [
        "deploy",
        "755",
        "deploy",
        "750",
    ]
    assert "Plan: 3 steps, as root through sudo." in said.err
    assert "+  vps:" in said.err, "the change of the topology was shown"


def test_a_second_time_changes_nothing_and_says_so(bare: Bare) -> None:
    first = bare.world.saturn.run(*bare.words(*bare.certain))
    before = snapshot(bare)

    said = bare.world.saturn.run("onboard", "vps", "--yes", "--json")
    same = bare.world.saturn.run(*bare.words("--yes"))

    assert (first.exit_code, said.exit_code, same.exit_code) == (0, 0, 0), first.err + said.err + same.err
    assert (said.document["outcome"], said.document["steps"], said.document["files"]) == ("ready", [], [])
    assert "nothing was changed on it" in same.out
    assert snapshot(bare) == before


def test_a_person_sees_each_thing_before_it_is_done_and_each_no_leaves_it_undone(bare: Bare) -> None:
    topology, key, steps = "Write this entry of vps?", "Is this the key of vps?", "Do this on vps?"

    no_entry = bare.world.saturn.type(bare.words(), {topology: "n\n"})
    assert (no_entry.exit_code, bare.file.read_text()) == (6, bare.text)
    no_key = bare.world.saturn.type(bare.words(), {topology: "y\n", key: "n\n"})
    assert (no_key.exit_code, bare.world.known_hosts.read_text()) == (6, bare.keys)
    no_steps = bare.world.saturn.type(bare.words(), {key: "y\n", steps: "n\n"})
    assert (no_steps.exit_code, bare.is_as_it_was()) == (6, True)
    assert "usermod --append --groups docker deploy" in no_steps.out, "the commands themselves were shown"
    answers = {steps: "y\n", "Plan the first deploy of vps now?": "y\n", "Deploy vps?": "y\n"}
    done = bare.world.saturn.type(bare.words(), answers)

    assert (done.exit_code, "1 host: 1 changed" in done.out) == (0, True)


def test_yes_is_no_consent_to_a_key_that_nobody_saw(bare: Bare) -> None:
    said = bare.world.saturn.run(*bare.words("--yes"))

    assert (said.exit_code, bare.world.known_hosts.read_text(), bare.is_as_it_was()) == (2, bare.keys, True)
    assert "error[no_terminal]" in said.err


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(
    "program, real",
    [("groupadd", "/usr/sbin/groupadd"), ("usermod", "/usr/sbin/usermod"), ("install", "/usr/bin/install")],
)
def test_a_line_that_breaks_at_any_step_is_gone_on_from(bare: Bare, program: str, real: str, moment: str) -> None:
    cuts = {"before": "", "after": "", moment: "cut"}
    bare.put_before(program, CUT.format(real=real, **cuts))

    broken = bare.world.saturn.run(*bare.words(*bare.certain))
    again = bare.world.saturn.run("onboard", "vps", "--yes")

    assert broken.exit_code == 1, broken.err
    assert "error[session_lost]" in broken.err
    assert "help: saturn onboard vps" in broken.err
    assert again.exit_code == 0, again.err
    assert set(bare.world.containers("vps")) >= {"proxy-proxy-1", "site-site-1"}
    assert bare.file.read_text().count("  vps:\n") == 1


def test_a_host_that_loses_its_power_in_between_is_gone_on_with(bare: Bare) -> None:
    bare.host.power_off()
    away = bare.world.saturn.run(*bare.words("--yes"))
    bare.host.power_on()

    said = bare.world.saturn.run(*bare.words(*bare.certain))

    assert (away.exit_code, said.exit_code) == (3, 0), away.err + said.err


def test_a_step_that_fails_is_named_with_its_last_lines_and_the_command_to_go_on(bare: Bare) -> None:
    bare.put_before("usermod", "#!/bin/sh\necho 'usermod: the disk is on fire' >&2\nexit 12\n")

    failed = bare.world.saturn.run(*bare.words(*bare.certain))
    bare.root("rm", "/usr/local/sbin/usermod")
    again = bare.world.saturn.run("onboard", "vps", "--yes")

    assert failed.exit_code == 1
    assert "error[step_failed]: docker-group failed on vps, with exit status 12" in failed.err
    assert "the disk is on fire" in failed.err
    assert "go on: saturn onboard vps" in failed.err
    assert again.exit_code == 0, again.err


def test_without_install_a_missing_tool_is_named_with_the_command_to_type(bare: Bare) -> None:
    bare.host.hide_program("git")

    said = bare.world.saturn.run(*bare.words(*bare.certain))

    assert (said.exit_code, bare.is_as_it_was()) == (1, True)
    assert "git is missing [tool_missing]" in said.err
    assert "sudo apt-get -o DPkg::Lock::Timeout=300 -y install --no-install-recommends git" in said.err
    assert "saturn onboard vps" in said.out


def test_with_install_the_package_manager_is_called_and_the_deploy_follows(bare: Bare) -> None:
    bare.host.hide_program("git")
    bare.put_before("apt-get", FAKE_APT)

    said = bare.world.saturn.run(*bare.words("--install", *bare.certain))

    assert said.exit_code == 0, said.err
    called = [line.split()[3:] for line in bare.root("cat", "/tmp/apt.log").splitlines()]
    assert called == [["update"], ["install", "--no-install-recommends", "git"]]
    assert set(bare.world.containers("vps")) >= {"proxy-proxy-1"}


def test_sudo_that_asks_for_a_password_is_told_with_what_a_person_must_type(bare: Bare) -> None:
    bare.host.write("/etc/sudoers.d/deploy", "deploy ALL=(ALL) ALL\n", owner="root", mode=0o440)

    said = bare.world.saturn.run(*bare.words(*bare.certain))

    assert (said.exit_code, bare.is_as_it_was()) == (1, True)
    assert "sudo asks deploy for a password" in said.err
    assert "      sudo usermod --append --groups docker deploy" in said.err
    assert "      sudo install -d -o deploy -g deploy -m 0755 /opt/homelab" in said.err


def test_an_executor_that_becomes_root_needs_no_group(bare: Bare) -> None:
    bare.world.homelab.write("hosts/vps/host.yaml", "become: true\n")

    said = bare.world.saturn.run(*bare.words(*bare.certain))

    assert said.exit_code == 0, said.err
    assert "docker" not in bare.root("id", "-nG", "deploy").split()
    assert "Plan: 2 steps, as root through sudo." in said.err
    assert set(bare.world.containers("vps")) >= {"proxy-proxy-1"}


def test_an_option_that_the_topology_contradicts_is_an_error(bare: Bare) -> None:
    said = bare.world.saturn.run("onboard", "chelsty", "--address", "10.9.9.9", "--yes")

    assert (said.exit_code, bare.file.read_text()) == (2, bare.text)
    assert "error[host_known]" in said.err


def test_a_topology_that_would_be_wrong_is_not_written(bare: Bare) -> None:
    said = bare.world.saturn.run("onboard", "vps", "--services", "absent", "--yes")

    assert (said.exit_code, bare.file.read_text()) == (2, bare.text)
    assert "unknown service absent" in said.err


def test_a_starter_of_its_own_file_comes_along_and_an_own_one_stays(bare: Bare) -> None:
    own = bare.world.homelab.folder / "hosts" / "vps" / "host.yaml"
    said = bare.world.saturn.run(*bare.words("--json", *bare.certain))
    assert said.exit_code == 0, said.err
    assert own.read_text().startswith("# What is true of vps alone.")
    bare.file.write_text(bare.text)
    own.write_text("tags: [mine]\n")

    again = bare.world.saturn.run(*bare.words("--yes", "--json"))

    assert (again.exit_code, own.read_text()) == (0, "tags: [mine]\n"), again.err
    assert [Path(name).name for name in again.document["files"]] == ["topology.yaml"]
