"""Exports are read by the official libraries of their standards."""

import json

import pytest

from benchmarks.synthetic.questions_project import QUESTIONS_PER_CLIP, QuestionsProject
from p4d.errors import LedgerError
from p4d.exports.croissant import export_croissant
from p4d.exports.openlineage import PRODUCER, export_openlineage


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return QuestionsProject(tmp_path_factory.mktemp("synthetic"), 2 * QUESTIONS_PER_CLIP).write()


def as_the_client_writes_it(event):
    """The event, built of the official classes, which check it, and written by them."""
    import attr
    from openlineage.client import event_v2, set_producer
    from openlineage.client.generated import (
        base,
        data_quality_assertions_dataset,
        dataset_version_dataset,
        documentation_job,
        job_type_job,
        output_statistics_output_dataset,
        source_code_location_job,
    )
    from openlineage.client.serde import Serde

    set_producer(PRODUCER)

    @attr.define(kw_only=True)
    class Made(base.RunFacet):
        code_version: str
        params_digest: str
        git_commit: str
        git_dirty: bool
        package_version: str
        environment: str
        shard: str
        wall_s: float
        cpu_s: float

        @staticmethod
        def _get_schema():
            return f"{PRODUCER}#run-facet"

    kinds = {
        "p4d": Made,
        "jobType": job_type_job.JobTypeJobFacet,
        "documentation": documentation_job.DocumentationJobFacet,
        "sourceCodeLocation": source_code_location_job.SourceCodeLocationJobFacet,
        "version": dataset_version_dataset.DatasetVersionDatasetFacet,
        "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
    }

    def facets(given):
        built = {}
        for name, body in given.items():
            values = {k: v for k, v in body.items() if not k.startswith("_")}
            if name == "dataQualityAssertions":
                one = data_quality_assertions_dataset.Assertion
                built[name] = data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(
                    assertions=[one(**item, params=None) for item in values["assertions"]]
                )
            else:
                built[name] = kinds[name](**values)
        return built

    job, run = event["job"], event["run"]
    built = event_v2.RunEvent(
        eventType=event_v2.RunState(event["eventType"]),
        eventTime=event["eventTime"],
        run=event_v2.Run(run["runId"], facets(run["facets"])),
        job=event_v2.Job(job["namespace"], job["name"], facets(job["facets"])),
        inputs=[
            event_v2.InputDataset(
                d["namespace"], d["name"],
                facets=facets(d["facets"]), inputFacets=facets(d["inputFacets"]),
            )
            for d in event["inputs"]
        ],
        outputs=[
            event_v2.OutputDataset(
                d["namespace"], d["name"],
                facets=facets(d["facets"]), outputFacets=facets(d["outputFacets"]),
            )
            for d in event["outputs"]
        ],
        producer=PRODUCER,
    )  # fmt: skip
    return Serde.to_dict(built)


def test_every_event_is_what_the_official_client_writes(made, tmp_path):
    pytest.importorskip("openlineage.client")
    count = export_openlineage(made.project, tmp_path / "out.ndjson", "p4d://test")
    events = [json.loads(line) for line in (tmp_path / "out.ndjson").read_text().splitlines()]
    assert count == len(events) == 2 * len(made.md5)
    for event in events:
        assert as_the_client_writes_it(event) == event
    last = events[-1]
    assert last["job"]["name"] == "champion"
    assert (
        last["outputs"][0]["facets"]["version"]["datasetVersion"] == f"md5:{made.md5['champion']}"
    )
    read = {d["name"]: d for d in last["inputs"]}
    assert read["evaluation"]["facets"]["version"]["datasetVersion"].endswith(
        made.md5["evaluation"]
    )
    assert len(read["evaluation"]["inputFacets"]["dataQualityAssertions"]["assertions"]) == 8


def test_a_release_is_read_by_mlcroissant(made, tmp_path):
    croissant = pytest.importorskip("mlcroissant")
    path = tmp_path / "croissant.json"
    assert export_croissant(made.project, path) == "rel_made_up"
    dataset = croissant.Dataset(jsonld=str(path))  # raises where the description is not valid
    assert not dataset.metadata.ctx.issues.errors
    assert not dataset.metadata.ctx.issues.warnings
    assert dataset.metadata.name == "rel_made_up"
    row = next(iter(dataset.records("questions")))
    expected = made.questions.sort("qa_id").row(0, named=True)
    assert row["questions/qa_id"].decode() == expected["qa_id"]
    assert [option.decode() for option in row["questions/options"]] == expected["options"]
    assert row["questions/answer_index"] == expected["answer_index"]
    assert len(list(dataset.records("clips"))) == made.clips


def test_equal_releases_are_described_by_equal_bytes_and_unknown_ones_are_refused(made, tmp_path):
    for name in ("a.json", "b.json"):
        export_croissant(made.project, tmp_path / name, "rel_made_up", base_url="https://x.org/d")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert "https://x.org/d/questions.parquet" in (tmp_path / "a.json").read_text()
    with pytest.raises(LedgerError, match="similar: rel_made_up"):
        export_croissant(made.project, tmp_path / "c.json", "rel_made_upp")
    with pytest.raises(LedgerError, match="evaluation is no recorded release"):
        export_croissant(made.project, tmp_path / "c.json", "evaluation")
