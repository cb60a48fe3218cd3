"""summary.csv and metrics.jsonl, each read by pandas in one line, as docs/sweeps.md shows.

    python3 -m venv .build/interop && .build/interop/bin/pip install pandas
    .build/interop/bin/python Tests/Interop/check_tables.py .build/release/gputrain
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import pandas

program = str(pathlib.Path(sys.argv[1]).resolve())

with tempfile.TemporaryDirectory() as place:
    out = pathlib.Path(place) / "out"
    arguments = ["sweep", "--widths", "8,16", "--log2-lr=-6,60", "--seeds", "2", "--depth", "1",
                 "--optimizer", "sgd", "--steps", "40", "--diagnose", "10", "--json", "--out", str(out)]
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)

    summary = pandas.read_csv(out / "summary.csv")
    assert len(summary) == report["runs"] == 16, summary
    assert (summary.outcome == "diverged").sum() == report["diverged"] == 8
    for column in ["log2_learning_rate", "train_loss", "validation_loss", "seconds"]:
        assert pandas.api.types.is_numeric_dtype(summary[column]), summary.dtypes
    for column in ["width", "depth", "seed", "epochs", "steps"]:
        assert summary[column].dtype == int, summary.dtypes
    # Of a diverged run nothing is made up.
    assert summary[summary.outcome == "diverged"].train_loss.isna().all()
    means = summary[summary.outcome == "completed"].groupby(["parametrization", "width"]).train_loss.mean()
    print(means.to_string())

    compared = 0
    for row in summary[summary.outcome == "completed"].itertuples():
        metrics = pandas.read_json(out / "runs" / row.run / "metrics.jsonl", lines=True)
        assert metrics.step.is_monotonic_increasing and metrics.step.iloc[-1] == row.steps
        last = metrics.dropna(subset=["validation_loss"]).iloc[-1]
        # pandas reads JSON's numbers to the last bit or the one before.
        assert abs(last.validation_loss - row.validation_loss) <= 1e-14 * row.validation_loss
        assert metrics["layers.0/weight_norm"].dropna().gt(0).all()
        compared += len(metrics)
    print(f"summary.csv: {len(summary)} runs; metrics.jsonl: {compared} records")
print("all well")
