"""What every client library has to get through, and how it reports.

Each `use_*.py` beside this file connects one library, runs these steps as a user of that library would write
them, and prints one line of JSON. It runs in an environment of its own: `use_x.py URL TOKEN [OPTION]`.
"""

import json
import sys

URL, TOKEN = sys.argv[1], sys.argv[2]
OPTION = sys.argv[3] if len(sys.argv) > 3 else ""
HEADERS = {"Authorization": f"Bearer {TOKEN}"}

# Arguments that a careless gateway would damage.
ARGUMENTS = {
    "text": 'žluťoučký 漢字 🏳️‍🌈 "quoted" \\ back\u2028slash\n\ttab',
    "numbers": [0, -1, 1.5, 1e-9, 2**53 - 1],
    "deep": {"a": {"b": {"c": [{}, [], None, True, False]}}},
    "empty": "",
}


def plain(value):
    """The text of a tool's result, in whatever shape the library returns it."""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return "".join(plain(item) for item in value)
    if isinstance(value, dict):
        return plain(value.get("text", value.get("content", "")))
    for field in ("content", "text"):
        if hasattr(value, field):
            return plain(getattr(value, field))
    return str(value)


def report(**facts):
    print(json.dumps(facts))
