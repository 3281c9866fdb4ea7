"""The example of docs/sidecars.md runs as it stands there."""

import re
from pathlib import Path

from p4d import truth

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sidecars.md"


def test_the_example_writes_a_sidecar_and_prints_what_it_says(tmp_path, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    video = tmp_path / "a.mp4"
    exec(code, {"video": video})
    (printed,) = capsys.readouterr().out.splitlines()
    assert printed == re.search(r"# (\(.*\))$", code, re.MULTILINE)[1]
    assert (tmp_path / "a.truth.safetensors").is_file()
    assert not truth.read(tmp_path / "a.truth.safetensors").camera.valid[3]
