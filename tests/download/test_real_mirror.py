"""The mirror of real data: complete Omniglot through the command's own path."""

from pathlib import Path

import pytest

from pipeline.download.__main__ import download
from pipeline.download.job import DownloadJob, read_sources
from pipeline.manifest import read_manifest


@pytest.mark.mirror
@pytest.mark.slow
def test_omniglot_has_964_and_659_characters_of_20_drawings(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    output = Path("data/raw/real/omniglot.json")
    download(DownloadJob(source="omniglot", origin="real", entry=read_sources()["omniglot"]), output, str(mirror))
    manifest = read_manifest(output)
    assert (manifest.complete, manifest.counts["files"], manifest.notes["origin"]) == (True, 32_460, "mirror")
    for subset, characters in (("images_background", 964), ("images_evaluation", 659)):
        drawings = [len(list(folder.iterdir())) for folder in output.with_suffix("").glob(f"{subset}/*/*")]
        assert drawings == [20] * characters
