import dagster as dg


def test_string_selections_of_assets_work_beside_dvc():
    """DVC's own pin of antlr breaks them silently (dagster#27487)."""
    selection = dg.AssetSelection.from_string("key:clips+")
    assert "clips" in str(selection)
