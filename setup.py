"""Give PyPI the README with absolute links. Everything else about the package is in pyproject.toml."""

import re
import tomllib
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]


def absolute_links(markdown: str) -> str:
    """Replace the relative links of a page: a picture's by the URL of the file, others by the URL of their page."""

    def absolute(match: re.Match) -> str:
        view = "raw" if match[2].endswith((".png", ".jpg", ".svg", ".gif")) else "blob"
        return f"{match[1]}{REPOSITORY}/{view}/main/{match[2]}"

    return re.sub(r'(\]\(|src=")(?!\w+:|#)([^)"\s]+)', absolute, markdown)


if __name__ == "__main__":
    setup(
        long_description=absolute_links((ROOT / "README.md").read_text(encoding="utf-8")),
        long_description_content_type="text/markdown",
    )
