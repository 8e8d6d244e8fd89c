"""`doctor` on hosts that lack something: it names what is missing, and the command that mends it."""

import json
import os
import subprocess

import pytest

from support.gateway import BINARY

ORDINARY = 61_234
IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can take pieces of a host away")


def examine(scratch, *wrapper, user=None):
    """What it found, by name."""
    folder = scratch / f"doctor-{os.urandom(4).hex()}"
    folder.mkdir()
    identity = {}
    if user is not None:
        os.chown(folder, user, user)
        identity = {"user": user, "group": user, "extra_groups": []}
    command = [*wrapper, str(BINARY), "doctor", "--json", "--state-dir", str(folder / "state")]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", **identity)
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert (done.returncode == 0) == all(check["ok"] for check in checks.values()), done
    # Whatever is wrong comes with what to do.
    assert all(check["ok"] or check["remedy"] for check in checks.values()), checks
    return checks


def without(*steps):
    """Runs a program in a mount namespace in which these have been done first."""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", "\n".join([*steps, 'exec "$@"']), "sh"]


def hide(*programs):
    return [f"! [ -e {program} ] || mount --bind /dev/null {program}" for program in programs]


@needs_root
def test_root_has_everything_that_needs_root(scratch):
    found = examine(scratch)
    for name in ("bubblewrap", "networks of sandboxes", "workspaces"):
        assert found[name]["ok"], found[name]
    assert "a host user of its own" in found["bubblewrap"]["detail"]


def test_an_ordinary_user_is_told_what_it_lacks(scratch):
    found = examine(scratch, user=ORDINARY if IS_ROOT else None)
    assert found["bubblewrap"]["ok"] and "as this user" in found["bubblewrap"]["detail"]
    workspaces, networks, groups = (found[name] for name in ("workspaces", "networks of sandboxes", "cgroup limits"))
    assert not workspaces["ok"] and "no size limit" in workspaces["detail"] and "sudo mcp-gateway" in workspaces["remedy"]
    assert not networks["ok"] and "not permitted" in networks["detail"] and "CAP_SYS_ADMIN" in networks["remedy"]
    if not groups["ok"]:
        assert "memory" in groups["detail"] and "systemd-run --user -p Delegate=yes" in groups["remedy"]


@needs_root
def test_programs_that_are_missing_are_named_with_their_package(scratch):
    places = ("/usr/bin", "/usr/local/bin")
    programs = [f"{place}/{name}" for place in places for name in ("bwrap", "podman", "docker", "npm", "git", "python3")]
    found = examine(scratch, *without(*hide(*programs)))
    for name, package in {
        "bubblewrap": "apt-get install bubblewrap", "npm": "apt-get install npm", "git": "apt-get install git",
        "container engine": "apt-get install podman", "python3": "apt-get install python3",
    }.items():  # fmt: skip
        assert not found[name]["ok"] and package in found[name]["remedy"], found[name]
    assert "podman is not installed" in found["container engine"]["detail"]


@needs_root
def test_a_host_without_control_groups(scratch):
    found = examine(scratch, *without("umount --recursive /sys/fs/cgroup"))["cgroup limits"]
    assert not found["ok"] and "systemd-run" in found["remedy"]
    for controller in ("memory", "pids", "cpu"):
        assert controller in found["detail"]


@needs_root
def test_a_host_without_user_namespaces(scratch):
    """In a user namespace that may have none below it, as the whole host may be told."""
    steps = "echo 0 >/proc/sys/user/max_user_namespaces && exec \"$@\""
    found = examine(scratch, "unshare", "--user", "--map-root-user", "sh", "-c", steps, "sh")
    assert not found["user namespaces"]["ok"]
    assert found["user namespaces"]["remedy"] == "sysctl -w user.max_user_namespaces=10000"
    assert not found["bubblewrap"]["ok"]
