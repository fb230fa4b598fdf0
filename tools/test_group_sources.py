"""Which sources may be compiled as one: those in which no name changes its meaning by the company it is in."""

import os
import subprocess
import sys

import pytest

CMAKE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cmake")
sys.path.insert(0, CMAKE)
import group_sources  # noqa: E402


def source(own="", code="", space="sallyport::net", includes=()):
    lines = [f'#include "{name}"\n' for name in includes]
    hidden = f"namespace {{\n\n{own}\n\n}}  // namespace\n" if own else ""
    return "".join(lines) + f"namespace {space} {{\n{hidden}{code}\n}}  // namespace {space}\n"


@pytest.fixture
def packed(tmp_path):
    def pack(size=8, **files):
        for name, text in files.items():
            (tmp_path / (name.removesuffix("_h") + (".h" if name.endswith("_h") else ".cpp"))).write_text(text)
        sources = [str(tmp_path / f"{name}.cpp") for name in files if not name.endswith("_h")]
        return [[os.path.basename(f)[:-len(".cpp")] for f in group] for group in group_sources.pack(sources, str(tmp_path), size)]
    return pack


@pytest.mark.parametrize("own", [
    "int cut(int a) {\n  return a;\n}", "int cut(int a) { return std::abs(a); }", "constexpr auto cut = 3;", "constexpr auto cut =\n    3;", "struct cut {\n  int a;\n};", "using cut = int;",
    "using base::cut;", "template <typename T>\nT cut(T a) {\n  return a;\n}", "enum class cut { a };",
    "struct alignas(8) cut {\n  int a;\n};", "struct [[gnu::packed]] cut {\n  int a;\n};",
    "constexpr std::array cut{1,\n                         2};", "namespace cut = base;",
    # behind the end of another function
    "int first() {\n  return 1;\n}\n\nint cut() {\n  return 2;\n}"])
def test_what_a_source_keeps_to_itself_is_not_met_by_who_says_the_same_word(packed, own):
    assert packed(a=source(own), b=source(code="int x = cut(3);")) == [["a"], ["b"]]
    assert packed(a=source(own), b=source("int paste() {\n  return 1;\n}")) == [["a", "b"]]


def test_two_of_the_same_name_keep_apart_and_the_same_alias_may_be_said_twice(packed):
    own = "int cut(int a) {\n  return a;\n}"
    assert packed(a=source(own), b=source(own)) == [["a"], ["b"]]
    assert packed(a=source("using base::cut;"), b=source("using base::cut;")) == [["a", "b"]]


@pytest.mark.parametrize("code", ["int x = text.cut(3);", "int x = other::cut(3);", "// cut\nint x;", 'auto x = "cut";',
                                  "int x = text->cut(3);"])
def test_a_word_that_cannot_mean_it_keeps_nobody_apart(packed, code):
    assert packed(a=source("int cut(int a) {\n  return a;\n}"), b=source(code=code)) == [["a", "b"]]


def test_another_namespace_does_not_see_it_and_one_within_does(packed):
    own = "int cut(int a) {\n  return a;\n}"
    assert packed(a=source(own), b=source(own, space="sallyport::wire")) == [["a", "b"]]
    assert packed(a=source(own), b=source(own, space="sallyport::net::inner")) == [["a"], ["b"]]
    assert packed(a=source(own), b=source(own, space="inner")) == [["a"], ["b"]]


def test_what_the_other_one_includes_counts(packed):
    own = "int cut(int a) {\n  return a;\n}"
    header = source(code="inline int two() { return cut(2); }")
    # read behind a's names
    assert packed(cut_h=header, a=source(own), b=source(includes=["cut.h"])) == [["a"], ["b"]]
    # what a includes stands there for b, which did not ask for it
    assert packed(cut_h=header, a=source(includes=["cut.h"]), b=source(own)) == [["a"], ["b"]]
    # through another header
    assert packed(cut_h=header, more_h='#include "cut.h"\n', a=source(own), b=source(includes=["more.h"])) == [["a"], ["b"]]
    # both live with it already
    assert packed(cut_h=header, a=source(own, includes=["cut.h"]), b=source(includes=["cut.h"])) == [["a", "b"]]


def test_a_source_without_its_own_comment_at_the_end_is_understood(packed):
    short = 'namespace sallyport::net {\nnamespace {\nconstexpr auto cut = "}";\n}\nint f() { return 1; }\n}\n'
    assert packed(a=short, b=source(code="int x = cut;")) == [["a"], ["b"]]


def test_what_stands_outside_and_in_no_header_is_its_own_too(packed):
    assert packed(a=source(code="int cut(int a) {\n  return a;\n}"), b=source(code="int x = cut(3);")) == [["a"], ["b"]]
    # of a class, and what a header declares, is nobody's own
    both = source(code="int cut(int a);")
    assert packed(cut_h=both, a=source(code="int Box::cut(int a) {\n  return a;\n}"),
                  b=source(code="int x = cut(3);", includes=["cut.h"])) == [["a", "b"]]
    assert packed(cut_h=both, a=source(code="int cut(int a) {\n  return a;\n}", includes=["cut.h"]),
                  b=source(code="int x = cut(3);", includes=["cut.h"])) == [["a", "b"]]


def test_what_a_neighbour_includes_declares_nothing_new(packed):
    declares = source(code="int cut(std::string_view a);\n#define CUT 1")
    assert packed(cut_h=declares, a=source(includes=["cut.h"]), b=source(code="int x = cut(3);")) == [["a"], ["b"]]
    assert packed(cut_h=declares, a=source(includes=["cut.h"]), b=source(code="int x = box.CUT;")) == [["a"], ["b"]]
    # b has a declaration of its own in sight: overloads are told apart by their types
    assert packed(cut_h=declares, other_h=source(code="int cut(int a);"), a=source(includes=["cut.h"]),
                  b=source(code="int x = cut(3);", includes=["other.h"])) == [["a", "b"]]
    # a header that comes behind
    assert packed(cut_h=declares, other_h=source(code="inline int two() { return cut(2); }"), a=source(includes=["cut.h"]),
                  b=source(includes=["other.h"])) == [["a"], ["b"]]


@pytest.mark.parametrize("own", ["constexpr int first = 1,\n              cut = 2;", "bool operator==(const A& a, const B& b) {\n  return true;\n}",
                                 "std::vector<std::string>\ncut(int a) {\n  return a;\n}"])
def test_what_cannot_be_told_stands_alone(packed, own):
    assert packed(a=source(own), b=source()) == [["a"], ["b"]]


@pytest.mark.parametrize("opened, together", [("std::chrono", False), ("std::chrono_literals", True), ("std::literals", True)])
def test_literals_are_the_only_names_of_another_namespace_that_may_be_opened_for_all(packed, opened, together):
    groups = packed(a=source(code=f"using namespace {opened};"), b=source())
    assert groups == ([["a", "b"]] if together else [["a"], ["b"]])


def test_macros_pragmas_and_opened_namespaces_keep_to_themselves(packed):
    assert packed(a="#define CUT 1\n" + source(), b=source(code="int x = CUT;", space="sallyport::wire")) == [["a"], ["b"]]
    assert packed(a="#pragma GCC optimize 3\n" + source(), b=source()) == [["a"], ["b"]]
    assert packed(a=source(code="using namespace aws;"), b=source()) == [["a"], ["b"]]
    assert packed(a=source(code="using namespace aws;", space="sallyport::a_test"), b=source()) == [["a", "b"]]


def test_groups_are_of_the_size_at_most_and_lose_nobody(packed):
    files = {f"file_{i}": source() for i in range(7)}
    assert [len(g) for g in packed(size=3, **files)] == [3, 3, 1]
    assert sorted(sum(packed(size=3, **files), [])) == sorted(files)


def test_what_is_printed_is_what_is_to_be_compiled(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.cpp").write_text(source())
    (tmp_path / "d.cpp").write_text("#pragma GCC optimize 3\n")
    def run():
        return subprocess.run([sys.executable, os.path.join(CMAKE, "group_sources.py"), str(tmp_path / "out"), str(tmp_path), "3",
                               *(str(tmp_path / f"{name}.cpp") for name in "abcd")], capture_output=True, text=True, check=True).stdout
    group = tmp_path / "out" / "group_0.cpp"
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "group_7.cpp").write_text("of sources that are gone")
    assert run() == f"{group};{tmp_path / 'd.cpp'}"
    assert group.read_text() == '#include "a.cpp"\n#include "b.cpp"\n#include "c.cpp"\n'
    assert os.listdir(tmp_path / "out") == ["group_0.cpp"]
    written = group.stat().st_mtime_ns
    run()
    assert group.stat().st_mtime_ns == written      # or everything would be compiled again
