"""A real PostgreSQL and a real Redis, on loopback, each with a password."""

import contextlib
import secrets
import socket
import subprocess
from pathlib import Path

from .gateway import free_port
from .waiting import wait_until


def answers(port, question, expected):
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(question)
            return connection.recv(len(expected)) == expected
    except OSError:
        return False


@contextlib.contextmanager
def redis(folder):
    """Gives its port and password."""
    port, password = free_port(), secrets.token_hex(8)
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--requirepass", password, "--save", "",
         "--appendonly", "no", "--dir", str(folder)], stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_until(lambda: answers(port, b"AUTH %s\r\n" % password.encode(), b"+OK"), 10, "redis-server answers")
        yield port, password
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def postgres(folder):
    """Gives its port and the password of the user `ada`; has a table `fruit`. It never runs as root."""
    programs = max(Path("/usr/lib/postgresql").iterdir(), key=lambda version: float(version.name)) / "bin"
    port, password = free_port(), secrets.token_hex(8)
    home = folder / f"postgres-{port}"
    home.mkdir(mode=0o755)
    secret = home / "password"
    secret.write_text(password)
    user = {"user": "postgres", "group": "postgres", "extra_groups": []}
    subprocess.run(["chown", "-R", "postgres:postgres", str(home)], check=True)
    data = home / "data"
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "ada", "-A", "scram-sha-256", "--pwfile", secret, "--no-sync"],
        check=True, stdout=subprocess.DEVNULL, cwd=home, **user,
    )  # fmt: skip
    process = subprocess.Popen(
        [programs / "postgres", "-D", data, "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off",
         "-c", f"unix_socket_directories={home}"],
        stdout=subprocess.DEVNULL, stderr=(folder / "postgres.log").open("wb"), cwd=home, **user,
    )  # fmt: skip
    # SSLRequest (protocol 3.0 §55.7), answered with a byte that says no.
    ask_tls = bytes([0, 0, 0, 8, 4, 0xD2, 0x16, 0x2F])
    try:
        wait_until(lambda: answers(port, ask_tls, b"N"), 20, "postgres answers")
        sql = "create table fruit (name text, pieces int); insert into fruit values ('apple', 3), ('pear', 4)"
        subprocess.run(
            ["psql", "-q", "-h", "127.0.0.1", "-p", str(port), "-U", "ada", "-d", "postgres", "-c", sql],
            check=True, env={"PGPASSWORD": password, "PATH": "/usr/bin:/bin"}, cwd=home,
        )  # fmt: skip
        yield port, password
    finally:
        process.terminate()
        process.wait(10)
