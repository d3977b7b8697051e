"""The contract between the executor and docker, asked of a real Docker Engine with Compose v2 on a fleet host."""

import os
import subprocess
import sys
from pathlib import Path

from support.fleet import Fleet
from support.fleet.cache import PLUGIN, compose_plugin

CONTRACT = Path(__file__).parents[1] / "contract" / "test_docker_contract.py"


def test_real_docker_keeps_the_contract_of_the_simulated_one(hosts: Fleet, tmp_path: Path) -> None:
    hosts.host("chelsty").exec("docker", "tag", "saturn-test/busybox:1", "saturn-contract:1", user="root")
    plugin = compose_plugin()
    assert plugin
    (tmp_path / "cli-plugins").mkdir()
    (tmp_path / "cli-plugins" / PLUGIN).symlink_to(plugin)
    # Not /var/run: it is an absolute link, which seen from outside the host leads out of it.
    socket = hosts.host("chelsty").path("/run/docker.sock")
    environ = {**os.environ, "SATURN_TEST_DOCKER": f"unix://{socket}", "DOCKER_CONFIG": str(tmp_path)}

    done = subprocess.run(
        (sys.executable, "-m", "pytest", "-q", CONTRACT, "-k", "real", "-p", "no:cacheprovider"),
        cwd=CONTRACT.parents[2],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-4000:]
    assert "skipped" not in done.stdout
