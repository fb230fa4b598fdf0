"""The test suite of pgjdbc, from the source that stands beside its jar on Maven Central. For driver_suites.py, which says what is
expected of it."""

import glob
import os
import re
import shutil
import subprocess
import time
import xml.etree.ElementTree as ElementTree

from harness.processes import free_port
from harness.sallyport import binary

USER, PRIVILEGED = "test", "postgres"     # as its build.properties has them
SUITES = {"jdbc": "org.postgresql:postgresql:42.7.10"}
# Writes until its connection is gone, which the way does not see to: it would never end.
ENDLESS = {"transaction": r".*CopyTest#lockReleaseOnCancelFailure.*"}
CONSOLE = "org.junit.platform:junit-platform-console-standalone:1.14.1"


def maven(folder, *words):
    subprocess.run(["mvn", "-B", "-q", *words], cwd=folder, check=True)


def prepare(folder):
    """(its source, compiled; the class path)"""
    maven(folder, "dependency:copy", f"-Dartifact={SUITES['jdbc']}:tar.gz:jdbc-src", f"-DoutputDirectory={folder}")
    maven(folder, "dependency:copy", f"-Dartifact={CONSOLE}", f"-DoutputDirectory={folder}")
    (archive,) = glob.glob(os.path.join(folder, "*-jdbc-src.tar.gz"))
    shutil.unpack_archive(archive, folder, filter="data")
    source = archive.removesuffix(".tar.gz")
    maven(source, "-DskipShadeDependencies=true", "test-compile", "dependency:copy-dependencies", "-DoutputDirectory=lib")
    (console,) = glob.glob(os.path.join(folder, "junit-platform-console-standalone-*.jar"))
    # The console brings JUnit itself.
    others = [jar for jar in sorted(glob.glob(os.path.join(source, "lib", "*.jar"))) if not os.path.basename(jar).startswith("junit-")]
    return source, ":".join([console, *(os.path.join(source, "target", name) for name in ("test-classes", "classes")), *others])


def over_tcp(service, pki, password):
    """A route that pgjdbc can take: it speaks TCP only, and sends its cancels in clear. The port."""
    it, port = service.sallyport, free_port()
    secret, passwords = it.secret_file(password), os.path.join(it.folder, "home", "passwords")
    for name in (USER, PRIVILEGED):
        subprocess.run([binary(), "passwd", name, "--file", passwords, "--stdin"], input=password + "\n", text=True, check=True,
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


def run(prepared, folder, name, port, password, only=()):
    """{test: "passed" | "failed" | "skipped"}, and all that was printed."""
    source, classes = prepared
    shutil.rmtree(folder, ignore_errors=True)
    settings = {"build.properties.relative.path": source, "test.url.PGHOST": "localhost", "test.url.PGPORT": port, "password": password,
                "privilegedPassword": password, "junit.jupiter.extensions.autodetection.enabled": "true",
                "junit.jupiter.execution.timeout.default": "1 m"}
    chosen = [w for test in only for w in ("--select-unique-id", test)] or [
        "--scan-classpath", os.path.join(source, "target", "test-classes"), "--include-classname", r".*\.(Test[^.]*|[^.]*Tests?)"]
    if name in ENDLESS:
        chosen += ["--exclude-methodname", ENDLESS[name]]
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


def java_suite(world, suite, folder, password, report):
    """How many fail in session pooling, not directly, and without an explanation."""
    prepared, reports = prepare(folder), os.path.join(folder, f"{suite}-reports")
    direct, failures = None, 0
    for name, (_, port) in world.database(suite).items():
        started = time.monotonic()
        results, output = run(prepared, reports, name, port, password)
        with open(os.path.join(folder, f"{suite}-{name}.log"), "w", encoding="utf-8") as file:
            file.write(output)
        print(f"{suite}, {name}: {', '.join(f'{sum(v == w for v in results.values())} {w}' for w in ('passed', 'failed', 'skipped'))} in "
              f"{time.monotonic() - started:.0f} s", flush=True)
        if not results:
            print(output[-2000:])
        if name == "direct":
            direct = results
            continue
        more = {test for test, verdict in direct.items() if verdict == "passed" and results.get(test) != "passed"}
        if more:    # once more, alone: not what fails by chance
            again, _ = run(prepared, reports, name, port, password, only=sorted(more))
            more = {test for test in more if again.get(test, "failed") == "failed"}
        failures += report(name, sorted({f"{suite} {title(test)}" for test in more}))
    world.close()
    return failures
