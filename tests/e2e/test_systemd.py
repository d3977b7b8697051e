"""A worker as a unit of a real systemd: the manager of a user who lingers, in a namespace of its own."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from saturn_node import launch
from support.fleet import Fleet

UID = 12345
BOOT = """
set -e
cd "$FOLDER"
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system /run/user/$UID
chown $UID:$UID /run/user/$UID
grep -v ":$UID:" /etc/passwd > "$FOLDER/passwd"
echo "lingerer:x:$UID:$UID::$FOLDER:/bin/sh" >> "$FOLDER/passwd"
mount --bind "$FOLDER/passwd" /etc/passwd
mkdir -p /var/lib/systemd
mount -t tmpfs tmpfs /var/lib/systemd
mkdir -p /var/lib/systemd/linger
touch /var/lib/systemd/linger/lingerer
group=/sys/fs/cgroup
if [ ! -f $group/cgroup.controllers ]; then
  mount -t tmpfs tmpfs /sys/fs/cgroup
  group=/sys/fs/cgroup/systemd
  mkdir $group
  mount -t cgroup -o none,name=systemd cgroup $group
fi
mkdir -p $group/saturn-test
chown -R $UID:$UID $group/saturn-test
echo $$ > $group/saturn-test/cgroup.procs
export XDG_RUNTIME_DIR=/run/user/$UID HOME=$FOLDER
alias as="setpriv --reuid $UID --regid $UID --clear-groups"
as /usr/lib/systemd/systemd --user > "$FOLDER/systemd.log" 2>&1 &
manager=$!
trap "kill -KILL $manager" EXIT
for _ in $(seq 100); do [ -S /run/user/$UID/systemd/private ] && break; sleep 0.1; done
echo up
read line
as env SECRET=s3cret "$PYTHON" launcher.py "$FOLDER/worker.log" "$PYTHON" "$FOLDER/worker.py" "$FOLDER/said"
for _ in $(seq 100); do [ -e "$FOLDER/said" ] && break; sleep 0.1; done
as systemctl --user list-units --no-legend 'saturn-*' > "$FOLDER/units"
as systemctl --user stop 'saturn-*'
"""
LAUNCHER = """
import sys
from saturn_node import launch
job = launch.Job(tuple(sys.argv[2:]), lambda way: 1, ("saturn-node", "worker", "r1"))
print(launch.start(job, sys.argv[1], "saturn-20261123T161002Z-7f3a"), flush=True)
"""
WORKER = """
import json, os, sys, time
cgroup = open("/proc/self/cgroup").read()
said = {"argv": sys.argv[2:], "cgroup": cgroup, "env": dict(os.environ)}
with open(sys.argv[1] + ".tmp", "w") as file:
    json.dump(said, file)
os.rename(sys.argv[1] + ".tmp", sys.argv[1])
time.sleep(30)
"""


@pytest.fixture
def said(fleet: Fleet, tmp_path: Path) -> tuple[str, dict[str, object], str]:
    """What the launcher printed, what its worker found, and the units while it ran."""
    assert fleet  # for what it requires of this machine
    shutil.copytree(Path(launch.__file__).parent, tmp_path / "saturn_node")  # where the user may read it
    (tmp_path / "launcher.py").write_text(LAUNCHER)
    (tmp_path / "worker.py").write_text(WORKER)
    os.chown(tmp_path, UID, UID)
    for parent in tmp_path.parents[:3]:
        parent.chmod(0o755)
    environ = {
        "PATH": os.environ["PATH"], "UID": str(UID), "FOLDER": str(tmp_path), "PYTHON": "/usr/bin/python3",
        "PYTHONPATH": str(tmp_path),
    }  # fmt: skip
    script = BOOT.replace("$UID", str(UID))
    done = subprocess.run(
        ("unshare", "--mount", "--propagation", "private", "sh", "-c", script),
        env=environ, input="\n", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + (tmp_path / "systemd.log").read_text()
    return done.stdout, json.loads((tmp_path / "said").read_text()), (tmp_path / "units").read_text()


def test_a_lingering_users_worker_is_a_unit_of_its_own(said: tuple[str, dict[str, object], str]) -> None:
    printed, worker, units = said

    assert printed == "up\nsystemd-user\n"
    assert worker["argv"] == ["--launch", "systemd-user"]
    assert "saturn-20261123T161002Z-7f3a.service" in str(worker["cgroup"])
    assert "SECRET" not in worker["env"]
    assert "saturn-20261123T161002Z-7f3a.service" in units
