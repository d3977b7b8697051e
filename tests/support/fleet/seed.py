"""The disk every host starts from: users, sshd's configuration, the Compose plugin and two images, prepared once.

Kept in the cache under a digest of all that goes into it. What differs from host to host is not here but in `fleet`.
"""

import hashlib
import io
import shutil
import tarfile
import tempfile
from pathlib import Path

from support.fleet import leftovers, service
from support.fleet.cache import PLUGIN, PLUGIN_FOLDERS, compose_plugin, fleet_cache
from support.fleet.machine import BOOT, Machine, blank_disk
from support.fleet.process import FleetError, run

IMAGES = ("saturn-test/busybox:1", "saturn-test/busybox:2")
REPOSITORY = "/srv/git/homelab.git"
PLUGINS = " ".join(str(folder / PLUGIN) for folder in PLUGIN_FOLDERS)
# The machine's own accounts of these names, and its own Compose of either version, make way for the host's.
SET_UP = f"""
set -eu
for name in deploy git; do userdel --force $name 2>/dev/null || true; done
groupadd --force docker
groupadd --force sudo
useradd --create-home --shell /bin/bash --password '*' --user-group --groups docker,sudo deploy
useradd --create-home --shell "$(command -v git-shell)" --password '*' --user-group git
rm -f /etc/resolv.conf /etc/gitconfig /usr/bin/docker-compose {PLUGINS}
# Nobody answers there: a name that is not in /etc/hosts is refused at once.
echo 'nameserver 127.0.0.1' > /etc/resolv.conf
echo 'deploy ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/deploy
chmod 440 /etc/sudoers.d/deploy
install -d -o deploy -g deploy /opt/homelab
install -d -o git -g git {REPOSITORY}
setpriv --reuid=git --regid=git --init-groups --reset-env git init --quiet --bare --initial-branch=main {REPOSITORY}
"""


def prepared_seed() -> Path:
    """Return the seed image for this machine, made now (about five seconds) when the cache has none."""
    plugin = compose_plugin()
    if plugin is None:
        raise FleetError("there is no Compose v2 plugin; run `sudo make test`, which fetches it")
    seed = fleet_cache() / f"seed-{_digest(plugin)}.img"
    if not seed.exists():
        fleet_cache().mkdir(parents=True, exist_ok=True)
        for outdated in fleet_cache().glob("seed-*.img"):
            outdated.unlink()
        _make(plugin, seed)
    return seed


def _digest(plugin: Path) -> str:
    """Return a short digest of all a seed is made from: the recipe, the machine's accounts, Docker and Compose."""
    digest = hashlib.sha256()
    for source in (
        Path(__file__),
        BOOT,
        Path(service.__file__),
        Path("/etc/passwd"),
        Path("/etc/group"),
        Path("/etc/shadow"),
    ):
        digest.update(source.read_bytes())
    for program in (plugin, Path("/usr/sbin/dockerd"), Path("/bin/busybox")):
        facts = program.stat()
        digest.update(f"{program} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:12]


def _make(plugin: Path, seed: Path) -> None:
    """Boot a host from a blank disk, set it up, and keep its disk as `seed`."""
    folder = Path(tempfile.mkdtemp(prefix=f"{leftovers.PREFIX}seed-", dir=leftovers.PLACE))
    try:
        machine = Machine("seed", folder)
        blank_disk(machine.image)
        machine.switch_on()
        try:
            machine.finish_boot()
            machine.exec("sh", "-c", SET_UP, user="root")
            machine.write("/etc/ssh/sshd_config", service.SSHD_CONFIG, owner="root")
            _install_plugin(machine, plugin)
            _import_images(machine, folder.name)
            machine.exec("sync", user="root")
        finally:
            machine.switch_off()
        # Renamed last: a run that is killed half-way leaves no half of a seed.
        unfinished = seed.with_suffix(".new")
        run(("cp", "--sparse=always", str(machine.image), str(unfinished)))
        unfinished.replace(seed)
    finally:
        leftovers.remove(folder)


def _install_plugin(machine: Machine, plugin: Path) -> None:
    folder = machine.path(str(PLUGIN_FOLDERS[0]))
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy2(plugin, folder / PLUGIN)


def _import_images(machine: Machine, cgroup: str) -> None:
    machine.path("/tmp/busybox.tar").write_bytes(_busybox_tar())
    service.start_dockerd(machine, cgroup)
    service.await_dockerd(machine)
    for version, image in enumerate(IMAGES, start=1):
        # The label makes two images, with two ids, of the same files.
        changes = ("--change", 'CMD ["sh"]', "--change", f"LABEL version={version}")
        machine.exec("docker", "import", *changes, "/tmp/busybox.tar", image, user="root")
    service.stop(machine, service.DOCKERD_PID)
    machine.path("/tmp/busybox.tar").unlink()


def _busybox_tar() -> bytes:
    """Return the files of an image as a tar archive: the static busybox and a link for each of its applets."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("bin", "tmp", "etc", "root"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            archive.addfile(folder)
        archive.add("/bin/busybox", "bin/busybox")
        for applet in sorted(set(run(("/bin/busybox", "--list")).stdout.split()) - {"busybox"}):
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    return buffer.getvalue()
