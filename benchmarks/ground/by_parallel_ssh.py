"""One `run_command` a step, on all hosts at once. `by_parallel_ssh.py ORDERS`, which homelab.py writes."""

import json
import sys
from pathlib import Path

from pssh.clients import ParallelSSHClient

orders = json.loads(Path(sys.argv[1]).read_text())
hosts = orders["hosts"]
client = ParallelSSHClient(
    [host["address"] for host in hosts], user=orders["user"], port=hosts[0]["port"], pkey=orders["identity"],
    pool_size=len(hosts),
)  # fmt: skip
for steps in zip(*(host["steps"] for host in hosts), strict=True):
    output = client.run_command("%s", host_args=[(step,) for step in steps])
    client.join(output)
    for each in output:
        if each.exit_code:
            sys.exit(f"{each.host}: {' '.join(each.stderr or ())}")
