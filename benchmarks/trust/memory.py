"""Peak memory of a bundle's own verifier."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from benchmarks.synthetic.large_bundle import write_large_bundle

# VmHWM, not ru_maxrss: that one includes the process that started this one.
_MEASURED = (
    "import runpy, sys; sys.argv = sys.argv[1:]\n"
    "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
    "except SystemExit as end: print(end.code)\n"
    "print(*[row.split()[1] for row in open('/proc/self/status') if 'VmHWM' in row])"
)


def verifier_memory(program: Path, bundle: Path) -> tuple[int, float]:
    """Verify `bundle` with `program` in a bare interpreter; its exit status, and its peak in MB."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _MEASURED, str(program), str(bundle)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={},
        check=True,
    )
    status, peak_kib = done.stdout.split()[-2:]
    return int(status), int(peak_kib) * 1024 / 1e6


def peak_of_a_gigabyte() -> dict[str, object]:
    """Peak memory for a bundle of 1 GB, as a folder and as the archive that is handed over.

    Raises:
        RuntimeError: the verifier did not accept the bundle.
    """
    with tempfile.TemporaryDirectory() as place:
        folder, archive = Path(place) / "bundle", Path(place) / "bundle.zip"
        big = write_large_bundle(folder, 1000 << 20)
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as written:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    written.write(path, path.relative_to(folder))
        peaks = {}
        for kind, bundle in (("folder", folder), ("archive", archive)):
            status, peak_mb = verifier_memory(folder / "verify.py", bundle)
            if status != 0:
                raise RuntimeError(f"the verifier ended with {status} for a genuine {kind}")
            peaks[kind] = round(peak_mb, 1)
        return {
            "verify_peak_mb": max(peaks.values()),
            "verify_peak": {**peaks, "bundle_bytes": big.stat().st_size},
        }
