"""Plants one violation of each rule of tidy.py in an empty tree, and what must not be one beside it."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tidy  # noqa: E402

CLEAN = "// Why.\n#pragma once\n"
LONG_BODY = "\n".join(["  step();"] * 75)


@pytest.fixture
def findings(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    def plant(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_H", ".h").replace("_CPP", ".cpp").replace("_TXT", ".txt")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return [(f.path, f.rule) for f in tidy.check(str(tmp_path))]
    return plant


@pytest.mark.parametrize("own, other, allowed", [
    ("broker", "net", True), ("net", "broker", False), ("dsn", "wire", False), ("wire", "crypto", True),
    ("secrets", "policy", False), ("cli", "base", True), ("base", "crypto", False), ("wire", "wire", True)])
def test_includes_go_downward_only(findings, own, other, allowed):
    found = findings(**{f"src__{own}__a_H": CLEAN + f'#include "{other}/b.h"\n'})
    assert (f"src/{own}/a.h", "layer") not in found if allowed else (f"src/{own}/a.h", "layer") in found


def test_main_may_include_everything(findings):
    assert findings(src__main_CPP='// Why.\n#include "cli/command.h"\n#include "net/loop.h"\n') == []


def test_an_unknown_folder_is_a_finding(findings):
    assert findings(src__misc__a_H=CLEAN) == [("src/misc/a.h", "layer")]


@pytest.mark.parametrize("line", ["#include <sys/socket.h>", "#include <fstream>", "#include <thread>", "#include <unistd.h>",
                                  "auto t = std::chrono::system_clock::now();", "getrandom(p, n, 0);", "RAND_bytes(p, n);",
                                  '#include "base/log.h"', "const char* v = getenv(name);"])
def test_pure_folders_do_no_io(findings, line):
    assert ("src/wire/a.cpp", "pure") in findings(src__wire__a_CPP=f"// Why.\n{line}\n")


@pytest.mark.parametrize("line", ["// calls system_clock::now() never", 'auto s = "getrandom(2)";', "#include <chrono>"])
def test_comments_and_literals_do_not_count(findings, line):
    assert findings(src__wire__a_CPP=f"// Why.\n{line}\n") == []


def test_impure_calls_are_fine_in_net(findings):
    assert findings(src__net__a_CPP="// Why.\n#include <sys/socket.h>\nauto t = std::chrono::steady_clock::now();\n") == []


def test_reveal_needs_a_line_on_the_list(findings):
    assert findings(src__net__a_CPP="// Why.\nauto v = secret.reveal();\n") == [("src/net/a.cpp", "reveal")]


def test_reveal_on_the_list_is_fine(findings):
    assert findings(src__net__a_CPP="// Why.\nauto v = secret->reveal();\n",
                    tools__reveal_sites_TXT="src/net/a.cpp  sends it\n") == []


def test_a_stale_reveal_line_and_one_without_reason_are_findings(findings):
    assert findings(src__net__a_CPP="// Why.\nauto v = s.reveal();\n",
                    tools__reveal_sites_TXT="src/net/a.cpp\nsrc/net/gone.cpp  was needed\n") == [
        ("tools/reveal_sites.txt", "reveal"), ("tools/reveal_sites.txt", "reveal")]


@pytest.mark.parametrize("line", ["#include <sys/epoll.h>", "int fd = ::socket(AF_UNIX, 0, 0);", "::connect(fd, a, n);"])
def test_sockets_stay_in_net(findings, line):
    assert ("src/broker/a.cpp", "socket") in findings(src__broker__a_CPP=f"// Why.\n{line}\n")


def test_a_method_called_connect_is_no_socket(findings):
    assert findings(src__broker__a_CPP="// Why.\nvoid f() { pool.connect(x); Net::connect(y); }\n") == []


def test_a_decoder_needs_a_fuzzer(findings):
    header = CLEAN + "Result<int> decode_ping(Bytes input);\n"
    assert findings(src__wire__a_H=header) == [("src/wire/a.h", "fuzzer")]


def test_a_decoder_with_a_fuzzer_is_fine(findings):
    assert findings(src__wire__a_H=CLEAN + "Result<int> decode_ping(Bytes input);\n",
                    fuzz__ping_fuzz_CPP="// Why.\nint go() { return decode_ping(x); }\n") == []


def test_a_comment_in_a_fuzzer_is_no_call(findings):
    assert ("src/dsn/a.h", "fuzzer") in findings(src__dsn__a_H=CLEAN + "Result<int> parse(std::string_view text);\n",
                                                 fuzz__x_fuzz_CPP="// parse(text)\n")


LOGIN = CLEAN + "class Login final : public Conversation, private Part<int> {};\n"
FETCH = "// Why.\nclass Base : public secrets::Conversation {};\nclass Own final\n    : public Base {};\n"


@pytest.mark.parametrize("own", [{"src__wire__a_H": LOGIN}, {"src__secrets__a_CPP": FETCH}])
def test_a_conversation_needs_a_fuzzer(findings, own):
    assert [rule for _, rule in findings(**own)] == ["fuzzer"]
    assert findings(**own, fuzz__a_fuzz_CPP="// Why.\n// Login and Own are driven.\nauto text = \"Login Own\";\n") != []


@pytest.mark.parametrize("fuzzer", ["// Why.\nLogin login{x};\n", "// Why.\n// Drives Login, Logout.\n"])
def test_a_conversation_that_a_fuzzer_names_is_fine(findings, fuzzer):
    assert findings(src__wire__a_H=LOGIN, fuzz__a_fuzz_CPP=fuzzer) == []


def test_a_class_that_only_uses_conversations_needs_none(findings):
    assert findings(src__net__a_H=CLEAN + "class Run : public Shared<Conversation>, private Events {};\n") == []


def test_long_functions_and_files_are_findings(findings):
    found = findings(src__net__f_CPP=f"// Why.\nnamespace a {{\nint f(int x) {{\n{LONG_BODY}\n}}\n}}\n",
                     src__net__g_CPP="// Why.\n" + "int x;\n" * 301)
    assert sorted(found) == [("src/net/f.cpp", "length"), ("src/net/g.cpp", "length")]


def test_a_long_class_of_short_functions_is_fine(findings):
    body = "\n".join(f"  int f{i}() const {{\n    return {i};\n  }}" for i in range(40))
    assert findings(src__net__f_H=f"{CLEAN}class A {{\n{body}\n}};\n") == []


def test_exceptions_excuse_and_stale_ones_are_findings(findings):
    text = f"// Why.\nint f(int x) {{\n{LONG_BODY}\n}}\n"
    assert findings(src__net__f_CPP=text, tools__tidy_exceptions_TXT="long-function src/net/f.cpp:f  a table\n") == []
    assert findings(src__net__f_CPP="// Why.\n") == [("tools/tidy_exceptions.txt", "exception")]


@pytest.mark.parametrize("text", ["see /wor" "k/main/x", "/roo" "t/.cache", "https://pypi" ".org/simple",
                                  "https://registry.npm" "js.org/pg"])
def test_no_machine_paths_or_registry_hosts(findings, text):
    assert findings(**{"README.md": text}) == [("README.md", "foreign")]


def test_headers_have_pragma_once_and_files_say_why(findings):
    assert findings(src__net__a_H="// Why.\n", src__net__b_CPP="int x;\n") == [
        ("src/net/a.h", "header"), ("src/net/b.cpp", "header")]


@pytest.mark.parametrize("own", ["using base::Cut;", "constexpr int cut = 3;", "int cut(int a) {\n  return a;\n}", "struct Cut {\n  int a;\n};"])
def test_what_a_source_has_for_itself_and_does_not_use_is_a_finding(findings, own):
    text = f"// Why.\nnamespace a {{\nnamespace {{\n{own}\n}}  // namespace\n// cut, Cut\n%s}}  // namespace a\n"
    assert findings(src__net__f_CPP=text % "") == [("src/net/f.cpp", "unused")]
    assert findings(src__net__f_CPP=text % "Cut b = cut(3);\n") == []


def test_a_using_declaration_in_a_function_counts(findings):
    assert findings(src__net__f_CPP='// Why.\n#include "base/Cut.h"\nvoid f() {\n  using base::Cut;\n}\n') == [("src/net/f.cpp", "unused")]


@pytest.mark.parametrize("space, found", [("sallyport::net", [("test/net/dns_test.cpp", "namespace")]), ("sallyport::net::dns_test", []),
                                          ("sallyport::dns_test", [])])
def test_a_test_has_a_namespace_of_its_own(findings, space, found):
    assert findings(test__net__dns_test_CPP=f"namespace {space} {{\n}}\n") == found
