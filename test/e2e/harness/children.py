"""Small programs that stand for the application under `exec`."""

import json
import sys

PSQL = ("psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1")


def psql(*statements, url="$DATABASE_URL"):
    """psql as an application would start it: with the URL that its environment holds."""
    quoted = " ".join(f"-c {shell(s)}" for s in statements)
    return ["sh", "-c", f'exec {" ".join(PSQL)} {quoted} "{url}"']


def psql_by_environment(*statements):
    """psql with no connection argument: libpq's own variables must do."""
    return [*PSQL, *(word for s in statements for word in ("-c", s))]


def python(code, *arguments):
    return [sys.executable, "-c", code, *arguments]


def shell(text):
    return "'" + text.replace("'", "'\\''") + "'"


def environment():
    """Prints its environment as JSON."""
    return python("import json, os; print(json.dumps(dict(os.environ)))")


def read_environment(run):
    return json.loads(run.stdout.strip().splitlines()[-1])
