"""The project's own rules, those that no compiler knows. Prints PATH:LINE: RULE: what was seen and how to fix it.

Each rule is a function from a Tree to findings. What may break a rule stands with its reason in
tools/reveal_sites.txt and tools/tidy_exceptions.txt; an entry that no longer excuses anything is a
finding too, so that the lists shrink. tools/test_tidy.py plants a violation of each rule.
"""

import collections
import os
import re
import subprocess
import sys
from typing import NamedTuple

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "cmake"))
import group_sources  # noqa: E402

LAYERS = [["base"], ["crypto"], ["dsn", "wire"], ["secrets", "policy"], ["net", "trail"],
          ["credentials", "config"], ["broker"], ["admin"], ["cli"]]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
PURE = ("crypto", "dsn", "wire", "secrets", "policy")
DECODER_FOLDERS = ("wire", "secrets", "dsn", "config", "trail")
FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 70

IMPURE_INCLUDES = re.compile(
    r"sys/(socket|stat|epoll|eventfd|mman|random|types|wait|un|file)\.h|unistd\.h|fcntl\.h|netdb\.h|poll\.h|signal\.h|"
    r"fstream|iostream|filesystem|thread|mutex|shared_mutex|condition_variable|future|random|cstdio|stdio\.h|"
    r"openssl/(rand|ssl|bio)\.h|curl/.*|spdlog/.*|sqlite3\.h|base/log\.h|boost/asio.*")
IMPURE_CALLS = re.compile(
    r"(?:system_clock|steady_clock|high_resolution_clock)::now|\bgetrandom\s*\(|\bRAND_(?:priv_)?bytes\b|"
    r"std::random_device|\bgetenv\s*\(|\bfopen\s*\(|std::(?:cout|cerr|thread|jthread|mutex|ofstream|ifstream)\b|"
    r"\bstd::time\s*\(|\bprintf\s*\(|\bgettimeofday\s*\(|\bclock_gettime\s*\(")
SOCKET_SIGNS = re.compile(r'#\s*include\s*<(?:sys/socket\.h|netinet/[^>]*|sys/epoll\.h|netdb\.h|sys/un\.h)>|'
                          r"(?<![\w.>])::(?:socket|accept4?|listen|bind|connect|socketpair|sendmsg|recvmsg)\s*\(")
# Split, so that this file does not contain what it looks for.
FOREIGN = re.compile("/wor" "k/|/roo" "t/|pypi" r"\.org|registry\.npm" "js|static\\.crates" r"\.io|index\.crates" r"\.io|"
                     "proxy\\.golang" r"\.org|repo1?\.maven" r"|deb\.debian" r"\.org")
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^">]+)[">]')
REVEAL = re.compile(r"(?:\.|->)reveal\s*\(\s*\)")


class Finding(NamedTuple):
    path: str
    line: int
    rule: str
    message: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


class Tree:
    """The tracked and not yet tracked files of a folder, their text, and their text without comments."""

    def __init__(self, root):
        self.root = root
        listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=root,
                                capture_output=True, text=True)
        if listed.returncode == 0:
            names = listed.stdout.splitlines()
        else:
            names = [os.path.relpath(os.path.join(base, f), root) for base, _, fs in os.walk(root) for f in fs]
        self.names = sorted(n for n in set(names) if os.path.isfile(os.path.join(root, n)))
        self._text, self._code = {}, {}

    def text(self, name):
        if name not in self._text:
            with open(os.path.join(self.root, name), "rb") as file:
                data = file.read()
            self._text[name] = "" if b"\0" in data else data.decode("utf-8", "replace")
        return self._text[name]

    def code(self, name):
        if name not in self._code:
            self._code[name] = blank_comments(self.text(name))
        return self._code[name]

    def sources(self, *folders):
        """C++ files below src/ (all, or of the given layers)."""
        for name in self.names:
            parts = name.split("/")
            if parts[0] == "src" and name.endswith((".h", ".cpp")) and (not folders or parts[1] in folders):
                yield name

    def entries(self, name):
        """Lines "KEY REASON" of a list file, as {key: (line, reason)}; {} when there is no such file."""
        if name not in self.names:
            return {}
        found = {}
        for number, line in enumerate(self.text(name).splitlines(), 1):
            if line.strip() and not line.startswith("#"):
                key, _, reason = line.strip().partition("  ")
                found[key.strip()] = (number, reason.strip())
        return found


def blank_comments(text):
    """Comments and the contents of literals become blanks; lines keep their numbers. Includes stay."""
    def blank(match):
        found = match.group(0)
        before = text[text.rfind("\n", 0, match.start()) + 1:match.start()]
        if found.startswith('"') and before.lstrip().startswith("#"):
            return found
        return re.sub(r"[^\n]", " ", found)
    return group_sources.COMMENT_OR_TEXT.sub(blank, text)


def numbered(text):
    return enumerate(text.splitlines(), 1)


def layer_of(name):
    parts = name.split("/")
    return parts[1] if len(parts) > 2 else None     # src/main.cpp belongs to no layer: it wires them


def check_layers(tree):
    for name in tree.sources():
        own = layer_of(name)
        if own is None:
            continue
        if own not in RANK:
            yield Finding(name, 1, "layer", f"folder src/{own} has no place in LAYERS of tools/tidy.py; give it one")
            continue
        for number, line in numbered(tree.code(name)):
            match = INCLUDE.match(line)
            other = match.group(1).split("/")[0] if match else None
            if other in RANK and other != own and RANK[other] >= RANK[own]:
                yield Finding(name, number, "layer", f"{own}/ may not include {other}/: includes go downward only, "
                                                     f"and siblings never; move the shared part below both")


def check_pure(tree, excused):
    for name in tree.sources(*PURE):
        for number, line in numbered(tree.code(name)):
            match = INCLUDE.match(line)
            sign = match and IMPURE_INCLUDES.fullmatch(match.group(1)) or IMPURE_CALLS.search(line)
            if sign and not excused("impure", name):
                yield Finding(name, number, "pure", f"{layer_of(name)}/ is pure, but this uses {sign.group(0)}: "
                                                    "take it as an argument, or ask for it with an Action")


def check_reveal(tree):
    listed = tree.entries("tools/reveal_sites.txt")
    used = set()
    for name in tree.sources():
        for number, line in numbered(tree.code(name)):
            if REVEAL.search(line):
                used.add(name)
                if name not in listed:
                    yield Finding(name, number, "reveal", "reveal() here is not on tools/reveal_sites.txt: keep the "
                                                          "Secret closed, or add the file with the reason")
    for name, (number, reason) in listed.items():
        if name not in used:
            yield Finding("tools/reveal_sites.txt", number, "reveal", f"{name} no longer calls reveal(): delete the line")
        elif not reason:
            yield Finding("tools/reveal_sites.txt", number, "reveal", f"{name} has no reason: say why it must see secrets")


def check_sockets(tree, excused):
    for name in tree.sources():
        if layer_of(name) == "net":
            continue
        for number, line in numbered(tree.code(name)):
            if SOCKET_SIGNS.search(line) and not excused("socket", name):
                yield Finding(name, number, "socket", "sockets belong in net/: call its Stream, Listener or driver")


DECODER = re.compile(r"(?<![\w.:>])((?:decode|parse)(?:_\w+)?)\s*\(")


def check_decoders(tree, excused):
    # By name alone: a fuzzer's call of some other parse() counts for every decoder called so, and a call that no input
    # reaches counts too. It finds the decoder that was forgotten, not the one that is hardly fuzzed.
    fuzzers = "\n".join(tree.code(n) for n in tree.names if n.startswith("fuzz/") and n.endswith(".cpp"))
    for name in tree.sources(*DECODER_FOLDERS):
        if not name.endswith(".h"):
            continue
        for number, line in numbered(tree.code(name)):
            for function in DECODER.findall(line):
                if re.search(rf"\b{function}\s*\(", fuzzers) or excused("unfuzzed", f"{name}:{function}"):
                    continue
                yield Finding(name, number, "fuzzer", f"no fuzzer calls {function}(): add it to a fuzz/*_fuzz.cpp")


CLASS = re.compile(r"\b(?:class|struct)\s+(\w+)\s*(?:final\s*)?:(?!:)\s*([^{};]*)\{")
DRIVES = re.compile(r"^// Drives (.*)$", re.M)


def conversations(tree):
    """{name: (file, line)} of the classes that derive from Conversation, at any distance, and have none below them."""
    found, bases = {}, {}
    for name in tree.sources():
        code = tree.code(name)
        for match in CLASS.finditer(code):
            clause = re.sub(r"<[^<>]*>", "", match.group(2))
            found[match.group(1)] = (name, code.count("\n", 0, match.start()) + 1)
            bases[match.group(1)] = [part.split()[-1].split("::")[-1] for part in clause.split(",") if part.strip()]
    kin, grown = {"Conversation"}, True
    while grown:
        more = {own for own, its in bases.items() if kin.intersection(its)} - kin
        kin, grown = kin | more, bool(more)
    derived_from = {base for its in bases.values() for base in its}
    return {own: at for own, at in found.items() if own in kin and own not in derived_from}


def check_conversations(tree, excused):
    # Named in a fuzzer's code, or, where a factory hides the class, in its line "// Drives NAME, NAME." By name alone,
    # as for decoders.
    named = set()
    for name in tree.names:
        if name.startswith("fuzz/") and name.endswith(".cpp"):
            named.update(re.findall(r"\w+", tree.code(name)))
            for line in DRIVES.findall(tree.text(name)):
                named.update(re.findall(r"\w+", line))
    for own, (name, number) in sorted(conversations(tree).items()):
        if own not in named and not excused("unfuzzed", f"{name}:{own}"):
            yield Finding(name, number, "fuzzer", f"no fuzzer names {own}: drive it in a fuzz/*_fuzz.cpp; where its "
                                                  f"factory hides it, say there: // Drives {own}.")


FUNCTION_HEAD = re.compile(r"\)\s*(?:const|noexcept|override|final|mutable|&+|->[^{};]*|:[^{};]*|\s)*$", re.S)


def functions(code):
    """(first line, last line, name) of each outermost function body."""
    stack, start = [], 0
    for index, character in enumerate(code):
        if character in ";}":
            if character == "}" and stack:
                kind, where, name = stack.pop()
                if kind == "function" and not any(k == "function" for k, _, _ in stack):
                    yield code.count("\n", 0, where) + 1, code.count("\n", 0, index) + 1, name
            start = index + 1
        elif character == "{":
            head = code[start:index]
            called = re.search(r"([~\w:]+)\s*\(", head)
            container = re.match(r"\s*(?:(?:export|inline|template\s*<[^{]*>)\s*)*(?:namespace|class|struct|union|enum)\b", head)
            kind = "function" if called and not container and FUNCTION_HEAD.search(head) else "other"
            lead = len(head) - len(head.lstrip())
            stack.append((kind, start + lead, called.group(1) if called else ""))
            start = index + 1


def check_lengths(tree, excused):
    for name in tree.names:
        if not name.startswith(("src/", "include/", "fuzz/", "bench/")) or not name.endswith((".h", ".cpp")):
            continue
        lines = tree.text(name).count("\n")
        if lines > FILE_LINES_MAX and not excused("long-file", name):
            yield Finding(name, lines, "length", f"{lines} lines, at most {FILE_LINES_MAX}: one idea a file; split it")
        for first, last, function in functions(tree.code(name)):
            if last - first + 1 > FUNCTION_LINES_MAX and not excused("long-function", f"{name}:{function}"):
                yield Finding(name, first, "length", f"{function}() has {last - first + 1} lines, at most "
                                                     f"{FUNCTION_LINES_MAX}: name its parts")


def check_foreign(tree):
    for name in tree.names:
        for number, line in numbered(tree.text(name)):
            match = FOREIGN.search(line)
            if match:
                yield Finding(name, number, "foreign", f"{match.group(0)!r}: no path of one machine and no registry's "
                                                       "host belongs in the tree")


def check_openings(tree):
    for name in tree.names:
        text = tree.text(name)
        if name.endswith(".h") and name.startswith(("src/", "include/", "fuzz/", "test/")) and "#pragma once" not in text \
                and name != "src/pch.h":
            yield Finding(name, 1, "header", "no #pragma once")
        explained = text.startswith("//") or (name.endswith(".cpp") and name[:-4] + ".h" in tree.names)
        if name.startswith(("src/", "include/", "fuzz/")) and name.endswith((".h", ".cpp")) and not explained:
            yield Finding(name, 1, "header", "a file opens with a comment that says why it exists")


USING = re.compile(r"^\s*using (?:::)?(?:\w+::)+(\w+);\s*$", re.M)


def check_unused(tree):
    """What a source declares for itself and never says again. clang tells that only of the file that it was given by name."""
    for name in tree.sources():
        if not name.endswith(".cpp"):
            continue
        code = re.sub(r"^\s*#\s*include.*$", "", group_sources.code_of(tree.text(name)), flags=re.M)
        said = collections.Counter(group_sources.IDENTIFIER.findall(code))
        own = set(USING.findall(code)).union(*(group_sources.declared(part)[0] for part in group_sources.anonymous_parts(code)))
        for unused in sorted(word for word in own if said[word] == 1):
            line = code[:re.search(rf"\b{unused}\b", code).start()].count("\n") + 1
            yield Finding(name, line, "unused", f"nothing here uses {unused}: delete it")


TEST_SPACE = re.compile(r"^namespace (sallyport[\w:]*) \{", re.M)


def check_test_spaces(tree):
    """A test has a namespace of its own, called as its file: others are compiled as one with it, and have a `run` of their own."""
    for name in tree.names:
        stem = os.path.basename(name)[:-len(".cpp")]
        if name.startswith("test/") and name.endswith("_test.cpp"):
            for space in TEST_SPACE.findall(tree.code(name)):
                if not space.endswith("::" + stem):
                    yield Finding(name, 1, "namespace", f"namespace {space}: a test's own is …::{stem}")


def check(root):
    tree = Tree(root)
    exceptions = tree.entries("tools/tidy_exceptions.txt")
    used = set()

    def excused(kind, what):
        key = f"{kind} {what}"
        if key in exceptions and exceptions[key][1]:
            used.add(key)
            return True
        return False

    found = [*check_layers(tree), *check_pure(tree, excused), *check_reveal(tree), *check_sockets(tree, excused),
             *check_decoders(tree, excused), *check_conversations(tree, excused), *check_lengths(tree, excused),
             *check_foreign(tree), *check_openings(tree), *check_unused(tree), *check_test_spaces(tree)]
    for key, (number, _) in exceptions.items():
        if key not in used:
            found.append(Finding("tools/tidy_exceptions.txt", number, "exception",
                                 f"'{key}' excuses nothing, or gives no reason: delete or complete it"))
    return found


def main():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    found = check(root)
    for finding in found:
        print(finding)
    print(f"tidy: {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
