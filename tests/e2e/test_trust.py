"""A host key is accepted by a person who saw it, or who named its fingerprint, and by nobody else."""

import pytest
from support.world import World

FILE = (
    "# mine, and nobody else's\n\n@revoked elsewhere ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==\n"
    "|1|c2FsdA==|aGFzaA== ssh-rsa AAAA  # hashed"
)


@pytest.fixture
def stranger(world: World) -> World:
    """A world in which no key of vps is known; the other lines are odd ones."""
    world.known_hosts.write_text(FILE)
    return world


def fingerprint(world: World, host: str = "vps") -> str:
    """As the host's own console tells it."""
    told = world.fleet.host(host).exec("ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key", user="root").stdout
    return next(word for word in told.split() if word.startswith("SHA256:"))


def line(world: World, host: str = "vps", port: int = 0) -> str:
    """The entry that is expected."""
    address, key = world.fleet.host(host).known_hosts_line().split(" ", 1)
    return f"[{address}]:{port} {key}" if port else f"{address} {key}"


def test_a_new_key_is_shown_asked_about_and_pinned_and_then_the_host_is_known(stranger: World) -> None:
    said = stranger.saturn.type(("trust", "vps"), {"Is this the key of vps? [y]es / [N]o: ": "y\n"})

    assert (said.exit_code, fingerprint(stranger) in said.out, "pinned the key of vps" in said.out) == (0, True, True)
    assert stranger.known_hosts.read_text() == f"{FILE}\n{line(stranger)}\n"
    assert stranger.saturn.run("status", "--hosts", "vps").exit_code == 0


def test_a_second_time_needs_nobody_and_writes_nothing(stranger: World) -> None:
    stranger.saturn.run("trust", "vps", "--fingerprint", fingerprint(stranger))
    before = stranger.known_hosts.stat()

    said = stranger.saturn.run("trust", "vps", "--json")

    assert (said.exit_code, said.document["standing"], said.document["outcome"]) == (0, "pinned", "unchanged")
    assert stranger.known_hosts.stat().st_mtime_ns == before.st_mtime_ns
    assert stranger.known_hosts.stat().st_ino == before.st_ino


@pytest.mark.parametrize("answer", ["n\n", "\n", "perhaps\n"])
def test_what_is_declined_writes_nothing(stranger: World, answer: str) -> None:
    said = stranger.saturn.type(("trust", "vps"), {"[y]es / [N]o: ": answer})

    assert (said.exit_code, stranger.known_hosts.read_text()) == (6, FILE)


def test_nobody_to_ask_is_no_consent(stranger: World) -> None:
    said = stranger.saturn.run("trust", "vps")

    assert (said.exit_code, stranger.known_hosts.read_text()) == (2, FILE)
    assert "error[no_terminal]" in said.err
    assert "--fingerprint" in said.err


def test_a_key_that_changed_is_shown_beside_the_old_and_takes_the_whole_word(world: World) -> None:
    before, old = world.known_hosts.read_text(), fingerprint(world)
    old_line = line(world)
    world.fleet.host("vps").rekey()
    new = fingerprint(world)

    half = world.saturn.type(("trust", "vps"), {"[N]o: ": "y\n"})
    untouched = world.known_hosts.read_text()
    whole = world.saturn.type(("trust", "vps"), {"[N]o: ": "yes\n"})

    assert (half.exit_code, untouched) == (6, before)
    assert all(each in whole.out for each in (old, new, "HAS CHANGED", "replaced the key of vps"))
    assert (whole.exit_code, world.known_hosts.read_text()) == (0, before.replace(old_line, line(world)))
    assert world.saturn.run("status", "--hosts", "vps").exit_code == 0


def test_another_fingerprint_than_the_one_named_is_an_error_and_nothing_is_written(stranger: World) -> None:
    said = stranger.saturn.run("trust", "vps", "--fingerprint", fingerprint(stranger, "solaria"))

    assert (said.exit_code, stranger.known_hosts.read_text()) == (1, FILE)
    assert "error[fingerprint_not_offered]" in said.err


def test_a_port_is_part_of_the_entry_and_the_key_of_the_usual_port_stays(stranger: World) -> None:
    host = stranger.fleet.host("vps")
    host.exec("/usr/sbin/sshd", "-o", "Port=2222", "-o", "PidFile=/run/sshd-2222.pid", user="root")
    before = f"{host.address} {stranger.fleet.host('solaria').known_hosts_line().split(' ', 1)[1]}\n"
    stranger.known_hosts.write_text(before)
    stranger.homelab.set_host("vps", ssh={"port": 2222})
    stranger.push("another port")

    said = stranger.saturn.run("trust", "vps", "--fingerprint", fingerprint(stranger), "--json")
    reached = stranger.saturn.run("status", "--hosts", "vps")
    host.exec("sh", "-c", "kill $(cat /run/sshd-2222.pid)", user="root")

    assert (said.exit_code, said.document["outcome"]) == (0, "replaced")
    assert stranger.known_hosts.read_text() == before + line(stranger, port=2222) + "\n"
    assert reached.exit_code == 0, reached.err


def test_a_revoked_key_is_never_accepted(stranger: World) -> None:
    text = f"@revoked {line(stranger)}\n"
    stranger.known_hosts.write_text(text)

    said = stranger.saturn.run("trust", "vps", "--fingerprint", fingerprint(stranger))

    assert (said.exit_code, stranger.known_hosts.read_text()) == (1, text), said.err
    assert "error[host_key_revoked]" in said.err
