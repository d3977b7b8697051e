"""What the fleet promises to the other end-to-end tests: real SSH, Docker and git, and faults that do what they say."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.fleet import Fleet, FleetError, FleetHost
from support.fleet.bullseye import interpreters
from support.fleet.process import Completed, run

COMPOSE_FILE = """\
services:
  web:
    image: saturn-test/busybox:1
    command: [httpd, -f, -p, "8080"]
    init: true
    ports: ["8080:8080"]
"""


def login(fleet: Fleet, host: FleetHost, *argv: str, option: str = "LogLevel=INFO") -> Completed:
    ssh, *options = fleet.ssh(f"deploy@{host.address}")
    # Of two settings ssh takes the first.
    return run((ssh, "-o", option, *options, *argv), check=False)


@contextmanager
def long_session(fleet: Fleet, host: FleetHost) -> Iterator[subprocess.Popen[str]]:
    """A login that has printed `here` and goes on for as long as the connection lasts."""
    argv = fleet.ssh(f"deploy@{host.address}", "echo here; exec cat")
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == "here\n"
        yield session
        session.kill()


def new_repository(folder: Path) -> Path:
    run(("git", "init", "--quiet", "--initial-branch=main", str(folder)))
    (folder / "README").write_text("homelab\n")
    run(("git", "-C", str(folder), "add", "--all"))
    author = ("-c", "user.name=person", "-c", "user.email=person@example.org")
    run(("git", "-C", str(folder), *author, "commit", "--quiet", "-m", "Start"))
    return folder


def test_login_by_plain_ssh_is_the_deploy_user_with_strict_host_keys(hosts: Fleet) -> None:
    done = login(hosts, hosts.host("chelsty"), "id -un; hostname; sudo -n id -un; pwd")
    assert (done.returncode, done.stdout) == (0, "deploy\nchelsty\nroot\n/home/deploy\n")


def test_login_without_a_known_host_key_is_refused(hosts: Fleet, tmp_path: Path) -> None:
    done = login(hosts, hosts.host("chelsty"), "true", option=f"UserKnownHostsFile={tmp_path / 'empty'}")
    assert (done.returncode, "Host key verification failed" in done.stderr) == (255, True)


def test_host_sees_nothing_of_the_machine(hosts: Fleet) -> None:
    machine_only = Path("/var/tmp") / "saturn-only-on-the-machine"
    machine_only.write_text("")
    try:
        listed = hosts.host("vps").exec("sh", "-c", "ls -A /root/.bashrc /var/tmp /home /opt", user="root", check=False)
        assert "saturn-only" not in listed.stdout
        assert "homelab" in listed.stdout
    finally:
        machine_only.unlink()


def test_host_has_its_own_processes_and_debians_python(hosts: Fleet) -> None:
    found = login(hosts, hosts.host("vps"), "cat /proc/1/comm; command -v python3").stdout
    assert found == "python3\n/usr/bin/python3\n"


def test_exec_feeds_stdin_and_reports_the_exit_status(hosts: Fleet) -> None:
    done = hosts.host("vps").exec("sh", "-c", "cat; exit 7", stdin="words", check=False)
    assert (done.returncode, done.stdout) == (7, "words")


def test_exec_with_check_raises_with_what_was_printed(hosts: Fleet) -> None:
    with pytest.raises(FleetError, match=r"exited 3: broken"):
        hosts.host("vps").exec("sh", "-c", "echo broken >&2; exit 3")


def test_write_makes_a_file_of_its_owner_that_read_returns(hosts: Fleet) -> None:
    vps = hosts.host("vps")
    vps.write("/opt/homelab/config/web/.env", "KEY=value\n", mode=0o600)
    found = vps.exec("stat", "--format", "%U %a", "/opt/homelab/config/web/.env").stdout
    assert (found, vps.read("/opt/homelab/config/web/.env")) == ("deploy 600\n", "KEY=value\n")
    assert vps.path("/opt/homelab/config/web/.env").read_text() == "KEY=value\n"


def test_the_two_images_differ_and_run(hosts: Fleet) -> None:
    solaria = hosts.host("solaria")
    ids = {solaria.exec("docker", "images", "-q", f"saturn-test/busybox:{tag}").stdout for tag in (1, 2)}
    assert len(ids) == 2
    assert solaria.exec("docker", "run", "--rm", "saturn-test/busybox:2", "echo", "out").stdout == "out\n"


def test_compose_brings_a_service_up_that_answers_on_the_network(hosts: Fleet) -> None:
    chelsty = hosts.host("chelsty")
    chelsty.write("/opt/homelab/web/compose.yaml", COMPOSE_FILE)
    chelsty.exec("docker", "compose", "--project-directory", "/opt/homelab/web", "up", "--detach", "--wait")
    assert [(container["Names"], container["State"]) for container in chelsty.containers()] == [
        ("web-web-1", "running")
    ]
    answer = hosts.host("vps").exec("busybox", "wget", "-O-", f"http://{chelsty.address}:8080/", check=False)
    assert "404 Not Found" in answer.stderr


def test_a_push_to_the_forge_can_be_cloned_from_a_host(hosts: Fleet, tmp_path: Path) -> None:
    commit = hosts.push(new_repository(tmp_path / "homelab"))
    vps = hosts.host("vps")
    vps.exec("git", "clone", "--quiet", hosts.forge.url, "/opt/homelab/repo")
    assert vps.exec("git", "-C", "/opt/homelab/repo", "rev-parse", "HEAD").stdout == f"{commit}\n"
    by_name = vps.exec("git", "ls-remote", "ssh://git@forge/srv/git/homelab.git", "HEAD").stdout
    assert by_name == f"{commit}\tHEAD\n"


def test_power_off_leaves_a_session_without_an_end_and_power_on_keeps_the_disk(hosts: Fleet) -> None:
    vps = hosts.host("vps")
    vps.write("/opt/homelab/kept", "kept")
    with long_session(hosts, vps) as session:
        vps.power_off()
        # A FIN or RST would end ssh at once; only its own ServerAlive limit of 6 s may.
        with pytest.raises(subprocess.TimeoutExpired):
            session.wait(timeout=1)
    assert not vps.is_on
    with pytest.raises(FleetError, match="vps is powered off"):
        vps.exec("true")
    vps.power_on()
    assert (vps.read("/opt/homelab/kept"), login(hosts, vps, "true").returncode) == ("kept", 0)


def test_cut_network_delays_a_session_and_heal_network_delivers(hosts: Fleet) -> None:
    vps = hosts.host("vps")
    with long_session(hosts, vps) as session:
        assert session.stdin is not None
        assert session.stdout is not None
        vps.cut_network()
        session.stdin.write("late\n")
        session.stdin.flush()
        assert login(hosts, vps, "true", option="ConnectTimeout=1").returncode == 255
        vps.heal_network()
        assert session.stdout.readline() == "late\n"


def test_refuse_ssh_refuses_new_sessions_and_lets_old_ones_live(hosts: Fleet) -> None:
    vps = hosts.host("vps")
    with long_session(hosts, vps) as session:
        assert session.stdin is not None
        assert session.stdout is not None
        vps.refuse_ssh()
        assert "Connection refused" in login(hosts, vps, "true").stderr
        session.stdin.write("alive\n")
        session.stdin.flush()
        assert session.stdout.readline() == "alive\n"
    vps.allow_ssh()
    assert login(hosts, vps, "true").returncode == 0


def test_rekey_is_noticed_by_the_client_and_returns_the_new_line(hosts: Fleet, tmp_path: Path) -> None:
    vps = hosts.host("vps")
    first = vps.known_hosts_line()
    renewed = tmp_path / "known_hosts"
    renewed.write_text(vps.rekey() + "\n")
    assert "IDENTIFICATION HAS CHANGED" in login(hosts, vps, "true").stderr
    assert login(hosts, vps, "true", option=f"UserKnownHostsFile={renewed}").returncode == 0
    vps.heal()
    assert vps.known_hosts_line() == first


def test_deny_key_ends_in_permission_denied(hosts: Fleet) -> None:
    vps = hosts.host("vps")
    vps.deny_key()
    assert "Permission denied (publickey)" in login(hosts, vps, "true").stderr
    vps.allow_key()
    assert login(hosts, vps, "true").returncode == 0


@pytest.mark.parametrize(
    "name, argv, status",
    [
        ("python3", ("python3", "--version"), 127),
        ("git", ("git", "--version"), 127),
        ("docker", ("docker", "--version"), 127),
        # Without its plugin, docker itself complains about an unknown command.
        ("docker-compose", ("docker", "compose", "version"), 1),
    ],
)
def test_hide_program_makes_it_unknown_and_restore_brings_it_back(
    hosts: Fleet, name: str, argv: tuple[str, ...], status: int
) -> None:
    vps = hosts.host("vps")
    vps.hide_program(name)
    assert login(hosts, vps, *argv).returncode == status
    assert vps.exec(*argv, check=False).returncode == status
    vps.restore_program(name)
    assert login(hosts, vps, *argv).returncode == 0


def test_replace_python_answers_with_the_older_version(hosts: Fleet) -> None:
    vps = hosts.host("vps")
    older = interpreters()[0]
    before = vps.exec("python3", "--version").stdout
    vps.replace_python(older.parents[1])
    expected = run((str(older), "--version")).stdout
    assert (login(hosts, vps, "python3", "--version").stdout, expected != before) == (expected, True)
    vps.restore_python()
    assert vps.exec("python3", "--version").stdout == before


def test_fill_disk_leaves_no_space_and_free_disk_gives_it_back(hosts: Fleet) -> None:
    vps = hosts.host("vps")
    vps.fill_disk()
    full = vps.exec("dd", "if=/dev/zero", "of=/opt/homelab/file", "bs=64K", "count=1", check=False)
    assert "No space left on device" in full.stderr
    vps.free_disk()
    assert vps.exec("dd", "if=/dev/zero", "of=/opt/homelab/file", "bs=64K", "count=1").returncode == 0


def test_stop_docker_leaves_the_client_without_a_daemon(hosts: Fleet) -> None:
    vps = hosts.host("vps")
    vps.stop_docker()
    assert "Cannot connect to the Docker daemon" in vps.exec("docker", "ps", check=False).stderr
    vps.start_docker()
    assert vps.exec("docker", "ps").returncode == 0


def leave_a_container(host: FleetHost) -> None:
    host.exec("docker", "run", "--detach", "--restart=always", "saturn-test/busybox:1", "sleep", "1000")


def leave_a_worker(host: FleetHost) -> None:
    host.exec("sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 </dev/null &")


@pytest.mark.parametrize(
    "spoil",
    [
        leave_a_container,
        leave_a_worker,
        FleetHost.power_off,
        FleetHost.cut_network,
        FleetHost.rekey,
        FleetHost.deny_key,
        FleetHost.fill_disk,
        FleetHost.stop_docker,
        lambda host: host.hide_program("python3"),
        lambda host: (host.hide_program("docker"), host.power_off(), host.power_on()),
        lambda host: host.write("/opt/homelab/state/lock", "1"),
    ],
)
def test_reset_brings_a_spoilt_host_back(hosts: Fleet, spoil: Callable[[FleetHost], object]) -> None:
    vps = hosts.host("vps")
    spoil(vps)
    vps.reset()
    assert vps.containers() == []
    assert vps.exec("sh", "-c", "ls -A /opt/homelab; pgrep -x sleep", check=False).stdout == ""
    assert login(hosts, vps, "python3", "--version").returncode == 0
