"""A Neo4j Community server of one's own, from Maven Central: a process of its own, on loopback, in one folder.

    DIR/{conf,data,logs,import,plugins,web}   as Neo4j lays them out
    DIR/server.json                           process id, ports and version of the running server
    DIR/password                              the password, where we made it; only the user can read it

Neo4j is GPL and stays outside: Maven keeps its jars in its own cache, and we only start them.
"""

# ruff: noqa: S603, S607 (starts java, mvn, ps and sh alone, with arguments that are never text from papers)

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kgbuild.errors import StoreError
from kgbuild.stores.bolt import Neo4jStore, PasswordError

VERSION = "5.26.29"
USERNAME = "neo4j"
DATABASE = "neo4j"
"""The one database that a Community server has."""

_BROWSER_VERSION = "5.24.0"
_MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath"
_START_SECONDS = 180
_STOP_SECONDS = 120
_MINIMUM_PASSWORD = 8

# The server's own defaults; without the opened packages index population can stall (NEO4J issue tracker).
_JAVA_OPTIONS = (
    "-Xms256m",
    "-Xmx1g",
    "-XX:+UseG1GC",
    "-XX:+ExitOnOutOfMemoryError",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
    "--enable-native-access=ALL-UNNAMED",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dlog4j2.disable.jmx=true",
    "-Dfile.encoding=UTF-8",
)

_CONFIGURATION = """\
server.default_listen_address=127.0.0.1
server.bolt.listen_address=127.0.0.1:{bolt_port}
server.bolt.advertised_address=localhost:{bolt_port}
server.http.listen_address=127.0.0.1:{http_port}
server.https.enabled=false
server.memory.pagecache.size=256m
server.directories.import=import
dbms.usage_report.enabled=false
client.allow_telemetry=false
db.tx_log.rotation.retention_policy=100M size
db.tx_log.rotation.size=32m
"""

_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>neo4j</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.neo4j</groupId><artifactId>neo4j</artifactId><version>{version}</version></dependency>
    <dependency>
      <groupId>org.neo4j.client</groupId><artifactId>neo4j-browser</artifactId><version>{browser}</version>
    </dependency>
  </dependencies>
</project>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server."""

    directory: Path
    version: str
    pid: int
    bolt_port: int
    http_port: int
    password: str | None = field(repr=False)
    """Null where it was given by NEO4J_PASSWORD at the first start and that is not set now."""
    username: str = USERNAME
    database: str = DATABASE

    @property
    def uri(self) -> str:
        """What ``NEO4J_URI`` should hold."""
        return f"bolt://127.0.0.1:{self.bolt_port}"

    @property
    def browser_url(self) -> str:
        """Neo4j Browser, with the address of this server filled in."""
        return f"http://localhost:{self.http_port}/browser/?dbms=bolt://localhost:{self.bolt_port}&db={self.database}"

    @property
    def password_file(self) -> Path | None:
        """The file that holds the password, where we made it."""
        path = self.directory / "password"
        return path if path.exists() else None


def default_directory() -> Path:
    """The user's cache folder, by the convention of the platform."""
    if sys.platform == "darwin":
        cache = Path.home() / "Library" / "Caches"
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "kgbuild" / "neo4j"


def start(directory: Path | None = None, *, bolt_port: int = 7687, http_port: int = 7474, version: str = VERSION) -> Server:
    """Start the server in ``directory`` and wait until it answers; one that runs there already is left running.

    Raises StoreError where Java or Maven is missing, a port is taken, or the server does not come up.
    """
    directory = (directory or default_directory()).absolute()
    if running := status(directory):
        return running
    java = find_java(version)
    classpath = _classpath(directory, version)
    for port, option in ((bolt_port, "--bolt-port"), (http_port, "--http-port")):
        if _taken(port):
            raise StoreError(f"port {port} is used by another program; choose another port with {option}")
    for folder in ("conf", "data", "import", "logs", "plugins", "web"):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    settings = _CONFIGURATION.format(bolt_port=bolt_port, http_port=http_port)
    (directory / "conf" / "neo4j.conf").write_text(settings, encoding="utf-8")
    password = _password(directory) or _make_password(directory)
    if not _initialised(directory):
        # "--" ends the options: a password may begin with a hyphen
        admin(directory, "dbms", "set-initial-password", "--", password, version=version)
    main = "CommunityEntryPoint" if version.startswith("5.") else "Neo4jCommunity"
    arguments = [f"org.neo4j.server.{main}", f"--home-dir={directory}", f"--config-dir={directory / 'conf'}", "--console-mode"]
    pid = _launch(java, _write_arguments(directory / "java.args", classpath, arguments), directory / "logs" / "console.log")
    server = Server(
        directory=directory, version=version, pid=pid, bolt_port=bolt_port, http_port=http_port, password=password
    )
    record = {"pid": pid, "bolt_port": bolt_port, "http_port": http_port, "version": version}
    (directory / "server.json").write_text(json.dumps(record), encoding="utf-8")
    try:
        _wait(server)
    except BaseException:
        stop(directory)
        raise
    return server


def stop(directory: Path | None = None) -> bool:
    """Stop the server in ``directory`` and wait until it has ended; whether one was running."""
    directory = (directory or default_directory()).absolute()
    server = status(directory)
    (directory / "server.json").unlink(missing_ok=True)
    if server is None:
        return False
    os.kill(server.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while _alive(server.pid, directory):
        if time.monotonic() > deadline:
            os.kill(server.pid, signal.SIGKILL)  # it recovers from its logs at the next start
            deadline = float("inf")
        time.sleep(0.1)
    return True


def status(directory: Path | None = None) -> Server | None:
    """The server that runs in ``directory``; None where none does, also after a crash."""
    directory = (directory or default_directory()).absolute()
    try:
        record = json.loads((directory / "server.json").read_text(encoding="utf-8"))
        server = Server(directory=directory, password=_password(directory), **record)
    except (OSError, ValueError, TypeError):
        return None
    return server if _alive(server.pid, directory) else None


def admin(directory: Path, *arguments: str, version: str = VERSION) -> str:
    """Run ``neo4j-admin`` on the server in ``directory``, which must be stopped; what it printed.

    Arguments go through a file, so a password among them shows in no process list.
    """
    java = find_java(version)
    file = _write_arguments(directory / "admin.args", _classpath(directory, version), ["org.neo4j.cli.AdminTool", *arguments])
    try:
        environment = {**os.environ, "NEO4J_HOME": str(directory), "NEO4J_CONF": str(directory / "conf")}
        # the tool leaves reports in the folder that it runs in
        done = subprocess.run([java, f"@{file.absolute()}"], env=environment, cwd=directory, capture_output=True, text=True, check=False)
    finally:
        file.unlink()
    if done.returncode:
        raise StoreError(f"neo4j-admin {' '.join(arguments[:2])} failed: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def find_java(version: str = VERSION) -> str:
    """A Java program that runs this version of Neo4j. Raises StoreError where the machine has none."""
    accepted = (17, 21) if version.startswith("5.") else (21, 25)
    if os.name == "nt":
        raise StoreError(_without("this command, which needs Linux or macOS,"))
    for java in _javas():
        try:
            shown = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
        except OSError:
            continue
        found = re.search(r'version "(\d+)', shown)
        if found and int(found[1]) in accepted:
            return java
    raise StoreError(_without(f"Java {' or '.join(map(str, accepted))}"))


def find_maven() -> str:
    """The Maven program. Raises StoreError where the machine has none."""
    maven = shutil.which("mvn")
    if maven is None:
        raise StoreError(_without("Maven (mvn)"))
    return maven


def _javas() -> Iterator[str]:
    homes = [value for name, value in sorted(os.environ.items()) if name == "JAVA_HOME" or name.startswith("JAVA_HOME_")]
    yield from (str(Path(home) / "bin" / "java") for home in homes)
    if java := shutil.which("java"):
        yield java
    for pattern in ("usr/lib/jvm/*/bin/java", "opt/*/bin/java", "Library/Java/JavaVirtualMachines/*/Contents/Home/bin/java"):
        yield from map(str, sorted(Path("/").glob(pattern)))


def _without(what: str) -> str:
    docker = "docker run -p 127.0.0.1:7474:7474 -p 127.0.0.1:7687:7687 -e NEO4J_AUTH=neo4j/PASSWORD neo4j:5.26-community"
    return f"Neo4j cannot be started without {what}; install it, or use Docker: {docker}"


def _classpath(directory: Path, version: str) -> str:
    """Class path of the server's jars in Maven's cache, fetched from Maven Central where they are not there yet."""
    kept = directory / f"classpath-{version}.txt"
    try:
        classpath = kept.read_text(encoding="utf-8")
        if all(Path(jar).exists() for jar in classpath.split(os.pathsep)):
            return classpath
    except FileNotFoundError:
        pass
    maven = find_maven()
    directory.mkdir(parents=True, exist_ok=True)
    pom = directory / "pom.xml"
    pom.write_text(_POM.format(version=version, browser=_BROWSER_VERSION), encoding="utf-8")
    command = [maven, "-q", "-B", "-f", str(pom), _MAVEN_PLUGIN, "-DincludeScope=runtime", f"-Dmdep.outputFile={kept}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StoreError(f"Maven cannot fetch Neo4j {version}; see that it reaches Maven Central: {done.stdout.strip()[-1000:]}")
    return kept.read_text(encoding="utf-8")


def _write_arguments(path: Path, classpath: str, arguments: list[str]) -> Path:
    """A Java argument file that only the user can read: a long class path fits, and a password stays unseen."""
    home = path.parent
    lines = [*_JAVA_OPTIONS, "-cp", os.pathsep.join([f"{home}/plugins/*", f"{home}/conf", classpath]), *arguments]
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.writelines('"' + line.replace("\\", "\\\\").replace('"', '\\"') + '"\n' for line in lines)
    return path


def _launch(java: str, arguments: Path, log: Path) -> int:
    """Start Java in a session of its own; a shell in between leaves it without a parent that must wait for it."""
    command = ["/bin/sh", "-c", 'log="$1"; shift; "$@" > "$log" 2>&1 < /dev/null & echo $!', "sh", str(log), java, f"@{arguments}"]
    shell = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, start_new_session=True)
    return int(shell.stdout)


def _wait(server: Server) -> None:
    deadline = time.monotonic() + _START_SECONDS
    log = server.directory / "logs" / "console.log"
    while True:
        try:
            with Neo4jStore(server.uri, server.username, server.password or "", server.database) as store:
                store.run("RETURN 1 AS one")
            return
        except PasswordError as e:
            raise StoreError(
                f"the server in {server.directory} was first started with another password; set NEO4J_PASSWORD to that "
                f"(or unset it, where {server.directory / 'password'} holds one)"
            ) from e
        except StoreError as e:
            if not _alive(server.pid, server.directory):
                shown = log.read_text(encoding="utf-8", errors="replace").strip()[-1000:]
                raise StoreError(f"the server in {server.directory} did not start; the end of {log}: {shown}") from e
            if time.monotonic() > deadline:
                raise StoreError(f"the server in {server.directory} does not answer after {_START_SECONDS} s: {e}") from e
        time.sleep(0.2)


def _alive(pid: int, directory: Path) -> bool:
    """Whether this process is the server of this folder, and not another that has got its number since."""
    try:
        shown = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        if Path("/proc/self").exists():
            return False
        shown = subprocess.run(["ps", "-p", str(pid), "-o", "args="], capture_output=True, text=True, check=False).stdout
    return str(directory / "java.args") in shown


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _initialised(directory: Path) -> bool:
    """Whether the password was set: an import makes only the graph's own database."""
    data = directory / "data"
    return (data / "dbms" / "auth.ini").exists() or (data / "databases" / "system").exists()


def _password(directory: Path) -> str | None:
    if given := os.environ.get("NEO4J_PASSWORD"):
        return given
    try:
        return (directory / "password").read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _make_password(directory: Path) -> str:
    if _initialised(directory):
        raise StoreError(f"set NEO4J_PASSWORD to the password that the server in {directory} was first started with")
    password = secrets.token_urlsafe(16)
    with open(os.open(directory / "password", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(password + "\n")
    return password
