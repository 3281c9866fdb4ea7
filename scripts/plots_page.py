"""Makes `.dvc/plots/page.html`, in which `dvc plots show` puts its plots, so that it works offline.

DVC's own page loads Vega from the network. This one holds it: Vega, Vega-Lite and Vega-Embed as one
script, bundled by the package vl-convert-python (BSD-3-Clause, like the three). To make it again:

    pip install --target .venv-plots vl-convert-python==1.9.0.post1
    PYTHONPATH=.venv-plots python scripts/plots_page.py
"""

from pathlib import Path

VEGA_LITE = "5.21"  # DVC writes specifications of version 5

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{{refresh_tag}}
<title>p4d plots</title>
<style>
  body {{ font-family: sans-serif; margin: 1.5rem; max-width: 100rem; }}
  body > div {{ margin-bottom: 1.5rem; }}
</style>
<!--
Vega, Vega-Lite {vega_lite} and Vega-Embed, copyright University of Washington Interactive Data Lab
and contributors, BSD-3-Clause; with parts of D3 and TopoJSON (ISC), and fast-json-patch, semver and
json-stringify-pretty-compact (MIT, ISC). Bundled by vl-convert {vl_convert}, copyright Jon Mease,
BSD-3-Clause. The licences are in .dvc/plots/LICENSES.txt. Made by scripts/plots_page.py.
-->
<script>{bundle}</script>
</head>
<body>
{{plot_divs}}
</body>
</html>
"""


def main() -> None:
    """Write the page."""
    import vl_convert

    bundle = vl_convert.javascript_bundle(vl_version=VEGA_LITE)
    found = [word for word in ("</script", "{plot_divs}", "{refresh_tag}") if word in bundle]
    if found:
        raise SystemExit(f"the bundle holds {found}, so it cannot be put into the page")
    page = PAGE.format(bundle=bundle, vega_lite=VEGA_LITE, vl_convert=vl_convert.__version__)
    path = Path(__file__).resolve().parents[1] / ".dvc" / "plots" / "page.html"
    path.write_text(page, encoding="utf-8")
    print(f"wrote {path}: {len(page)} characters")  # noqa: T201


if __name__ == "__main__":
    main()
