"""One fact of every host: a whole command, against what else asks many machines something. Width, and round trips.

`saturn status` logs in, starts the executor, and learns revision, services, containers, lock, disk and versions. The
peers run `true`. So saturn does more; what it is compared by is the time until a person knows.
"""

from __future__ import annotations

import sys

from ground import HERE, SATURN, Ground, Row, Sample, ground, kept, line, measured, peers, table, warmed

WIDTHS = (1, 10, 50)
ROUND_TRIPS_S = (0.0, 0.2, 0.6)
TUNED = "-o KexAlgorithms=curve25519-sha256 -c aes128-gcm@openssh.com"


def rows(where: Ground, places: list[tuple[str, int]], name: str) -> list[Row]:
    """Every competitor, asking these places."""
    where.known(places)
    lab = where.topology(places, name)
    options = f"-F none -i {where.identity} -o UserKnownHostsFile={where.known_hosts} -o StrictHostKeyChecking=yes"
    (lab / "ansible.ini").write_text(ansible_inventory(places, options))
    (lab / "pyinfra.py").write_text(f"hosts = {pyinfra_hosts(where, places)!r}\n")
    ssh = f"ssh {options} {TUNED}"
    (lab / "every").write_text("".join(f"{ssh} -p {port} root@{address} true\n" for address, port in places))
    folder, wide = peers(), str(len(places))
    home = {"HOME": str(where.folder / "home"), "XDG_STATE_HOME": str(where.folder / "state")}
    # Without ssh_args of ours Ansible would keep its connections for the next round; saturn makes each anew.
    quick = {**home, "ANSIBLE_PIPELINING": "1", "ANSIBLE_SSH_ARGS": "-o ControlMaster=no"}
    warmed((SATURN, "prefetch", "--all"), lab, home)
    bare = (str(HERE / "bare.py"), str(where.identity), str(where.known_hosts))
    ansible = (str(folder / "ansible"), "all", "-i", "ansible.ini", "-f", wide, "-m", "command", "-a", "true")
    return [
        Row("saturn status", (SATURN, "status", "--all", "--json"), lab, home),
        Row("asyncssh, bare", (sys.executable, *bare, *(f"{at}:{port}" for at, port in places)), lab, home),
        Row("ssh, tuned, under xargs", ("sh", "-c", f"xargs -P {wide} -I CMD sh -c CMD < every"), lab, home),
        Row("pyinfra exec", (str(folder / "pyinfra"), "-y", "pyinfra.py", "exec", "--", "true"), lab, home),
        Row("ansible -m command", ansible, lab, quick),
    ]


def ansible_inventory(places: list[tuple[str, int]], options: str) -> str:
    """For Ansible, each connection made anew as saturn's are."""
    hosts = [f"h{number} ansible_host={address} ansible_port={port}" for number, (address, port) in enumerate(places)]
    common = f"ansible_ssh_common_args='{options}'"
    return "\n".join(("[all]", *hosts, "[all:vars]", common, "ansible_python_interpreter=/usr/bin/python3", ""))


def pyinfra_hosts(where: Ground, places: list[tuple[str, int]]) -> list[tuple[str, dict[str, object]]]:
    """For pyinfra."""
    common = {"ssh_user": "root", "ssh_key": str(where.identity), "ssh_known_hosts_file": str(where.known_hosts)}
    return [
        (f"h{number}", {"ssh_hostname": address, "ssh_port": port, **common})
        for number, (address, port) in enumerate(places)
    ]


def width(where: Ground) -> None:
    """How the time grows with the number of hosts."""
    found: dict[int, dict[str, Sample]] = {}
    for hosts in WIDTHS:
        places = [(f"127.0.10.{number + 1}", where.port) for number in range(hosts)]
        found[hosts] = measured(rows(where, places, f"width{hosts}"))
    names = list(found[WIDTHS[0]])
    cells = [
        [name, *(found[hosts][name].words for hosts in WIDTHS), *_ratios(found[WIDTHS[-1]], name)] for name in names
    ]
    titles = ["seconds", *(f"{hosts} hosts" for hosts in WIDTHS), f"saturn is, at {WIDTHS[-1]}", "CPU here and there"]
    kept("width", table(titles, cells), {hosts: {n: s.wall for n, s in each.items()} for hosts, each in found.items()})


def _ratios(found: dict[str, Sample], name: str) -> tuple[str, str]:
    times = found["saturn status"].median / found[name].median
    return f"{times:.2f} times", f"{sum(found[name].cpu) / len(found[name].cpu):.2f}"


def latency(where: Ground) -> None:
    """How the time of one host grows with the round trip; the growth is the number of round trips."""
    found: dict[float, dict[str, Sample]] = {}
    for seconds in ROUND_TRIPS_S:
        with line(where.port, seconds) as port:
            found[seconds] = measured(rows(where, [("127.0.10.1", port)], f"latency{int(seconds * 1000)}"))
    first, last = ROUND_TRIPS_S[0], ROUND_TRIPS_S[-1]
    cells = []
    for name in found[first]:
        trips = (found[last][name].median - found[first][name].median) / (last - first)
        cells.append([name, *(found[each][name].words for each in ROUND_TRIPS_S), f"{trips:.1f}"])
    titles = ["seconds", *(f"{int(each * 1000)} ms" for each in ROUND_TRIPS_S), "round trips"]
    kept("latency", table(titles, cells), {str(k): {n: s.wall for n, s in each.items()} for k, each in found.items()})


if __name__ == "__main__":
    with ground() as here:
        latency(here)
        width(here)
