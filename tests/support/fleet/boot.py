"""Pid 1 of a host: builds the host's root from its disk image, enters it, and stays until its standard input ends.

Run as a script inside fresh mount, network, PID, UTS and IPC namespaces, with the Python of the machine. It prints its
pid (as the machine counts) when the host is ready. Standard library only; imports nothing of this package, because
after `pivot_root` the files of the checkout are out of reach.
"""

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

# What a host may have of the machine's top level; anything else there is covered by a whiteout.
TOP_LEVEL = frozenset({
    "bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "lost+found", "media", "mnt", "opt", "proc",
    "root", "run", "sbin", "srv", "sys", "tmp", "usr", "var",
})  # fmt: skip
# Folders in which a host starts with nothing: the data of the machine stays out of its sight.
EMPTY_FOLDERS = (
    "boot", "etc/docker", "etc/ssh", "home", "media", "mnt", "opt", "root", "run", "srv", "tmp", "usr/local",
    "var/lib/docker", "var/log", "var/tmp",
)  # fmt: skip
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
DEVICE_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}


def mount(*arguments: str | Path) -> None:
    """Mount by the machine's own `mount`; an error ends the boot and stands on stderr."""
    subprocess.run(("mount", *map(str, arguments)), check=True)


def format_disk(disk: Path) -> None:
    """Lay out a blank disk: `upper` hides what is private to the machine, `docker` holds dockerd's data."""
    for name in ("work", "docker"):
        (disk / name).mkdir()
    # The upper layer is renamed into place last, so that a disk is either blank or complete.
    upper = disk / "upper.new"
    for name in EMPTY_FOLDERS:
        folder = upper / name
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o1777 if name.endswith("tmp") else 0o755)
        os.setxattr(folder, "trusted.overlay.opaque", b"y")
    (upper / "root").chmod(0o700)
    upper.chmod(0o755)
    for name in set(os.listdir("/")) - TOP_LEVEL:
        os.mknod(upper / name, stat.S_IFCHR, os.makedev(0, 0))
    upper.rename(disk / "upper")


def mount_root(image: Path, disk: Path, root: Path) -> None:
    """Mount the disk image on `disk` and, on `root`, the machine's `/` with the disk's upper layer over it."""
    mount("-o", "loop,noatime", image, disk)
    if not (disk / "upper").exists():
        format_disk(disk)
    layers = f"lowerdir=/,upperdir={disk / 'upper'},workdir={disk / 'work'}"
    mount("-t", "overlay", "-o", layers, "overlay", root)
    mount("--bind", disk / "docker", root / "var/lib/docker")


def mount_kernel_folders(root: Path) -> None:
    """Give the root its /proc, /sys with the machine's cgroups, /run and /dev."""
    mount("-t", "proc", "-o", "nosuid,nodev,noexec", "proc", root / "proc")
    mount("-t", "sysfs", "-o", "nosuid,nodev,noexec", "sysfs", root / "sys")
    mount("--rbind", "/sys/fs/cgroup", root / "sys/fs/cgroup")
    mount("-t", "tmpfs", "-o", "nosuid,nodev,mode=755", "tmpfs", root / "run")
    for name in ("lock", "sshd"):
        (root / "run" / name).mkdir()
    device_folder = root / "dev"
    mount("-t", "tmpfs", "-o", "nosuid,mode=755", "tmpfs", device_folder)
    for name, numbers in DEVICES.items():
        os.mknod(device_folder / name, stat.S_IFCHR, os.makedev(*numbers))
        (device_folder / name).chmod(0o666)
    for name, target in DEVICE_LINKS.items():
        (device_folder / name).symlink_to(target)
    for name in ("pts", "shm"):
        (device_folder / name).mkdir()
    mount("-t", "devpts", "-o", "newinstance,ptmxmode=666,mode=620,gid=5", "devpts", device_folder / "pts")
    mount("-t", "tmpfs", "-o", "nosuid,nodev,mode=1777", "tmpfs", device_folder / "shm")


def enter(root: Path) -> None:
    """Make `root` the root of these namespaces and let go of the machine's."""
    os.chdir(root)
    subprocess.run(("pivot_root", ".", "mnt"), check=True)
    os.chroot(".")
    os.chdir("/")
    subprocess.run(("umount", "--lazy", "/mnt"), check=True)


def main() -> None:
    """Boot the host `name` from `image`, with mount points in `folder`; end when standard input ends."""
    name, image, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    pid = os.readlink("/proc/self")
    disk, root = folder / "disk", folder / "root"
    for point in (disk, root):
        point.mkdir(exist_ok=True)
    socket.sethostname(name)
    mount_root(image, disk, root)
    mount_kernel_folders(root)
    enter(root)
    # Ignored, SIGCHLD lets the kernel reap every orphan: a dead worker must not look alive as a zombie.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print(pid, flush=True)
    null = os.open("/dev/null", os.O_RDWR)
    for descriptor in (1, 2):
        os.dup2(null, descriptor)
    while os.read(0, 4096):
        pass


if __name__ == "__main__":
    main()
