"""The release binary as the toolchain can harden it; readelf tells."""

import os
import re
import shutil
import subprocess

import pytest

from conftest import require, skip_here
from harness.sallyport import binary


def cached(name):
    """A value of the build's CMake cache; empty where there is none."""
    path = os.path.join(os.path.dirname(binary()), "CMakeCache.txt")
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as file:
        found = re.search(rf"^{name}:\w+=(.*)$", file.read(), re.M)
    return found.group(1) if found else ""


@pytest.fixture(scope="module")
def told():
    """What readelf tells of the binary under test, by option."""
    require(shutil.which("readelf"), "readelf (binutils)")
    if cached("CMAKE_BUILD_TYPE") not in ("Release", "RelWithDebInfo"):
        skip_here("needs a release build; what is under test is none")

    def ask(*options):
        return subprocess.run(["readelf", "-W", *options, binary()], capture_output=True, text=True, check=True,
                              env={"PATH": os.environ["PATH"], "LC_ALL": "C"}).stdout
    return ask


def test_it_is_a_position_independent_executable(told):
    assert re.search(r"^\s*Type:\s+DYN ", told("-h"), re.M)
    assert re.search(r"\(FLAGS_1\).*\bPIE\b", told("-d"))


def test_relocations_are_read_only_before_main(told):
    """RELRO alone leaves the PLT's table writable; BIND_NOW makes it whole."""
    assert re.search(r"^\s*GNU_RELRO\s", told("-l"), re.M)
    dynamic = told("-d")
    assert re.search(r"\(FLAGS\).*\bBIND_NOW\b", dynamic) and re.search(r"\(FLAGS_1\).*\bNOW\b", dynamic)
    assert "(TEXTREL)" not in dynamic


def test_no_memory_is_both_writable_and_executable(told):
    segments = told("-l")
    assert re.search(r"^\s*GNU_STACK\s.*\sRW\s", segments, re.M)
    assert not re.search(r"^\s*(LOAD|GNU_STACK)\s.*\sRWE\s", segments, re.M)


def test_the_stack_protector_and_fortified_functions_are_used(told):
    symbols = told("--dyn-syms")
    assert "__stack_chk_fail" in symbols
    assert re.search(r"\b__(mem|str|v?s?n?printf|read|recv|poll|explicit_bzero)\w*_chk\b", symbols), "no _FORTIFY_SOURCE"


LANDING_PAD = bytes.fromhex("f30f1efa")     # endbr64


def has_cet(file):
    notes = subprocess.run(["readelf", "-n", file], capture_output=True, text=True).stdout
    return bool(re.search(r"x86 feature: IBT, SHSTK", notes))


def test_control_flow_enforcement_is_compiled_in(told):
    """The note that switches it on takes the C library's start files, too: the linker writes it only if all have it."""
    if not re.search(r"Machine:.*X86-64", told("-h")):
        skip_here("needs x86-64: only there the compiler has CET")
    with open(binary(), "rb") as file:
        assert file.read().count(LANDING_PAD) > 1000
    starts = [subprocess.run(["cc", f"-print-file-name={name}"], capture_output=True, text=True).stdout.strip()
              for name in ("Scrt1.o", "crti.o", "crtn.o")]
    if not all(has_cet(file) for file in starts):
        skip_here("needs a C library with CET (the code has it; this toolchain's start files carry no note)")
    assert has_cet(binary())
