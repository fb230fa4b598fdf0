"""The canary of invariant 1: a secret that looks like no other text, looked for in every encoding it may wear."""

import base64
import os
import secrets
import urllib.parse

from .processes import descendants, proc


def make():
    """Characters that percent-encoding and base64 both change, and enough of chance to be found by no accident."""
    return f"kanarie/{secrets.token_hex(8)}+@%=&{secrets.token_hex(4)}"


def encodings(secret):
    """{name: bytes to look for}"""
    raw = secret.encode()
    found = {"plain": raw, "percent": urllib.parse.quote(secret, safe="").encode(),
             "percent lower": urllib.parse.quote(secret, safe="").lower().encode(),
             "hex": raw.hex().encode(), "HEX": raw.hex().upper().encode(), "json": secret.replace("/", "\\/").encode()}
    for offset in range(3):     # base64 of a text that contains it, at each alignment
        body = base64.b64encode(b"\0" * offset + raw)
        cut = body[4 if offset else 0:-4]
        found[f"base64 at {offset}"] = cut
        found[f"base64url at {offset}"] = cut.replace(b"+", b"-").replace(b"/", b"_")
    return found


def search(secret, text):
    """Names of the encodings in which `text` holds the secret."""
    data = text if isinstance(text, bytes) else text.encode(errors="replace")
    return [name for name, needle in encodings(secret).items() if needle in data]


def search_files(secret, *folders):
    """["PATH: encoding"] over every regular file below the folders."""
    found = []
    for folder in folders:
        for base, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(base, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    with open(path, "rb") as file:
                        found += [f"{path}: {how}" for how in search(secret, file.read())]
    return found


def search_processes(secret, pid, skip_environ=()):
    """["/proc/PID/FILE: encoding"] over the environment and command line of `pid` and all below it."""
    found = []
    for each in descendants(pid):
        for name in ("cmdline", "environ"):
            if name == "environ" and each in skip_environ:
                continue
            found += [f"/proc/{each}/{name}: {how}" for how in search(secret, proc(each, name))]
    return found


def assert_in_no_process(pid, *secrets_):
    """None of the secrets is in the environment or command line of `pid` and of what it runs."""
    assert len(descendants(pid)) >= 2, "there is no child to look at"
    found = [hit for secret in secrets_ for hit in search_processes(secret, pid)]
    assert secrets_ and not found, found
