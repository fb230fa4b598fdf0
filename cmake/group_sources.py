"""Groups the sources of one target, so that several are compiled as one: what they include is read once.

A source may stand before another in a group only where no name that it keeps to itself (in an anonymous
namespace, or as a macro) can be seen by the other one, or by what the other one includes: a group never
changes what a name means. What does not fit stands alone, and compiles as it always did.

    group_sources.py OUT ROOT SIZE FILE…   writes OUT/group_N.cpp, prints what is to be compiled, separated by ";"

FILE is absolute; ROOT is a folder on the include path, to which the groups' lines are relative: a clone in
another folder compiles the same text, which a compiler cache knows.
"""

import functools
import os
import re
import sys

COMMENT_OR_TEXT = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![\da-fA-F])\'(?:\\.|[^\'\\\n])+\'', re.S)
QUOTED = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
ANONYMOUS = re.compile(r"^namespace \{\n(.*?)^\}  // namespace$", re.M | re.S)     # as clang-format writes it
NAME = re.compile(r"(?:struct|class|enum(?: class)?|concept|namespace) (\w+)|using (?:\w+::)*(\w+)"
                  r"|.*?(?<![\w:.])([A-Za-z_]\w*)\s*(?:\(|\{|=(?!=)|;|\[)")
NAMESPACE = re.compile(r"^(?:inline )?namespace ([\w:]+) \{$", re.M)
OPENED = re.compile(r"^using (?:namespace (?!std::)|enum )", re.M)
PRAGMA = re.compile(r"^#\s*pragma (?!once)", re.M)
MACRO = re.compile(r"^\s*#\s*define\s+(\w+)", re.M)
# Not behind "." or "->" or "::": what is said to be somebody's cannot be mistaken for what stands alone.
WORD = re.compile(r"(?<![\w.])(?<!->)(?<!::)[A-Za-z_]\w*")


def code_of(text):
    """The text without what a compiler does not read as names."""
    return COMMENT_OR_TEXT.sub(" ", text)


def own_names(text):
    """What a source declares for itself alone."""
    names = set()
    for body in ANONYMOUS.findall(text):
        for line in code_of(body).split("\n"):
            if not line or line[0] in " \t}#)":     # inside of something, or its end
                continue
            found = NAME.match(re.sub(r"^template <.*?> ", "", line))
            if found:
                names.add(next(filter(None, found.groups())))
    return names


def inside(inner, outer):
    """Whether code of the one namespace sees the names of the other. What is opened within another one may be anything."""
    relative = not (inner.startswith("sallyport") and outer.startswith("sallyport"))
    return relative or inner == outer or inner.startswith(outer + "::")


class Text:
    """What the packing has to know of a file, source or header."""

    def __init__(self, path, root):
        with open(path, encoding="utf-8") as source:
            text = source.read()
        code = code_of(text)
        self.path = path
        self.words = set(WORD.findall(code))
        self.spaces = set(NAMESPACE.findall(code))
        self.own, self.macros = own_names(text), set(MACRO.findall(code))
        self.opens, self.stands_alone = bool(OPENED.search(code)), bool(PRAGMA.search(code))
        self.includes = []
        for name in QUOTED.findall(text):
            places = (os.path.join(os.path.dirname(path), name), os.path.join(root, name), os.path.join(root, "src", name))
            self.includes += [os.path.normpath(p) for p in places if os.path.isfile(p)][:1]

    def could_mean(self, other):
        """Whether a word of this file could be taken for what the other one keeps to itself."""
        sees = any(inside(ours, theirs) for ours in self.spaces for theirs in other.spaces)
        return (sees and (self.opens or other.opens or other.own & self.words)) or other.macros & self.words


class Texts:
    """Every file is read once."""

    def __init__(self, root):
        self.root = root
        self.known = {}

    def of(self, path):
        if path not in self.known:
            self.known[path] = Text(path, self.root)
        return self.known[path]

    @functools.cache
    def could_mean(self, path, other):
        return self.of(path).could_mean(self.of(other))

    @functools.cache
    def headers(self, path):
        """Every header of ours that the file reaches."""
        seen, queue = set(), [path]
        while queue:
            new = [header for header in self.of(queue.pop()).includes if header not in seen]
            seen.update(new)
            queue += new
        return seen


def may_follow(later, earlier, texts):
    after, before = texts.of(later), texts.of(earlier)
    if texts.could_mean(later, earlier) or after.stands_alone or before.stands_alone:
        return False
    behind, ahead = texts.headers(later), texts.headers(earlier)
    # A header that only the later one includes is read behind the earlier one's names, and what the earlier
    # one included stands there for the later one.
    return not (any(texts.could_mean(header, earlier) for header in behind - ahead)
                or any(texts.could_mean(header, later) for header in ahead - behind))


def pack(paths, root, size):
    """Groups of at most `size` files, in order; each file goes into the first group that it fits."""
    texts = Texts(root)
    groups = []
    for path in sorted(paths):
        for group in groups:
            if len(group) < size and all(may_follow(path, other, texts) for other in group):
                group.append(path)
                break
        else:
            groups.append([path])
    return groups


def write_if_new(path, text):
    if os.path.exists(path):
        with open(path, encoding="utf-8") as old:
            if old.read() == text:
                return
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def main(out, root, size, *paths):
    os.makedirs(out, exist_ok=True)
    listed = []
    for number, group in enumerate(pack(paths, root, int(size))):
        if len(group) == 1:
            listed.append(group[0])
            continue
        path = os.path.join(out, f"group_{number}.cpp")
        write_if_new(path, "".join(f'#include "{os.path.relpath(source, root)}"\n' for source in group))
        listed.append(path)
    print(";".join(listed), end="")


if __name__ == "__main__":
    main(*sys.argv[1:])
