"""Servers that are container images, run by podman and by docker from an image that is made here: no registry is
reached."""

import json
import os
import shutil
import stat
import subprocess

import pytest

from support import processes
from support.gateway import BINARY, HERE, fixture, new_mark
from support.waiting import wait_until

IMAGE = "localhost/mcp-gateway-test/contained:1"
USER_IMAGE = "localhost/mcp-gateway-test/contained-user:1"
SECRET = "s3cr3t-of-the-container with=signs #and spaces"

IS_ROOT = os.getuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root has users and networks for sandboxes")


class Engine:
    def __init__(self, name, scratch):
        self.name = name
        # Where its containers have their control groups, and their file systems.
        self.groups = {"podman": ("/libpod-",), "docker": ("/docker-", "/docker/")}[name]
        self.layers = {"podman": "/containers/storage/overlay/", "docker": "/docker/overlay2/"}[name]
        # The gateway takes podman where it works.
        hidden = scratch / f"without-podman-{name}"
        hidden.mkdir()
        if name == "docker":
            (hidden / "podman").write_text("#!/bin/sh\nexit 1\n")
            (hidden / "podman").chmod(0o755)
        self.environment = {"PATH": f"{hidden}:{os.environ['PATH']}"}

    def __call__(self, *arguments, check=True):
        run = subprocess.run([self.name, *arguments], capture_output=True, text=True, timeout=60, check=False)
        assert not check or run.returncode == 0, run.stderr
        return run.stdout.strip()

    def containers(self, gateway, *options):
        label = f"label=mcp-gateway.state={processes.tag(gateway.state)}"
        return self("ps", "--all", "--no-trunc", *(options or ["--quiet"]), "--filter", label).split()

    def left(self, gateway, sandbox):
        return {
            "containers": self.containers(gateway),
            "processes": [pid for pid in processes.all_processes() if sandbox.id in processes.command_line(pid)],
            "groups": [folder for folder, _, _ in os.walk("/sys/fs/cgroup") if any(part in folder for part in self.groups)],
            "mounts": [line for line in processes.mounts() if sandbox.id in line or self.layers in line],
        }  # fmt: skip

    def assert_nothing_left(self, gateway, sandbox, seconds=20):
        wait_until(lambda: not any(self.left(gateway, sandbox).values()), seconds,
                   f"nothing is left: {self.left(gateway, sandbox)}")  # fmt: skip


@pytest.fixture(scope="module", params=["podman", "docker"])
def engine(request, scratch):
    name = request.param
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    if subprocess.run([name, "info"], capture_output=True).returncode:
        pytest.skip(f"{name} does not work here")
    # One whose daemon does not answer says nothing of it by its exit code.
    if name == "docker" and subprocess.run([name, "version"], capture_output=True).returncode:
        pytest.skip("docker's daemon does not answer")
    return Engine(name, scratch)


def doctor(scratch, engine):
    run = subprocess.run(
        [BINARY, "doctor", "--json", "--state-dir", scratch / "doctor-state"], capture_output=True, text=True,
        timeout=60, check=False, env=os.environ | engine.environment,
    )  # fmt: skip
    return {check["name"]: check for check in json.loads(run.stdout)}


@pytest.fixture(scope="module")
def image(scratch, engine):
    """An image with one static program in it, that names no user; its digest, or its id where it has none."""
    folder = scratch / f"image-{engine.name}"
    folder.mkdir()
    source = HERE / "fixture/contained.c"
    subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o", folder / "server", source], check=True)
    subprocess.run(["tar", "-cf", folder / "root.tar", "-C", folder, "server"], check=True)
    changes = ["--change", 'ENTRYPOINT ["/server"]', "--change", "ENV BUILT=in"]
    engine("import", *changes, str(folder / "root.tar"), IMAGE)
    engine("import", *changes, "--change", "USER 4321:4321", str(folder / "root.tar"), USER_IMAGE)
    digests = json.loads(engine("image", "inspect", IMAGE))[0].get("RepoDigests")
    yield digests[0].split("@")[1] if digests else engine("image", "inspect", "--format", "{{.Id}}", IMAGE).split(":")[-1]
    engine("rmi", "--force", IMAGE, USER_IMAGE, check=False)


@pytest.fixture(scope="module")
def shared_folder(scratch):
    folder = scratch / f"shown-{new_mark()}"
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "note").write_text("shown to the container")
    return folder


@pytest.fixture(scope="module")
def catalog(scratch, image, shared_folder):
    properties = [{"name": "token", "type": "string", "required": False, "secret": True}]

    def entry(key, reference, **run):
        return {
            "key": key, "aliases": [], "title": key, "category": "special", "tags": [], "status": "active",
            "summary": "A container.", "config": properties,
            "run": {"oci": {"image": reference, "env": {"TOKEN": "${config.token}"}, **run}},
        }  # fmt: skip

    volumes = [{"kind": "bind", "source": str(shared_folder), "target": "/shown", "readOnly": True},
               {"kind": "volume", "source": "cache", "target": "/cache"}]  # fmt: skip
    servers = [
        entry("contained", IMAGE, volumes=volumes, args=["started"]),
        entry("own-user", USER_IMAGE, volumes=volumes),
        entry("absent", "localhost/mcp-gateway-test/no-such-image:1"),
        entry("hidden", IMAGE, volumes=[{"kind": "bind", "source": "/etc", "target": "/shown", "readOnly": True}]),
    ]
    file = scratch / f"images-{new_mark()}.json"
    categories = [{"id": "special", "title": "Special"}]
    file.write_text(json.dumps({"formatVersion": 1, "sources": [], "categories": categories, "servers": servers}))
    return file


@pytest.fixture
def make_gateway(own_gateway, catalog, engine):
    """A maker of gateways that have the engine and the catalog."""
    return lambda **options: own_gateway(config=f"catalogs:\n  - {catalog}\n", environment=engine.environment, **options)


@pytest.fixture
def gateway(make_gateway):
    return make_gateway()


def contained(gateway, **body):
    sandbox = gateway.create({"contained": {"token": SECRET}}, timeout=300, **body)
    sandbox.wait_state("contained", "ready", 40)
    return sandbox


def test_its_tools_work_and_the_end_of_the_sandbox_leaves_nothing(gateway, engine):
    with contained(gateway, envVars={"OF_ALL": "everyone's"}) as sandbox:
        assert "contained_env" in sandbox.tools()
        assert len(engine.containers(gateway)) == 1
        assert sandbox.text("contained_env", {"text": "TOKEN"}) == SECRET
        assert sandbox.text("contained_env", {"text": "OF_ALL"}) == "everyone's"
        assert sandbox.text("contained_env", {"text": "BUILT"}) == "in"
        assert sandbox.text("contained_env", {"text": "E2B_SANDBOX_ID"}) == sandbox.id
    engine.assert_nothing_left(gateway, sandbox)


def test_no_secret_is_in_a_command_line_or_a_file_of_the_gateway(gateway):
    with contained(gateway):
        lines = [processes.command_line(pid) for pid in processes.all_processes()]
        assert not [line for line in lines if "s3cr3t-of" in line]
        for folder, _, files in os.walk(gateway.state):
            for name in files:
                path = os.path.join(folder, name)
                if stat.S_ISREG(os.lstat(path).st_mode):
                    with open(path, "rb") as file:
                        assert b"s3cr3t-of" not in file.read(), path


def test_it_is_held_in(gateway, engine):
    with contained(gateway) as sandbox:
        uid = int(sandbox.text("contained_look").split()[1])
        # Without root, the gateway's own user, as which podman shows it to itself as root.
        assert uid >= 200_000 if IS_ROOT else uid == (0 if engine.name == "podman" else os.getuid())
        assert sandbox.text("contained_write", {"text": "/file"}) == "Read-only file system"
        assert sandbox.text("contained_write", {"text": "/tmp/file"}) == "written"
        assert sandbox.text("contained_write", {"text": "/cache/file"}) == "written"
        assert sandbox.text("contained_write", {"text": "/workspace/file"}) == "written"
        assert sandbox.text("contained_read", {"text": "/shown/note"}) == "shown to the container"
        assert sandbox.text("contained_write", {"text": "/shown/file"}) == "Read-only file system"
        status = sandbox.text("contained_read", {"text": "/proc/self/status"})
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(fields[kind], 16) == 0
        assert fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2"


def test_the_workspace_is_that_of_the_sandbox(gateway, engine):
    mark = new_mark()
    sandbox = gateway.create({"contained": {}, "fix": fixture(mark)}, timeout=300)
    sandbox.wait_state("contained", "ready", 40)
    assert sandbox.call("fix_write", {"path": "/workspace/note", "data": "from a jail"}).status == 200
    assert sandbox.text("contained_read", {"text": "/workspace/note"}) == "from a jail"
    sandbox.kill()
    engine.assert_nothing_left(gateway, sandbox)


@needs_root
def test_an_image_with_a_user_of_its_own_writes_what_its_sandbox_writes(gateway):
    mcp = {"own-user": {}, "contained": {}, "fix": fixture(new_mark())}
    with gateway.create(mcp, timeout=300) as sandbox:
        for name in mcp:
            sandbox.wait_state(name, "ready", 60)
        assert sandbox.text("own-user_look") == "uid 4321"
        assert sandbox.text("own-user_write", {"text": "/workspace/theirs"}) == "written"
        # And everybody else there has it, whatever its umask says.
        assert sandbox.call("fix_write", {"path": "/workspace/theirs", "data": "by a jail"}).status == 200
        assert sandbox.text("own-user_read", {"text": "/workspace/theirs"}) == "by a jail"
        assert sandbox.text("contained_write", {"text": "/workspace/theirs"}) == "written"
        assert sandbox.call("fix_write", {"path": "/workspace/ours", "data": "of a jail"}).status == 200
        assert sandbox.text("own-user_write", {"text": "/workspace/ours"}) == "written"
        assert sandbox.text("own-user_write", {"text": "/file"}) == "Read-only file system"


@needs_root
def test_a_named_volume_is_the_sandboxes_and_lasts_as_long(gateway, engine):
    mcp = {"contained": {}, "own-user": {}, "$gateway": {"idleSeconds": 1}}
    with gateway.create(mcp, timeout=300) as sandbox, contained(gateway) as other:
        for name in ("contained", "own-user"):
            wait_until(lambda: sandbox.server(name)["state"] in ("ready", "idle"), 60, f"{name} is there")
        assert sandbox.text("own-user_write", {"text": "/cache/kept"}) == "written"
        sandbox.wait_state("own-user", "idle", 60)
        assert sandbox.text("own-user_read", {"text": "/cache/kept"}) == ""
        # Under the same name it is the same volume.
        assert sandbox.text("contained_read", {"text": "/cache/kept"}) == ""
        assert sandbox.text("contained_read", {"text": "/workspace/volumes"}) == "No such file or directory"
        assert other.text("contained_read", {"text": "/cache/kept"}) == "No such file or directory"
    engine.assert_nothing_left(gateway, sandbox)
    assert not os.path.exists(gateway.state / "sandboxes" / sandbox.id)
    assert engine("volume", "ls", "--quiet") == ""


def test_a_value_with_several_lines_arrives(gateway):
    key = "-----BEGIN KEY-----\ns3cr3t-of-the-container\n-----END KEY-----\n"
    with gateway.create({"contained": {"token": key}}, envVars={"LINES": "one\ntwo"}, timeout=300) as sandbox:
        sandbox.wait_state("contained", "ready", 40)
        assert sandbox.text("contained_env", {"text": "TOKEN"}) == key
        assert sandbox.text("contained_env", {"text": "LINES"}) == "one\ntwo"
        lines = [processes.command_line(pid) for pid in processes.all_processes()]
        assert not [line for line in lines if "s3cr3t-of" in line]
    with gateway.create({"contained": {}}, envVars={"LD_LIBRARY_PATH": "/workspace\n:/workspace"}) as sandbox:
        reason = sandbox.wait_state("contained", "failed", 40)["lastError"]
        assert "LD_LIBRARY_PATH cannot be given to a container" in reason and "/workspace" not in reason


@needs_root
def test_it_is_in_the_network_of_its_sandbox(make_gateway, engine):
    with contained(make_gateway(flags=["--network", "none"])) as sandbox:
        table = sandbox.text("contained_read", {"text": "/proc/self/net/dev"})
        assert [line.split(":")[0].strip() for line in table.splitlines() if ":" in line] == ["lo"]
        # docker gives it one of its own that is as empty.
        if engine.name == "docker":
            return
        # The gateway's own listener is in there: 50005 is C355.
        assert "0100007F:C355" in sandbox.text("contained_read", {"text": "/proc/self/net/tcp"})
        assert "127.0.0.1" in sandbox.text("contained_read", {"text": "/etc/hosts"})


@needs_root
def test_docker_says_what_it_cannot_do(make_gateway, engine):
    if engine.name != "docker":
        pytest.skip("podman can")
    gateway = make_gateway(flags=["--network", "listed"])
    with gateway.create({"contained": {}}, timeout=60) as sandbox:
        reason = sandbox.wait_state("contained", "failed", 60)["lastError"]
        assert "docker cannot join the network of a sandbox" in reason and "apt-get install podman" in reason


def test_limits_hold(make_gateway, engine, scratch):
    if not IS_ROOT and not doctor(scratch, engine)["cgroup limits"]["ok"]:
        pytest.skip("this user may make no control group")
    flags = ["--server-memory", "64MiB", "--server-processes", "20", "--server-cpus", "0.9"]
    gateway = make_gateway(flags=flags)
    with contained(gateway) as sandbox:
        assert sandbox.text("contained_eat", {"text": "16"}) == "ate 16"
        assert int(sandbox.text("contained_spawn", {"text": "100"})) < 20
        assert sandbox.call("contained_eat", {"text": "500"}).status != 200
        wait_until(lambda: sandbox.server("contained").get("lastError"), 20, "its end is known")
        # docker tells of nothing but a kill that was not the gateway's.
        words = "out of memory, most likely: " if engine.name == "docker" else "out of memory: "
        assert f"{words}the limit is 64 MiB" in sandbox.server("contained")["lastError"]
        assert engine.name == "docker" or sandbox.server("contained")["limitHits"]["server-memory"] >= 1
        sandbox.wait_state("contained", "ready", 40)
        assert sandbox.text("contained_env", {"text": "BUILT"}) == "in"
    engine.assert_nothing_left(gateway, sandbox)


def test_sigkill_of_the_gateway_leaves_nothing(gateway, engine):
    sandbox = contained(gateway)
    assert len(engine.containers(gateway)) == 1
    gateway.kill()
    wait_until(lambda: not engine.containers(gateway), 20, "what stands around the container has removed it")
    gateway.start()
    gateway.remove_groups()
    engine.assert_nothing_left(gateway, sandbox)


def test_the_next_start_removes_what_was_killed_with_all_around_it(gateway, engine):
    """As a machine's service manager kills: everything at once."""
    sandbox = contained(gateway)
    below = [gateway.pid, *processes.descendants(gateway.pid)]
    for pid in below:
        os.kill(pid, 19)
    for pid in below:
        os.kill(pid, 9)
    gateway.process.wait(10)
    assert len(engine.containers(gateway)) == 1
    gateway.start()
    engine.assert_nothing_left(gateway, sandbox)
    with contained(gateway) as next_one:
        assert next_one.text("contained_env", {"text": "BUILT"}) == "in"


def test_a_polite_end_of_the_gateway_leaves_nothing(gateway, engine):
    sandbox = contained(gateway)
    assert gateway.stop() == 0
    engine.assert_nothing_left(gateway, sandbox, 1)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("absent", ["localhost/mcp-gateway-test/no-such-image:1 could not be pulled", "{engine} pull"]),
        ("hidden", ["/etc cannot be shown in a container"]),
    ],
)
def test_what_is_wrong_is_said(gateway, engine, key, words):
    with gateway.create({key: {}}, timeout=60) as sandbox:
        server = sandbox.wait_state(key, "failed", 60)
        for word in words:
            assert word.format(engine=engine.name) in server["lastError"]


def test_pull_records_the_digest_that_runs_from_then_on(gateway, image, engine):
    command = [BINARY, "pull", "contained", "--state-dir", gateway.state, "--config", gateway.directory / "config.yaml"]
    pulled = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False,
                            env=os.environ | engine.environment)  # fmt: skip
    assert pulled.returncode == 0 and "ready" in pulled.stdout + pulled.stderr
    marks = [path for path in (gateway.state / "packages/oci").glob("*/.installed")]
    assert len(marks) == 1 and image in marks[0].read_text()
    with contained(gateway):
        reference = f"localhost/mcp-gateway-test/contained@{image}" if image.startswith("sha256:") else image
        (name,) = engine.containers(gateway, "--format", "{{.Image}}")
        assert reference.startswith(name) if engine.name == "docker" else name == reference


def test_doctor_asks_the_engine(scratch, engine):
    row = doctor(scratch, engine)["container engine"]
    assert row["ok"] and engine.name in row["detail"]
    if engine.name == "docker" and IS_ROOT:
        assert "network: none or host" in row["detail"] and "podman" in row["remedy"]


def test_without_an_engine_the_answer_says_what_to_install(own_gateway, scratch):
    """Programs of that name which do not work are none."""
    entry = {"key": "image", "aliases": [], "title": "Image", "category": "special", "tags": [], "status": "active",
             "summary": "A container.", "config": [], "run": {"oci": {"image": IMAGE}}}  # fmt: skip
    categories = [{"id": "special", "title": "Special"}]
    catalog = scratch / "an-image.json"
    catalog.write_text(json.dumps({"formatVersion": 1, "sources": [], "categories": categories, "servers": [entry]}))
    broken = scratch / "broken-engines"
    broken.mkdir()
    for name in ("podman", "docker"):
        (broken / name).write_text("#!/bin/sh\necho 'the daemon does not answer' >&2\nexit 1\n")
        (broken / name).chmod(0o755)
    gateway = own_gateway(
        config=f"catalogs:\n  - {catalog}\n", environment={"PATH": f"{broken}:{os.environ['PATH']}"}
    )
    with gateway.create({"image": {}}, timeout=60) as sandbox:
        server = sandbox.wait_state("image", "failed", 60)
        assert "needs a container engine" in server["lastError"]
        assert "the daemon does not answer" in server["lastError"]
        assert "apt-get install podman" in server["lastError"]
