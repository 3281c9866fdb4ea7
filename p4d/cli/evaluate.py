"""Commands that score models: evaluate, compare, and `p4d benchmark ...`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from p4d.cli.echo import echo
from p4d.cli.renamed import RenamedOptions
from p4d.config.evaluation import DTYPES
from p4d.config.training import ATTENTION
from p4d.project import Project

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option(
    "--benchmark",
    "name",
    required=True,
    help="r4d-bench, sti-bench, vlm4d, vsti-bench, vsi-bench, dsr-bench, dyn-bench, r4d-world, "
    "r4d-world-time, or a folder.",
)
@click.option("--model", type=_FOLDER, required=True, help="A student or a transformers folder.")
@click.option("--out", type=_FOLDER, help="Default: reports/evaluation/BENCHMARK/MODEL.")
@click.option("--batch", type=click.IntRange(min=1), default=8, show_default=True)
@click.option("--limit", type=click.IntRange(min=1), help="Ask only this many items, drawn by id.")
@click.option("--frames", type=click.IntRange(min=1), help="Default: as trained, else published.")
@click.option("--size-px", type=click.IntRange(16, 2048), help="Default: the model's own.")
@click.option(
    "--prompt",
    type=click.Choice(["student", "benchmark"]),
    help="Default: as trained, else published.",
)
@click.option("--max-new-tokens", type=click.IntRange(min=1), help="Longest generated reply.")
@click.option(
    "--as-published", is_flag=True, help="Prompt, frames and length of the benchmark's own script."
)
@click.option("--text-only", is_flag=True, help="Generate text; do not score options.")
@click.option("--device", help="auto, cpu, cuda or cuda:N. Default: evaluation.device.")
@click.option("--dtype", type=click.Choice(DTYPES), help="Default: evaluation.dtype.")
@click.option("--attention", type=click.Choice(ATTENTION), help="Default: evaluation.attention.")
@click.option(
    "--facts",
    is_flag=True,
    help="Put the measured facts of the clip as text before each question; the row that the page "
    "of the model names.",
)
def evaluate(
    name: str,
    model: Path,
    out: Path | None,
    text_only: bool,
    facts: bool,
    **chosen: Any,  # noqa: ANN401
) -> None:
    """Ask a model the questions of a benchmark. A stopped run continues with the same command."""
    from p4d.evaluation.benchmarks.registry import open_benchmark
    from p4d.evaluation.controls.measured_facts import facts_of_items
    from p4d.evaluation.controls.text_rows import FACTS_ENDING
    from p4d.evaluation.evaluate import EvaluateSettings, limited, summary_lines
    from p4d.evaluation.evaluate import evaluate as run
    from p4d.progress import bar

    project = Project.find_or_here()
    benchmark = open_benchmark(name, project)
    results = project.root / "reports" / "evaluation" / benchmark.name
    folder = out or results / (model.name + (FACTS_ENDING if facts else ""))
    for key in ("device", "dtype", "attention"):
        chosen[key] = chosen[key] or getattr(project.params.evaluation, key)
    texts = None
    if facts:
        with bar("facts", unit="step") as progress:
            texts = facts_of_items(
                benchmark,
                limited(benchmark.items, chosen["limit"]),
                expert=project.data / "expert",
                build=results / ".facts",
                params=project.params,
                progress=lambda where, done, total, note: progress(done, total, f"{where} {note}"),
            )
        echo(f"facts were measured for {len(texts)} questions")
    settings = EvaluateSettings(**chosen, likelihood=not text_only, facts=texts)
    with bar(benchmark.name, unit="question") as progress:
        found = run(benchmark, model, folder, project.params, settings, progress)
    echo("\n".join([*summary_lines(found), f"page: {folder / 'index.html'}"]))


@click.command(cls=RenamedOptions, renamed={"--way": "--scoring"})
@click.argument("first", type=_FOLDER)
@click.argument("second", type=_FOLDER)
@click.option(
    "--scoring",
    metavar="METHOD",
    help="How answers are scored: likelihood, text_wrong, ...; default: the primary metric.",
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def compare(first: Path, second: Path, scoring: str | None, as_json: bool) -> None:
    """Compare two evaluations (folders of p4d evaluate) item by item: SECOND minus FIRST."""
    from p4d.evaluation.comparison import compare as compared
    from p4d.evaluation.comparison import render
    from p4d.evaluation.scoring.statistics import Bootstrap

    statistics = Project.find_or_here().params.evaluation
    bootstrap = Bootstrap(statistics.bootstrap_samples, statistics.confidence)
    found = compared(first, second, bootstrap, scoring)
    echo(json.dumps(found, indent=2) if as_json else render(found))


@click.command()
@click.argument("row", type=click.Choice(["facts", "labels", "page"]))
@click.option("--model", type=_FOLDER, help="Default for facts: data/base_student.")
@click.option("--out", type=_FOLDER, help="Default: reports/controls/ROW.")
def control(row: str, model: Path | None, out: Path | None) -> None:
    """Make a row to compare with: `facts` as text without training, or `labels` as text.

    `page` only writes reports/controls/index.html again, with the arms of the pipeline.
    """
    from p4d.errors import ConfigError
    from p4d.evaluation.controls.text_rows import ROWS, make_row, write_page
    from p4d.progress import bar

    project = Project.find()
    reports = project.root / "reports" / "controls"
    if row == "page":
        echo(f"page: {write_page(project.data, reports)}")
        return
    chosen = model or (project.data / "base_student" if row == "facts" else None)
    if chosen is None:
        raise ConfigError(f"name the student with --model; {' && '.join(ROWS[row].commands)}")
    folder = out or reports / row
    with bar(row, unit="question") as progress:
        found = make_row(row, chosen, project.data, folder, project.params, progress)
    average = found["accuracy"]["Average"]
    echo(
        f"{found['title']}: {average['value']:.3f} [{average['low']:.3f}, {average['high']:.3f}] "
        f"on {found['questions']} questions"
    )
    for arm, gain in found["gain_of_arms"].items():
        interval = f"{gain['value']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]"
        echo(f"  {arm} over it: {interval}")
    page = f"; page: {write_page(project.data, reports)}" if out is None else ""
    echo(f"written to {folder}{page}")


@click.group()
def benchmark() -> None:
    """Make the embedded benchmark R4D-World."""


@benchmark.command()
@click.argument("folder", type=_FOLDER)
@click.option("--worlds", type=click.IntRange(min=2), help="Fewer worlds, for a try.")
@click.option("--freeze", is_flag=True, help="Write the list of digests that git keeps.")
@click.option("--time", is_flag=True, help="R4D-World-Time, whose answers need the seconds.")
def make(folder: Path, worlds: int | None, freeze: bool, time: bool) -> None:
    """Make R4D-World in FOLDER. A stopped run continues with the same command."""
    from p4d.evaluation.benchmarks.r4d_world import make as of_world
    from p4d.evaluation.benchmarks.r4d_world_time import make as of_time
    from p4d.progress import bar

    recipe = of_time if time else of_world

    with bar("R4D-World-Time" if time else "R4D-World", unit="step") as show:

        def progress(where: str, done: int, total: int, note: str) -> None:
            show(done, total, f"{where} {note}".strip())

        made = recipe.make(
            folder,
            Project.find_or_here().params,
            worlds=worlds or recipe.WORLDS,
            freeze=freeze,
            progress=progress,
        )
    for category, count in made.questions.items():
        echo(f"{category:<29}{count:>6}")
    echo(f"{sum(made.questions.values())} questions about {made.worlds} worlds; {made.comparison}")


COMMANDS = (evaluate, compare, control, benchmark)
