"""Hooks of `mkdocs build`: README as its front page, generated pages, links to files that are not on the site."""

import posixpath
import re
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File
from reference import FRONT, pages

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\[([^]\n]+)\]\((?!\w+:|#)([^)#\s]+)")
ROW = re.compile(r"^\|.*$", re.MULTILINE)
STYLE = ".md-typeset td:first-child code { white-space: nowrap; }\n"


def on_files(files, config):
    front = {page: (ROOT / file).read_text(encoding="utf-8") for page, file in FRONT.items()}
    for path, text in {**pages(), **front, "site.css": STYLE}.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    path = page.file.src_uri
    if path in FRONT:
        page.meta["hide"] = ["navigation"]
    source = FRONT.get(path, f"docs/{path}")
    markdown = ROW.sub(lambda row: re.sub(r"`[^`]+`", lambda code: code[0].replace(r"\|", "|"), row[0]), markdown)
    return LINK.sub(lambda link: _link(link[1], link[2], source, path, config), markdown)


def _link(label, target, source, path, config):
    """The beginning of a link, to the page of a file that has one, under its title, else to the repository's file."""
    wanted = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    front = {file: page for page, file in FRONT.items()}
    if wanted.startswith("docs/") or wanted in front:
        if label.endswith(".md") and (ROOT / wanted).exists():
            first, _, _ = (ROOT / wanted).read_text(encoding="utf-8").partition("\n")
            label = first.removeprefix("# ").partition(":")[0]
        page = front.get(wanted, wanted.removeprefix("docs/"))
        return f"[{label}]({posixpath.relpath(page, posixpath.dirname(path) or '.')}"
    if not (ROOT / wanted).exists():
        raise PluginError(f"{source}: {target} leads nowhere")
    return f"[{label}]({config.repo_url.rstrip('/')}/blob/main/{wanted}"


def on_page_content(html, page, config, files):
    """A block that GitHub shows as code and this renderer does not."""
    if "```" in re.sub(r"<(code|pre)\b.*?</\1>", "", html, flags=re.DOTALL):
        raise PluginError(f"{page.file.src_uri}: a fence is shown as text")
    return html
