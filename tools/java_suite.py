"""The test suite of pgjdbc, from the source that stands beside its jar on Maven Central. For driver_suites.py; suites_expected.py says
what is expected of it."""

import functools
import glob
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

from harness.processes import free_port
from harness.sallyport import binary
from suite import PASSWORD, Suite, compare

USER, PRIVILEGED = "test", "postgres"     # as its build.properties has them
DRIVER = "org.postgresql:postgresql:42.7.10"
# Writes until its connection is gone, which the way does not see to: it would never end.
ENDLESS = {"transaction": r".*CopyTest#lockReleaseOnCancelFailure.*"}
CONSOLE = "org.junit.platform:junit-platform-console-standalone:1.14.1"


def maven(folder, *words):
    subprocess.run(["mvn", "-B", "-q", *words], cwd=folder, check=True)


def prepare(folder):
    """(its source, compiled; the class path)"""
    maven(folder, "dependency:copy", f"-Dartifact={DRIVER}:tar.gz:jdbc-src", f"-DoutputDirectory={folder}")
    maven(folder, "dependency:copy", f"-Dartifact={CONSOLE}", f"-DoutputDirectory={folder}")
    (archive,) = glob.glob(os.path.join(folder, "*-jdbc-src.tar.gz"))
    shutil.unpack_archive(archive, folder, filter="data")
    source = archive.removesuffix(".tar.gz")
    maven(source, "-DskipShadeDependencies=true", "test-compile", "dependency:copy-dependencies", "-DoutputDirectory=lib")
    (console,) = glob.glob(os.path.join(folder, "junit-platform-console-standalone-*.jar"))
    # The console brings JUnit itself.
    others = [jar for jar in sorted(glob.glob(os.path.join(source, "lib", "*.jar"))) if not os.path.basename(jar).startswith("junit-")]
    return source, ":".join([console, *(os.path.join(source, "target", name) for name in ("test-classes", "classes")), *others])


def over_tcp(service, pki, _):
    """A route that pgjdbc can take: it speaks TCP only, and sends its cancels in clear. The port."""
    it, port = service.sallyport, free_port()
    secret, passwords = it.secret_file(PASSWORD), os.path.join(it.folder, "home", "passwords")
    for name in (USER, PRIVILEGED):
        subprocess.run([binary(), "passwd", name, "--file", passwords, "--stdin"], input=PASSWORD + "\n", text=True, check=True,
                       stderr=subprocess.DEVNULL, env=it.env())
    certificate, key = (os.path.join(it.folder, name) for name in ("tls.crt", "tls.key"))
    leaf = pki.leaf("good")
    for source, target in ((leaf.certificate, certificate), (leaf.key, key)):
        shutil.copy(source, target)
        os.chmod(target, 0o600)
    roles = ", ".join(f"{name}: {{auth: 'file:{secret}', user: {name}}}" for name in (USER, PRIVILEGED))
    service.text = re.sub(r'    auth: .*\n    user: .*', f"    roles: {{{roles}}}", service.text)
    service.text = re.sub(r"    allow: .*\n", f"""    allow: [{{user: root, role: {USER}}}]
  - listen: "tcp:127.0.0.1:{port}"
    target: main
    tls: {{cert: "{certificate}", key: "{key}", clear_cancel: true}}
    allow: [{", ".join(f"{{verifier: {passwords}, login: {name}, role: {name}, replication: true}}" for name in (USER, PRIVILEGED))}]
""", service.text)
    service.text = service.text.replace("min_ready: 40", "min_ready: 2")      # of each set of start-up parameters
    return port


def tests(source, classes, folder, way_name, way, only):
    """{test: "passed" | "failed" | "skipped"}, and all that was printed."""
    shutil.rmtree(folder, ignore_errors=True)
    settings = {"build.properties.relative.path": source, "test.url.PGHOST": "localhost", "test.url.PGPORT": way[1], "password": PASSWORD,
                "privilegedPassword": PASSWORD, "junit.jupiter.extensions.autodetection.enabled": "true",
                "junit.jupiter.execution.timeout.default": "1 m"}
    chosen = [w for test in only for w in ("--select-unique-id", test)] or [
        "--scan-classpath", os.path.join(source, "target", "test-classes"), "--include-classname", r".*\.(Test[^.]*|[^.]*Tests?)"]
    if way_name in ENDLESS:
        chosen += ["--exclude-methodname", ENDLESS[way_name]]
    done = subprocess.run(["java", "-Xmx1536m", *(f"-D{key}={value}" for key, value in settings.items()), "-cp", classes,
                           "org.junit.platform.console.ConsoleLauncher", "execute", "--disable-banner", "--details=none",
                           f"--reports-dir={folder}", *chosen], cwd=source, capture_output=True, text=True)
    results = {}
    for path in glob.glob(os.path.join(folder, "TEST-*.xml")):
        for case in ElementTree.parse(path).iter("testcase"):
            test = re.search(r"unique-id: (.*)", "".join(case.itertext())).group(1).strip()
            results[test] = "failed" if case.find("failure") is not None or case.find("error") is not None else \
                "skipped" if case.find("skipped") is not None else "passed"
    return results, done.stdout + done.stderr


def title(test):
    """[engine:…]/[class:org.postgresql.test.jdbc2.NotifyTest]/[method:testNotify()] → NotifyTest.testNotify"""
    names = re.findall(r"\[(?:class|class-template|nested-class|method|test-template|runner|test):([^\]]*)", test)
    return ".".join([names[0].rsplit(".", 1)[-1], *(name.split("(")[0] for name in names[1:])])


def run(world, name, report):
    source, classes = prepare(world.folder)
    reports = os.path.join(world.folder, f"{name}-reports")
    return compare(world, name, world.database(name), functools.partial(tests, source, classes, reports),
                   lambda test: f"{name} {title(test)}", report, words=("passed", "failed", "skipped"))


SUITES = {
    "jdbc": Suite(USER, [f"CREATE EXTENSION hstore; CREATE EXTENSION citext; ALTER ROLE {PRIVILEGED} PASSWORD '{PASSWORD}'"],
                  any_database=True, run=run, route=over_tcp),
}
