"""The `p4d` command: worlds, landing, single stages, and the audit. Needs no Dagster."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from p4d.config import Project
from p4d.errors import P4DError
from p4d.versioning.files.artifact_key import ArtifactKey


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="p4d")
def cli() -> None:
    """From raw 4D videos to an audited 4D video-language model."""


@cli.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--seed", type=int, default=0, show_default=True, help="The scene; same seed, same bytes."
)
def world(path: Path, seed: int) -> None:
    """Render one simulated 4D scene to PATH (MP4) with its truth sidecar beside it."""
    from p4d.worlds import sidecar
    from p4d.worlds.corpus import write_world

    written = write_world(path, seed, Project.find().params.worlds)
    click.echo(f"{written}\n{sidecar.path_for(written)}")


@cli.command()
def land() -> None:
    """Close a shard of what is new in the inbox."""
    from p4d.video.landing import land as land_inbox

    click.echo(land_inbox(Project.find()).summary())


@cli.command()
def status() -> None:
    """Say of every stage instance whether it is fresh, and if not, why."""
    from p4d.versioning.state.workspace import status as instances

    not_fresh = [s for s in instances(Project.find()) if s.state != "fresh"]
    for item in not_fresh:
        click.echo(f"{item.key}: {item.state}: {'; '.join(item.reasons)}")
    if not not_fresh:
        click.echo("Everything is fresh.")


@cli.command()
@click.argument("name")
@click.option("--shard", help="Shard id, for stages that have one instance per shard.")
@click.option("--force", is_flag=True, help="Compute even when nothing changed.")
def stage(name: str, shard: str | None, force: bool) -> None:
    """Run one stage instance and its gates, without Dagster."""
    import uuid

    from p4d.quality.gates import blocking_gates
    from p4d.versioning.files.artifact_key import ArtifactKey
    from p4d.versioning.run.check_published import check_published
    from p4d.versioning.run.run_stage import run_stage

    project, run_id, key = Project.find(), f"cli-{uuid.uuid4()}", ArtifactKey(name, shard)
    made = run_stage(project, key, run_id=run_id, force=force, gates=blocking_gates())
    _, results = check_published(project, key, run_id=run_id)
    click.echo(f"{made.data_version}{' (unchanged, skipped)' if made.skipped else ''}")
    for result in results:
        click.echo(f"  {'ok  ' if result.passed else 'FAIL'} {result.name}: {result.description}")
    if any(r.blocking and not r.passed for r in results):
        sys.exit(1)


@cli.command()
@click.argument("arm", type=click.Choice(["sft", "p4d", "blind"]))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option(
    "--set", "settings", multiple=True, metavar="SECTION.KEY=VALUE", help="Instead of params.yaml."
)
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="Default: data/.")
def train(arm: str, out: Path, settings: tuple[str, ...], data: Path | None) -> None:
    """Train ARM on the pipeline's folders without publishing it; torchrun can start this, too."""
    from p4d.progress import bar
    from p4d.students.training.launch import train as train_student
    from p4d.students.training.launch import with_settings

    project = Project.find()
    params = with_settings(project.raw_params, settings)
    with bar(arm) as progress:
        train_student(arm, out, data=data or project.data, params=params, progress=progress)


@cli.command()
@click.argument("identifier")
@click.option("--at", help="First digits of the md5 of the version wanted; default: the current.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def why(identifier: str, at: str | None, as_json: bool) -> None:
    """Print what stands behind an answer, a number, a decision or an artifact, down to sources.

    IDENTIFIER is a question (qa_), fact, region, clip or video, label:CLIP/TEACHER,
    evaluation:ARM/CATEGORY or another number of a stage's JSON files, a release (rel_), a decision,
    a stage, stage@shard, an md5, or a path below data/.
    """
    from p4d.audit.lookup.why import why as explain

    node = explain(Project.find(), identifier, at=at)
    click.echo(json.dumps(node.to_json(), indent=2) if as_json else node.render_text())


@cli.group(name="audit")
def audit_group() -> None:
    """Prove that artifacts are what the ledger says."""


@audit_group.command()
@click.option("--resume", is_flag=True, help="Go on with an interrupted run of the last day.")
@click.option(
    "--remote",
    is_flag=False,
    flag_value="",
    metavar="[NAME]",
    help="Look at a DVC remote instead (default: DVC's default remote).",
)
@click.option("--rehash", is_flag=True, help="With --remote: read every object back and hash it.")
def verify(resume: bool, remote: str | None, rehash: bool) -> None:
    """Re-hash everything the ledger names; exit 1 if anything is missing or altered."""
    from p4d import audit
    from p4d.versioning.storage.push import verify_remote

    project = Project.find()
    if remote is None:
        local = audit.verify(project, progress=_progress, resume=resume)
        text, ok = local.render_text(), local.ok
    else:
        there = verify_remote(project, remote or None, rehash=rehash, progress=_progress)
        text, ok = there.render_text(), there.ok
    click.echo(text)
    if not ok:
        sys.exit(1)


@cli.command()
@click.option("--remote", metavar="NAME", help="A DVC remote; default: DVC's default remote.")
@click.option("--rehash", is_flag=True, help="Read every object back and hash it.")
def push(remote: str | None, rehash: bool) -> None:
    """Send every version on record to a remote, beside running work, and look at each there."""
    from p4d.versioning.storage.push import push as push_versions

    report = push_versions(Project.find(), remote, rehash=rehash, progress=_progress)
    click.echo(report.render_text())
    if not report.ok:
        sys.exit(1)


def _progress(done: int, total: int, note: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{done} of {total} {note} ", err=True, nl=done == total)


@audit_group.command(name="report")
@click.argument("identifier")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option("--at", help="First digits of the md5 of the version wanted; default: the current.")
def audit_report(identifier: str, output: Path, at: str | None) -> None:
    """Write one offline page about what stands behind IDENTIFIER, made for a stranger."""
    from p4d.audit.page.report import write_report

    dossier = write_report(Project.find(), identifier, output, at=at)
    click.echo(f"{output}: {len(dossier.entries)} versions")


@audit_group.command()
@click.argument("identifier")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True)
@click.option("--with-data", is_flag=True, help="Put in every file, not only the small texts.")
@click.option("--at", help="First digits of the md5 of the version wanted; default: the current.")
def bundle(identifier: str, output: Path, with_data: bool, at: str | None) -> None:
    """Write an archive from which anybody can prove IDENTIFIER with Python alone."""
    from p4d.audit.proof.bundle import write_bundle

    click.echo(write_bundle(Project.find(), identifier, output, with_data=with_data, at=at))


@audit_group.command()
@click.argument("name")
@click.option("--shard", help="Shard id, for stages that have one instance per shard.")
def replay(name: str, shard: str | None) -> None:
    """Make a published version again and compare the bytes; exit 1 if they differ."""
    from p4d import audit
    from p4d.quality.gates import blocking_gates

    done = audit.replay(Project.find(), ArtifactKey(name, shard), gates=blocking_gates())
    click.echo(done.render_text())
    if not done.ok:
        sys.exit(1)


@cli.command()
@click.argument("identifier")
@click.argument("dest", type=click.Path(path_type=Path))
@click.option("--at", help="First digits of the md5 of the version wanted; default: the latest.")
def restore(identifier: str, dest: Path, at: str | None) -> None:
    """Bring the version that is or holds IDENTIFIER, current or superseded, back to DEST."""
    from p4d.audit.lookup.restore import restore as bring_back

    click.echo(bring_back(Project.find(), identifier, dest, at=at))


@cli.command()
@click.option("--dry", is_flag=True, help="Only say what would go.")
def gc(dry: bool) -> None:
    """Free the cache of what no version on record needs: `dvc gc --all-commits`, made safe."""
    from p4d.versioning.storage.gc import collect_garbage

    click.echo(collect_garbage(Project.find(), dry=dry))


@cli.command()
@click.argument("name")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A query parameter.")
def sql(name: str, settings: tuple[str, ...]) -> None:
    """Run sql/marts/NAME.sql or sql/audit/NAME.sql over the artifacts."""
    import polars as pl

    from p4d.warehouse import Warehouse

    if wrong := [setting for setting in settings if "=" not in setting]:
        raise click.BadParameter(f"{wrong[0]!r} is not KEY=VALUE", param_hint="--set")
    parameters = dict(setting.split("=", 1) for setting in settings)
    with pl.Config(tbl_rows=200, tbl_cols=30, fmt_str_lengths=60):
        click.echo(Warehouse(Project.find()).query(name, **parameters))


@cli.command()
@click.argument("video")
@click.option("--confirm", is_flag=True, help="Remove it; without this, only list.")
@click.option("--reason", help="Why, for the record; needed with --confirm.")
@click.option("--by", help="Who asked, for the record; needed with --confirm.")
@click.option("--purge", is_flag=True, help="After the rebuild: remove superseded objects.")
def takedown(video: str, confirm: bool, reason: str | None, by: str | None, purge: bool) -> None:
    """List everything that was made from VIDEO, and on confirmation remove it for good."""
    from p4d.audit import takedown as takedowns

    project = Project.find()
    if purge:
        done = takedowns.purge(project, video)
        click.echo(f"{done.objects} objects removed from the cache, listed in {done.listing}")
        for command in done.commands:
            click.echo(f"remote: {command}")
        return
    click.echo(takedowns.affected(project, video).render_text())
    if not confirm:
        click.echo("Nothing was changed; --confirm --reason TEXT --by WHO removes it.")
        return
    if not (reason and by):
        raise click.UsageError("--confirm needs --reason and --by")
    for line in takedowns.take_down(project, video, reason=reason, by=by):
        click.echo(line)
    click.echo(
        "Next: commit shards/; `make up` rebuilds what derives from it; then\n"
        f"  p4d takedown {video} --purge\n"
        "removes what was superseded from the cache and prints the commands for the remotes."
    )


@cli.group()
def export() -> None:
    """Write a student, a release or the runs on record in forms that other tools read."""


@export.command()
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--namespace", help="Of jobs and datasets; default: p4d://FOLDER.")
def openlineage(output: Path, namespace: str | None) -> None:
    """Write all runs on record as OpenLineage events, one JSON object per line."""
    from p4d.audit.export.openlineage import export_openlineage

    click.echo(f"{output}: {export_openlineage(Project.find(), output, namespace)} events")


@export.command()
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--release", default="release", help="A rel_ id or md5; default: the current one.")
@click.option("--base-url", help="Where the files are published; default: data/release.")
def croissant(output: Path, release: str, base_url: str | None) -> None:
    """Describe a release in Croissant."""
    from p4d.audit.export.croissant import export_croissant

    done = export_croissant(Project.find(), output, release, base_url=base_url)
    click.echo(f"{output}: {done}")


@cli.command()
@click.option("--on", metavar="DATE", help="ISO date or time, UTC; default: now.")
def champion(on: str | None) -> None:
    """Say which student is champion, or was on a date, and why."""
    from p4d.audit.champion import champion_text

    click.echo(champion_text(Project.find(), on))


@cli.command()
def summary() -> None:
    """Print the summary of everything that is published."""
    from p4d.display.summary import build_summary, render

    click.echo(render(build_summary(Project.find())))


@cli.group()
def review() -> None:
    """Questions before people: out to Label Studio, verdicts back, and a page to look at."""


_RELEASE = click.option(
    "--release",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the release, among those of its stages. Default: data/release.",
)
_SAMPLE = click.option("--sample", type=click.IntRange(min=1), help="How many; families in turn.")


@review.command(name="export")
@_RELEASE
@_SAMPLE
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def review_export(release: Path | None, sample: int | None, folder: Path) -> None:
    """Write tasks, pictures and the labeling interface for Label Studio to FOLDER."""
    from p4d.review.label_studio import export_tasks

    done = export_tasks(release or Project.find().data / "release", folder, sample=sample)
    click.echo(f"{done.questions} questions in {done.folder}; next: {done.folder}/README.md")


@review.command(name="import")
@click.argument("export", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def review_import(export: Path) -> None:
    """Take Label Studio's JSON export into reviews/; the next release applies it."""
    from p4d.review.label_studio import import_into

    click.echo(import_into(Project.find(), export).summary())


@review.command()
@_RELEASE
@_SAMPLE
@click.option("--category", "categories", multiple=True, help="Only this one; may be repeated.")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
def gallery(
    release: Path | None, sample: int | None, categories: tuple[str, ...], path: Path
) -> None:
    """Write one offline HTML page of questions with clip, marks, facts and derivation to PATH."""
    from p4d.review.gallery import write_gallery

    found = release or Project.find().data / "release"
    page = write_gallery(found, path, sample=sample or 60, categories=categories)
    click.echo(f"{page.questions} questions in {page.path} ({page.nbytes / 1e6:.1f} MB)")


@cli.command()
@click.option(
    "--benchmark",
    "name",
    required=True,
    help="r4d-bench, sti-bench, vlm4d, vsti-bench, r4d-world, or a folder.",
)
@click.option("--model", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Default: reports/.")
@click.option("--batch", type=click.IntRange(min=1), default=8, show_default=True)
@click.option("--limit", type=click.IntRange(min=1), help="Only so many items, drawn by id.")
@click.option("--frames", type=click.IntRange(min=1), help="Default: as trained, else 16.")
@click.option("--size-px", type=click.IntRange(16, 2048), help="Default: the model's own.")
@click.option("--prompt", type=click.Choice(["student", "benchmark"]), help="Default: as trained.")
@click.option("--text-only", is_flag=True, help="Generate text, do not score options.")
@click.option("--device", default="cpu", show_default=True)
def evaluate(name: str, model: Path, out: Path | None, text_only: bool, **chosen: Any) -> None:  # noqa: ANN401
    """Ask a model a benchmark's questions; stopped, the same command goes on where it was."""
    from p4d.evaluation.benchmarks.registry import open_benchmark
    from p4d.evaluation.evaluate import EvaluateSettings, summary_lines
    from p4d.evaluation.evaluate import evaluate as run

    project = Project.find()
    benchmark = open_benchmark(name, project)
    folder = out or project.root / "reports" / "evaluation" / benchmark.name / model.name
    settings = EvaluateSettings(**chosen, likelihood=not text_only)
    with click.progressbar(
        length=len(benchmark.items), label=benchmark.name, file=sys.stderr
    ) as bar:

        def progress(done: int, total: int, note: str) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        found = run(benchmark, model, folder, project.params, settings, progress)
    click.echo("\n".join([*summary_lines(found), f"page: {folder / 'index.html'}"]))


@cli.command()
@click.argument("first", type=click.Path(path_type=Path, file_okay=False))
@click.argument("second", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--scoring", "--way", "scoring", help="likelihood, text_wrong, ... (docs/benchmarks.md)."
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def compare(first: Path, second: Path, scoring: str | None, as_json: bool) -> None:
    """Compare two evaluations (folders of p4d evaluate) item by item: SECOND minus FIRST."""
    from p4d.evaluation.comparison import compare as compared
    from p4d.evaluation.comparison import render
    from p4d.evaluation.scoring.statistics import Bootstrap

    statistics = Project.find().params.evaluation
    how = Bootstrap(statistics.bootstrap_samples, statistics.confidence)
    found = compared(first, second, how, scoring)
    click.echo(json.dumps(found, indent=2) if as_json else render(found))


@cli.group()
def benchmark() -> None:
    """The embedded benchmark R4D-World."""


@benchmark.command(name="make")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--worlds", type=click.IntRange(min=2), help="A small one, for a try.")
@click.option("--freeze", is_flag=True, help="Write the digest list that git keeps.")
def benchmark_make(folder: Path, worlds: int | None, freeze: bool) -> None:
    """Make R4D-World in FOLDER; stopped, the same command goes on where it was."""
    from p4d.evaluation.benchmarks.r4d_world.make import WORLDS, make

    def progress(where: str, done: int, total: int, note: str) -> None:
        click.echo(f"\r{where} {done} of {total}\033[K", nl=False, err=True)

    params = Project.find().params
    made = make(folder, params, worlds=worlds or WORLDS, freeze=freeze, progress=progress)
    click.echo("", err=True)
    for category, count in made.questions.items():
        click.echo(f"{category:<29}{count:>6}")
    click.echo(
        f"{sum(made.questions.values())} questions about {made.worlds} worlds; {made.comparison}"
    )


@cli.command()
@click.argument("video", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--question", required=True, help="Names regions <obj_1>, <obj_2> ... in order.")
@click.option("--region", "regions", multiple=True, help="x0,y0,x1,y1 in pixels, or a mask.")
@click.option("--option", "options", multiple=True, help="An answer to choose; none: free text.")
@click.option("--start", "start_s", type=float, default=0.0, help="Where the clip starts, seconds.")
@click.option(
    "--student",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of a student; default: the champion, or the last student_p4d.",
)
@click.option("--picture", type=click.Path(path_type=Path), help="Save the marked regions here.")
def ask(
    video: Path,
    question: str,
    regions: tuple[str, ...],
    options: tuple[str, ...],
    start_s: float,
    student: Path | None,
    picture: Path | None,
) -> None:
    """Ask a student about regions of any VIDEO."""
    from p4d.students.use import ask as asking

    loaded, folder = asking.load_asked(student)
    answer = asking.ask_video(
        loaded,
        video,
        question,
        options=options,
        regions=regions,
        clips=Project.find().params.clips,
        start_s=start_s,
    )
    click.echo(answer.text)
    for text, chance in answer.ranked:
        click.echo(f"  {chance:6.1%}  {text}")
    if picture:
        asking.save_picture(picture, answer.picture_hw3)
        click.echo(f"regions are drawn in {picture}", err=True)
    click.echo(f"answered by {folder}", err=True)


@export.command(name="student")
@click.argument("student", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("dest", type=click.Path(path_type=Path))
def export_one_student(student: Path, dest: Path) -> None:
    """Copy STUDENT to DEST as one folder that transformers loads, with a file that asks it."""
    from p4d.students.use.export import export_student

    click.echo(export_student(student, dest, Project.find().params.clips))


@cli.command(name="dvc-yaml")
@click.option("--check", is_flag=True, help="Only compare; exit 1 if dvc.yaml is out of date.")
def dvc_yaml(check: bool) -> None:
    """Write dvc.yaml from the stage table (after a stage or an import changed)."""
    from p4d.pipeline import STAGES
    from p4d.versioning.dvc.pipeline_file import render as render_dvc_yaml

    root = Path(__file__).resolve().parent.parent
    path, text = root / "dvc.yaml", render_dvc_yaml(STAGES, root)
    if check:
        if not path.exists() or path.read_text() != text:
            click.echo("dvc.yaml is out of date; run: p4d dvc-yaml", err=True)
            sys.exit(1)
        return
    path.write_text(text)
    click.echo(f"wrote {path.name}")


def main() -> None:
    """Entry point: errors of ours end with their message and status 1."""
    try:
        cli()
    except P4DError as error:
        click.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
