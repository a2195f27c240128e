"""The cache of compiled code."""

from pathlib import Path

import pytest

from pipeline.render import jit, scene


def test_a_change_in_any_file_that_is_compiled_in_asks_for_another_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(jit, "__file__", str(tmp_path / "jit.py"))
    monkeypatch.setattr(jit, "code_digest", lambda files: asked.extend(files) or "sha256:" + "5" * 64)
    changed = jit.compiled(scene.render_job.py_func)  # type: ignore[attr-defined]
    assert "numba-" + "5" * 16 in Path(changed.stats.cache_path).parts
    assert {"pipeline/render/scene.py", "pipeline/render/transform.py", "pipeline/render/mt19937.py"} <= set(asked)
