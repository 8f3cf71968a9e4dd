"""Links between the pages lead somewhere, and quoted files are quoted as they are."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)|src=\"([^\"]+)\"")
QUOTE = re.compile(r"<!-- file: (\S+) -->\n```\w*\n(.*?)```\n", re.DOTALL)
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def pages():
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("plugins/*/README.md")),
            *sorted(ROOT.glob("examples/*/README.md"))]


def faults(page):
    text = page.read_text(encoding="utf-8")
    name = page.relative_to(ROOT)
    for quote in QUOTE.finditer(text):
        if quote[2] != (ROOT / quote[1]).read_text(encoding="utf-8"):
            yield f"{name}: the quoted {quote[1]} is not what the file says; paste it again"
    for link in LINK.finditer(CODE.sub("", text)):
        target = link[1] or link[2]
        if "://" not in target and not (page.parent / target).exists():
            yield f"{name}: no such file: {target}"


found = [fault for page in pages() for fault in faults(page)]
print("\n".join(found) or f"{len(pages())} pages")
sys.exit(1 if found else 0)
