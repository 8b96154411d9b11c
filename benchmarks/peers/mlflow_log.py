"""MLflow: log a folder as artifacts of a new run, straight to S3."""

from __future__ import annotations

import sys
from pathlib import Path

import mlflow


def main(folder: str, location: str, records: str) -> None:
    mlflow.set_tracking_uri(Path(records).as_uri())
    name = location.rstrip("/").rpartition("/")[2]
    found = mlflow.get_experiment_by_name(name)
    experiment = found.experiment_id if found else mlflow.create_experiment(name, location)
    with mlflow.start_run(experiment_id=experiment):
        mlflow.log_artifacts(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
