import dagster as dg

from dagster_project.build import build_defs
from dagster_project.resources import Inbox, StageRunner
from p4d.project import Project
from p4d.versioning.state.workspace import code_versions

PROJECT = Project.find()


def test_resources_carry_the_root_and_can_be_replaced(tmp_path):
    defs = build_defs(PROJECT)
    runner, inbox = defs.resources["stage_runner"], defs.resources["inbox"]
    assert (runner.root, inbox.root, inbox.settle_s) == (str(PROJECT.root),) * 2 + (10.0,)
    mine = StageRunner(root=str(tmp_path), progress_to_terminal=True)
    defs = build_defs(PROJECT, stage_runner=mine, inbox=Inbox(root=str(tmp_path), settle_s=0))
    assert defs.resources["stage_runner"] == mine
    assert defs.resources["stage_runner"].project.root == tmp_path
    assert defs.resources["inbox"].settle_s == 0


def test_code_versions_are_those_of_p4d_status():
    graph = build_defs(PROJECT).resolve_asset_graph()
    found = {
        key.to_user_string(): graph.get(key).code_version for key in graph.materializable_asset_keys
    }
    assert found == code_versions(PROJECT)


def test_the_description_says_what_is_stored_and_what_a_run_does():
    graph = build_defs(PROJECT).resolve_asset_graph()
    stored, does, tables, _, look = graph.get(dg.AssetKey("clips")).description.split("\n\n")
    assert stored.startswith("Half-open clips")
    assert tables == "Tables:"
    assert does.startswith("Cuts the videos of a shard")
    assert look == "Look closer: `p4d explore` plays each clip."
