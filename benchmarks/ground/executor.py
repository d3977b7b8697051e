"""The job of one host, done plainly: `python3 - ROOT SERVICE ...`. No plan, no lock, no journal, no second life."""

import subprocess
import sys

root, *services = sys.argv[1:]


def run(*argv, cwd=None):
    done = subprocess.run(argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(argv)}: {done.stdout}")
    return done.stdout


run("git", "-C", root + "/repo", "fetch", "-q", "origin")
run("git", "-C", root + "/repo", "reset", "-q", "--hard", "origin/main")
print("fetched", flush=True)
for each in services:
    folder = f"{root}/repo/services/{each}"
    run(root + "/docker", "compose", "-p", each, "-f", "docker-compose.yml", "up", "-d", cwd=folder)
    print("up", each, flush=True)
for each in services:
    label = "label=com.docker.compose.project=" + each
    if not run(root + "/docker", "ps", "--quiet", "--filter", "health=healthy", "--filter", label).strip():
        sys.exit(each + " is not well")
    print("well", each, flush=True)
