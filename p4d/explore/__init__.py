"""The explorer: `p4d explore` shows the published artifacts in a browser, as they are.

Read `app.py` first. README.md lists the modules, the pages and the rules. Nothing here changes an
artifact; a reviewer's verdict is written by `p4d/review`.
"""
