"""Training in stages: each stage is a run of its own, in a folder of the output folder that has the stage's name."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from colorgan.training.checkpoints import is_finished, last_state
from colorgan.training.config import Config, TrainingConfig
from colorgan.training.launch import process, publish
from colorgan.training.record import write_record


def stage_config(config: Config, stage: str, **changes: Any) -> Config:
    """The options of a stage: those of the whole training with `changes`, and the folder of the stage.

    `--max_train_steps` of the whole training is an upper limit of the steps of every stage.
    """
    if config.max_train_steps and "max_train_steps" in changes:
        changes["max_train_steps"] = min(config.max_train_steps, changes["max_train_steps"])
    return replace(config, output_dir=config.output_dir / stage, push_to_hub=False, **changes)


def resume_stage(config: Config, alone: bool, again: bool) -> Config | None:
    """The options with which a stage starts, or None if `--resume_from_checkpoint latest` finds it finished.

    A finished stage that has a state is run `again`, because it may have more steps now. A stage that has no state
    starts from the beginning, unless it is run `alone`.
    """
    if config.resume_from_checkpoint != "latest":
        return config
    state = last_state(config.output_dir)
    if is_finished(config.output_dir) and not (again and state):
        if process().is_main_process:
            print(f"The {config.output_dir.name} stage was finished before.")
        return None
    return config if state or alone else replace(config, resume_from_checkpoint=None)


def finish_stages(config: TrainingConfig, stages: Iterable[str], result: str) -> None:
    """Copy the checkpoint of the stage `result` to the output folder, with a record of all stages; publish it if asked.

    The seconds in the record are those of all stages whose folders exist.
    """
    if not process().is_main_process:
        return
    folder = config.output_dir
    for file in ("config.json", "model.safetensors", "sample.png"):
        if (folder / result / file).is_file():
            shutil.copy(folder / result / file, folder / file)
    paths = {stage: folder / stage / "training.json" for stage in stages}
    records = {stage: json.loads(path.read_text()) for stage, path in paths.items() if path.exists()}
    seconds = sum(record["seconds"] for record in records.values())
    write_record(folder, records[result] | {"seconds": seconds, "stages": records})
    if config.push_to_hub:
        publish(config)
