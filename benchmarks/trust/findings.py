"""What was found by attacking version 0.1: each finding, and what it let a stranger do.

A test that repeats the attack carries `@pytest.mark.attack(KEY)`. H is high, M medium, L low.
"""

from __future__ import annotations

FINDINGS = {
    "H1": "an import of a reviewer's export overwrote the ledger, or a file outside",
    "H2": "a rewritten or shortened ledger was anchored, and then verified as good",
    "H3": "a bundle with forged claims, sources or licences proved itself",
    "H4": "any web page changed state through the open UI, and read logs",
    "H5": "another user of the machine ran code through DVC's shared state",
    "H6": "a restored version wrote files outside of its destination",
    "M1": "one bad sidecar stopped the landing of everything",
    "M2": "a model folder ran its code, fetched kernels, or hid its weights from the record",
    "M3": "a bundle took gigabytes of memory to verify, or hid lines of the report",
    "M4": "a verdict that cannot be applied was imported, and blocked every release",
    "M5": "a query wrote files, read files outside, or ran several statements",
    "M6": "DVC's configuration of the user or system was not seen",
    "M7": "an altered object of the cache was trusted for its size, and never repaired",
    "L1": "a checkout under a path with brackets could not read its tables",
    "L2": "one hostile record of a benchmark ended the evaluation",
    "L3": "codes in names moved the cursor of a terminal, and hid or faked lines",
    "L4": "names became links and pictures in the tables of the UI",
    "L5": "text was read in the encoding of the locale",
    "L6": "a window system without a display was taken for one that renders",
    "L7": "processes of the UI outlived its end",
}
