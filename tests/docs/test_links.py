"""Links between the documents lead somewhere, and the map of the sources shows every folder."""
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def documents() -> list:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        return sorted(name for name in listed.stdout.splitlines() if (ROOT / name).exists())
    return ["README.md", "src/README.md",
            *(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md"))]


def prose(path: pathlib.Path) -> str:
    """The document without its code, where brackets are no links."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "`code`", text)


def anchors(path: pathlib.Path) -> set:
    """Of the headings, as GitHub makes them: lower case, no punctuation, hyphens for spaces."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.*)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", documents())
def test_every_link_leads_somewhere(document):
    path = ROOT / document
    dead = []
    for target in LINK.findall(prose(path)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        to = (path.parent / file).resolve() if file else path
        if not to.exists() or (anchor and anchor not in anchors(to)):
            dead.append(target)
    assert dead == []


def test_the_map_of_the_sources_shows_every_folder():
    text = (ROOT / "src" / "README.md").read_text()
    sources = (path.relative_to(ROOT / "src") for path in (ROOT / "src").rglob("*.[ch]*"))
    folders = {f"{path.parent}/" for path in sources if path.suffix in (".cpp", ".h")} - {"./"}
    assert set(re.findall(r"^\*\*`([\w/]+/)`\*\*", text, flags=re.M)) == folders


def test_every_decision_is_listed_and_says_what_it_must():
    folder = ROOT / "docs" / "adr"
    index = (folder / "README.md").read_text()
    listed = re.findall(r"^(\d+)\. \[(.*)\]\((.*)\)$", index, flags=re.M)
    files = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert [file for _, _, file in listed] == files
    for number, title, file in listed:
        text = (folder / file).read_text()
        assert file.startswith(f"{int(number):04}-"), file
        assert text.startswith(f"# {number}. {title}\n"), file
        parts = re.findall(r"^\*\*(\w+)\.\*\*", text, flags=re.M)
        assert parts == ["Context", "Decision", "Consequences", "Alternatives"], file
