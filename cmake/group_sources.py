"""Groups the sources of one target, so that several are compiled as one: what they include is read once.

A source may stand in a group only with those whose company gives no word of it another meaning: what one keeps to itself
(in an anonymous namespace, in no header, as a macro) is not said by another one or by what that one includes, and what one
includes declares nothing that another one says without having included a declaration of it. Overloads that both have
in sight are told apart by their types, as everywhere. A source of which that cannot be told stands alone, and compiles as
it always did.

    group_sources.py OUT ROOT SIZE FILE…   writes OUT/group_N.cpp, prints what is to be compiled, separated by ";"

FILE is absolute; ROOT is a folder on the include path, to which the groups' lines are relative: a clone in
another folder compiles the same text, which a compiler cache knows. The text is taken to be as clang-format leaves it:
what is declared for a namespace begins its line.
"""

import functools
import glob
import io
import os
import re
import sys

COMMENT_OR_TEXT = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![\da-fA-F])\'(?:\\.|[^\'\\\n])+\'', re.S)
QUOTED = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
ANONYMOUS = re.compile(r"^namespace \{", re.M)
NAMESPACE = re.compile(r"^(?:inline )?namespace ([\w:]+) \{", re.M)
OPENED = re.compile(r"^using (?:namespace (?!std::\w*literals)|enum )", re.M)
PRAGMA = re.compile(r"^#\s*pragma (?!once)", re.M)
MACRO = re.compile(r"^\s*#\s*define\s+(\w+)", re.M)
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
# Not behind "." or "->" or "::": what is said to be somebody's cannot be mistaken for what stands alone.
WORD = re.compile(r"(?<![\w.])(?<!->)(?<!::)[A-Za-z_]\w*")

TEMPLATE = re.compile(r"^template <.*?>\s*(?=[\w\[])")
MARKED = re.compile(r"^((?:struct|class|union|enum(?: class)?) )(?:alignas\([^)]*\) |\[\[.*?\]\] )*")
TYPE = re.compile(r"(?:struct|class|union|enum(?: class)?|concept|namespace) (\w+)")
ALIAS = re.compile(r"using (?:\w+::)*(\w+)\s*[;=]")
DECLARED = re.compile(r".*?(?<![\w:.])([A-Za-z_]\w*)\s*(?:\(|\{|=(?!=)|;|\[)")
INITIALISED = re.compile(r"(?<![\w:.])([A-Za-z_]\w*)\s*=(?!=)")
MEMBER = re.compile(r"^[^=;({]*?\w::(?:~?\w+|operator *[^\w\s]+)\s*(?:\(|\{|=)")      # of a class, or of a namespace named: no new name
NAMELESS = re.compile(r"^(?:static_assert|template <|extern |public:|private:|using namespace|using enum|\[\[|(?:inline )?namespace (?:[\w:]+ )?\{)")
KEYWORDS = {"const", "constexpr", "noexcept", "override", "void", "struct", "class", "enum", "union", "alignas", "operator", "if", "for",
            "while", "switch", "return", "requires", "static_assert", "int", "bool", "auto", "char", "unsigned"}


def code_of(text):
    """The text without what a compiler does not read as names. Lines keep their number."""
    return COMMENT_OR_TEXT.sub(lambda found: "\n" * found.group(0).count("\n") or " ", text)


def opens_more(line):
    return line.count("(") > line.count(")") or line.count("{") > line.count("}")


def declared_by(line):
    """The names of a line that begins a declaration; None: that cannot be told."""
    line = MARKED.sub(r"\1", TEMPLATE.sub("", line))
    if NAMELESS.match(line) or MEMBER.match(line):
        return set()
    found = TYPE.match(line) or ALIAS.match(line) or DECLARED.match(line)
    if not found or found.group(1) in KEYWORDS or (line.rstrip().endswith(",") and not opens_more(line)):
        return None
    return {found.group(1), *INITIALISED.findall(line)} - KEYWORDS


def declared(code):
    """The names that are declared for a namespace, and whether those are all."""
    names, told = set(), True
    for line in code.split("\n"):
        if not line or line[0] in " \t}#);,":     # inside of something, or its end
            continue
        found = declared_by(line)
        names |= found or set()
        told = told and found is not None
    return names, told


def anonymous_parts(code):
    """The text within each anonymous namespace."""
    for opened in ANONYMOUS.finditer(code):
        depth, start = 1, opened.end()
        for brace in re.finditer(r"[{}]", code[start:]):
            depth += 1 if brace.group(0) == "{" else -1
            if depth == 0:
                yield code[start:start + brace.start()]
                break


def inside(inner, outer):
    """Whether code of the one namespace sees the names of the other. What is opened within another one may be anything."""
    relative = not (inner.startswith("sallyport") and outer.startswith("sallyport"))
    return relative or inner == outer or inner.startswith(outer + "::")


class Text:
    """What the packing has to know of a file, source or header."""

    def __init__(self, path, root):
        try:
            with open(path, encoding="utf-8") as source:
                text = source.read()
        except UnicodeDecodeError as error:
            sys.exit(f"{path}: is no UTF-8: {error}")
        code = code_of(text)
        self.words, self.identifiers = set(WORD.findall(code)), set(IDENTIFIER.findall(code))
        self.spaces = set(NAMESPACE.findall(code)) or {""}
        self.hidden, self.macros = set(), set(MACRO.findall(code))
        self.declared, told = declared(code)
        for part in anonymous_parts(code):
            names, part_told = declared(part)
            self.hidden |= names
            told = told and part_told
        self.opens = bool(OPENED.search(code))
        self.stands_alone = not told or bool(PRAGMA.search(code))
        self.includes = []
        for name in QUOTED.findall(text):
            places = (os.path.join(os.path.dirname(path), name), os.path.join(root, name), os.path.join(root, "src", name))
            self.includes += [os.path.normpath(p) for p in places if os.path.isfile(p)][:1]

    def sees(self, other):
        return any(inside(ours, theirs) for ours in self.spaces for theirs in other.spaces)


class Texts:
    """Every file is read once, every question asked once."""

    def __init__(self, root):
        self.root = root

    @functools.cache
    def of(self, path):
        return Text(path, self.root)

    @functools.cache
    def headers(self, path):
        """Every header of ours that the file reaches."""
        seen, queue = set(), [path]
        while queue:
            new = [header for header in self.of(queue.pop()).includes if header not in seen]
            seen.update(new)
            queue += new
        return seen

    @functools.cache
    def known(self, path):
        """What the file may say because it, or what it includes, declares it."""
        return set().union(self.of(path).declared, *(self.of(header).declared for header in self.headers(path)))

    @functools.cache
    def own(self, path):
        """What a source keeps to itself, hidden or not."""
        of_headers = set().union(*(self.of(header).declared for header in self.headers(path)))
        return self.of(path).hidden | (self.of(path).declared - of_headers)

    @functools.cache
    def says_own_of(self, path, source):
        """Whether a word of this file could be taken for what that source keeps to itself."""
        this, other = self.of(path), self.of(source)
        return bool(other.macros & this.identifiers
                    or this.sees(other) and (this.opens or other.opens or self.own(source) & this.words))

    @functools.cache
    def says_unknown_of(self, path, header):
        """Whether a word of this file could be taken for what that header declares, of which this file knows nothing."""
        this, other = self.of(path), self.of(header)
        return bool(other.macros & this.identifiers or this.sees(other) and (other.declared & this.words) - self.known(path))


def may_share(first, second, texts):
    """Whether two sources may stand in one group, in this order."""
    if texts.of(first).stands_alone or texts.of(second).stands_alone or texts.says_own_of(second, first):
        return False
    ahead, behind = texts.headers(first) - texts.headers(second), texts.headers(second) - texts.headers(first)
    # A header that only the second one includes is read behind all of the first one; what the first one includes stands
    # there for all of the second one, and for its headers.
    return not (any(texts.says_own_of(header, first) or any(texts.says_unknown_of(header, other) for other in ahead) for header in behind)
                or any(texts.says_own_of(header, second) or texts.says_unknown_of(second, header) for header in ahead))


def pack(paths, root, size):
    """Groups of at most `size` files, in order; each file goes into the first group that it fits."""
    texts = Texts(root)
    groups = []
    for path in sorted(paths):
        for group in groups:
            if len(group) < size and all(may_share(other, path, texts) for other in group):
                group.append(path)
                break
        else:
            groups.append([path])
    return groups


def write_lines(out, sources, root):
    out.writelines(f'#include "{os.path.relpath(source, root)}"\n' for source in sources)


def write_group(path, sources, root):
    """Writes nothing where it would be the same: who has not changed is not compiled again."""
    text = io.StringIO()
    write_lines(text, sources, root)
    if os.path.exists(path):
        with open(path, encoding="utf-8") as old:
            if old.read() == text.getvalue():
                return
    with open(path, "w", encoding="utf-8") as out:
        out.write(text.getvalue())


def main(out, root, size, *paths):
    os.makedirs(out, exist_ok=True)
    listed = []
    for number, group in enumerate(pack(paths, root, int(size))):
        path = os.path.join(out, f"group_{number}.cpp")
        if len(group) > 1:
            write_group(path, group, root)
        listed.append(path if len(group) > 1 else group[0])
    for old in set(glob.glob(os.path.join(out, "group_*.cpp"))) - set(listed):
        os.remove(old)
    print(";".join(listed), end="")


if __name__ == "__main__":
    main(*sys.argv[1:])
