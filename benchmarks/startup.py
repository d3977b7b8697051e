"""Start-up: `saturn --help` against `python -c "import click"`, interleaved, medians and their ratio.

Target: at most 2.5 times. Printed, never asserted: machines are noisy, a ratio of one run is what can be compared.
"""

import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 15
BESIDE = Path(sys.executable).with_name("saturn")
SATURN = str(BESIDE) if BESIDE.exists() else shutil.which("saturn") or "saturn"
COMMANDS = {
    "python -I -c pass": (sys.executable, "-I", "-c", "pass"),
    'python -c "import click"': (sys.executable, "-c", "import click"),
    "saturn --help": (SATURN, "--help"),
}


def seconds(argv: tuple[str, ...]) -> float:
    began = time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    for argv in COMMANDS.values():
        seconds(argv)  # warm the caches
    taken = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, argv in COMMANDS.items():
            taken[name].append(seconds(argv))
    median = {name: statistics.median(each) for name, each in taken.items()}
    print(f"start-up, median of {ROUNDS} interleaved rounds")
    for name, value in median.items():
        low, high = min(taken[name]) * 1000, max(taken[name]) * 1000
        print(f"  {name:<26} {value * 1000:7.1f} ms  (min {low:.1f}, max {high:.1f})")
    ratio = median["saturn --help"] / median['python -c "import click"']
    print(f"  saturn --help / import click = {ratio:.2f}  (target: at most 2.5)")


if __name__ == "__main__":
    main()
