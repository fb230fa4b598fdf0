"""The binary under test with folders of its own, so that runs neither see one another nor the user's files."""

import json
import os
import re
import resource
import signal
import subprocess
import tempfile
import urllib.parse

from . import canary
from .processes import die_with_parent, stop, wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

# No test sends them. SIGSYS: a system call that our own filter forbids.
CRASHES = {-number for number in (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP,
                                  signal.SIGSYS)}


def binary():
    build = os.environ.get("SALLYPORT_BUILD", os.path.join(ROOT, "build", "release"))
    return os.path.join(build, "sallyport")


def reference(source, **attributes):
    """file:/path + attributes → file:/path?engine=postgresql&host=…"""
    if not attributes:
        return source
    return source + "?" + urllib.parse.urlencode(attributes, quote_via=urllib.parse.quote, safe="/:")


def prepare_child(descriptors):
    die = die_with_parent(signal.SIGTERM)

    def prepare():
        die()
        if descriptors:
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    return prepare


class Run:
    """A finished or running sallyport. `output` is everything it and its child printed. `inside`: words before the command."""

    def __init__(self, home, arguments, env, stdin=None, cwd=None, descriptors=None, inside=()):
        self.arguments = arguments
        self._out = tempfile.TemporaryFile()
        self._err = tempfile.TemporaryFile()
        self.process = subprocess.Popen([*inside, binary(), *arguments], stdout=self._out, stderr=self._err, env=env,
                                        stdin=stdin if stdin is not None else subprocess.DEVNULL, cwd=cwd or home,
                                        preexec_fn=prepare_child(descriptors))

    @property
    def pid(self):
        return self.process.pid

    @property
    def stdout(self):
        return self._read(self._out)

    @property
    def stderr(self):
        return self._read(self._err)

    @property
    def output(self):
        return self.stdout + self.stderr

    def wait(self, seconds=60):
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not end in {seconds} s: {self.arguments}\n{self.output}") from None
        return self

    @property
    def code(self):
        return self.process.returncode

    def until(self, text, seconds=20):
        """Waits until `text` (a regular expression) has been printed; the match."""
        def look():
            found = re.search(text, self.output)
            if not found and self.process.poll() is not None:
                found = re.search(text, self.output)
                if not found:
                    raise AssertionError(f"ended ({self.code}) without printing {text!r}:\n{self.output}")
            return found
        return wait_for(look, f"{text!r} in the output", seconds)

    def ok(self):
        assert self.code == 0, f"exit {self.code}: {self.arguments}\n--- stdout\n{self.stdout}--- stderr\n{self.stderr}"
        return self

    def close(self):
        self._out.close()
        self._err.close()

    @staticmethod
    def _read(file):
        # pread leaves the writers' shared offset alone.
        size = os.fstat(file.fileno()).st_size
        return os.pread(file.fileno(), size, 0).decode(errors="replace")


class Sallyport:
    def __init__(self, folder):
        self.folder = folder
        self.runs = []
        for name in ("home", "run", "state", "tmp"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)
            os.chmod(os.path.join(folder, name), 0o700)

    @property
    def state(self):
        return os.path.join(self.folder, "state")

    def env(self, **more):
        path = lambda name: os.path.join(self.folder, name)     # noqa: E731
        env = {"PATH": os.environ["PATH"], "HOME": path("home"), "XDG_RUNTIME_DIR": path("run"),
               "XDG_STATE_HOME": path("state"), "TMPDIR": path("tmp"), "LANG": "C.UTF-8", "TZ": "UTC"}
        env.update({k: v for k, v in more.items() if v is not None})
        return env

    def start(self, *arguments, env=None, stdin=None, cwd=None, descriptors=None, inside=()):
        run = Run(os.path.join(self.folder, "home"), list(arguments), self.env(**(env or {})), stdin, cwd, descriptors, inside)
        self.runs.append(run)
        return run

    def run(self, *arguments, env=None, seconds=60, stdin=None, cwd=None):
        return self.start(*arguments, env=env, stdin=stdin, cwd=cwd).wait(seconds)

    def start_exec(self, command, url=None, flags=(), env=None, stdin=None, inside=()):
        env = dict(env or {})
        if url is not None:
            env["DATABASE_URL"] = url
        return self.start("exec", *flags, "--", *command, env=env, stdin=stdin, inside=inside)

    def exec(self, command, url=None, flags=(), env=None, seconds=60, stdin=None, inside=()):
        return self.start_exec(command, url, flags, env, stdin, inside).wait(seconds)

    def secret_file(self, secret, name="password", mode=0o600):
        path = os.path.join(self.folder, "home", name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(secret)
        os.chmod(path, mode)
        return path

    def config(self, text, name="sallyport.yaml"):
        path = os.path.join(self.folder, "home", name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o600)
        return path

    def audit(self, *arguments):
        """Rows of the trail, oldest first."""
        run = self.run("audit", "query", "--format", "json", *arguments).ok()
        text = run.stdout.strip()
        if text.startswith("["):
            return json.loads(text)
        return [json.loads(line) for line in text.splitlines() if line.strip()]

    def close(self):
        """Ends what still runs. A test fails if a run of it ended by a signal that only a defect of ours sends."""
        crashed = []
        for run in self.runs:
            stop(run.process)
            if run.code in CRASHES or "Sanitizer" in run.stderr:
                crashed.append(f"ended with {run.code}: {run.arguments}\n{run.output[-8000:]}")
            run.close()
        assert not crashed, "\n".join(crashed)

    def assert_no_canary(self, secret, allowed_files=(), pids=()):
        """Nothing that any run printed or left in a file holds the secret; nor do the processes below `pids`."""
        found = []
        for run in self.runs:
            found += [f"output of {run.arguments}: {how}" for how in canary.search(secret, run.output)]
        for hit in canary.search_files(secret, self.folder):
            if not any(hit.startswith(path) for path in allowed_files):
                found.append(hit)
        for pid in pids:
            found += canary.search_processes(secret, pid)
        assert not found, "the canary was found: " + "; ".join(found)
