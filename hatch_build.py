"""README as the package index shows it, where a relative link leads nowhere."""

import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(?<=\]\()(?!https?:)([^)#]+)(#[^)]+)?(?=\))")


class AbsoluteLinks(MetadataHookInterface):
    """Gives README's links the project's addresses: pages and pictures those of the site, else the repository's."""

    def update(self, metadata: dict) -> None:
        """Set the metadata's `readme`, which pyproject.toml declares as dynamic."""
        site, home = metadata["urls"]["Documentation"], metadata["urls"]["Source"]

        def address(link: re.Match[str]) -> str:
            path, place = link[1], link[2] or ""
            if not path.startswith("docs/"):
                return f"{home}/blob/main/{path}{place}"
            page = path.removeprefix("docs/")
            return site + (f"{page.removesuffix('.md')}/" if page.endswith(".md") else page) + place

        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": LINK.sub(address, text)}
