"""Hooks of `mkdocs build`: README as its front page, generated pages, links to files that are not on the site."""

import posixpath
import re
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File
from reference import FRONT, pages

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")


def on_files(files, config):
    front = {page: (ROOT / file).read_text(encoding="utf-8") for page, file in FRONT.items()}
    for path, text in (pages() | front).items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    path = page.file.src_uri
    source = FRONT.get(path, f"docs/{path}")
    return LINK.sub(lambda match: _target(match[1], source, path, config), markdown)


def _target(link, source, path, config):
    """The page of a file that has one, else the file in the repository."""
    wanted = posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
    front = {file: page for page, file in FRONT.items()}
    if wanted.startswith("docs/") or wanted in front:
        return posixpath.relpath(front.get(wanted, wanted.removeprefix("docs/")), posixpath.dirname(path) or ".")
    if not (ROOT / wanted).exists():
        raise PluginError(f"{source}: {link} leads nowhere")
    return f"{config.repo_url.rstrip('/')}/blob/main/{wanted}"


def on_page_content(html, page, config, files):
    """A block that GitHub shows as code and this renderer does not."""
    if "```" in re.sub(r"<(code|pre)\b.*?</\1>", "", html, flags=re.DOTALL):
        raise PluginError(f"{page.file.src_uri}: a fence is shown as text")
    return html
