"""The stage export: a model to files of a format that other software loads."""

import glob
import os
from collections.abc import Iterator

from threadmill.datasets import storage
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset, verify
from threadmill.datasets.manifest import Field, InputEntry, Manifest, find_manifest
from threadmill.engine.run import run_stage
from threadmill.engine.stage import MapStage, Plan, Task, TaskOutput, TaskResult
from threadmill.errors import IntegrityError
from threadmill.training.evaluation.stage import EVALUATE, EVALUATION_FOLDER
from threadmill.training.export.formats import FORMATS, HUGGING_FACE, ExportConfig, ExporterSpec
from threadmill.training.finished_model import open_finished
from threadmill.training.outputs import local_dataset, local_file, working_folder, write_file
from threadmill.training.processes.launch import run_child
from threadmill.training.runs.workspace import EVALUATION_NAME, Workspace

EXPORT = "export"

_WORK_FOLDER = ".export"  # of the log, the status and the files on their way; it stays where the export failed


class ExportStage(MapStage):
    """Writes a model in a format of `FORMATS`, in a process of its own, on TensorFlow whatever the model was trained on.

    The dataset is the folder that the format's readers load: for keras ``model.keras`` with the vocabulary and
    ``config.json``; for savedmodel ``saved_model.pb`` and ``variables/``; for huggingface ``config.json``,
    ``model.safetensors``, the tokenizer's files and ``README.md``, the model card, which tells the model's scores.

    Args:
        evaluation_uri: the scores; "" for ``evaluation/`` in the model's folder. Those of another model are left out.
    """

    name = EXPORT
    version = 1
    unit = "models"
    runs_here = True  # it converts a file, in a process of its own

    def __init__(self, model_uri: str, config: ExportConfig | None = None, evaluation_uri: str = "") -> None:
        self.model_uri = model_uri
        self.evaluation_uri = evaluation_uri or storage.join(model_uri, EVALUATION_FOLDER)
        self.config = config or ExportConfig()

    def plan(self) -> Plan:
        """One task.

        Raises:
            InputError: no finished model there.
        """
        model = open_finished(self.model_uri).dataset
        evaluation = self._evaluation(model)
        inputs = (model.as_input(), *([evaluation] if evaluation else ()))
        main_file, media_type = FORMATS[self.config.to]
        return Plan(inputs, (Task(EXPORT),), (Field(main_file, media_type),), model.manifest.partial)

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Writes the files beside the dataset, and takes them over.

        Raises:
            IntegrityError: a file of the model was changed.
        """
        folder = working_folder(output.uri)
        workspace = Workspace(os.path.join(folder, _WORK_FOLDER))
        storage.remove_tree(workspace.folder)
        os.makedirs(workspace.export)
        model = open_finished(self.model_uri)
        evaluation = self._evaluation(model.dataset)
        if problems := verify(self.model_uri):
            raise IntegrityError(f"{self.model_uri} was changed after it was written ({problems[0]}); train the model again")
        spec = ExporterSpec(
            folder=workspace.folder,
            model=local_dataset(self.model_uri, os.path.join(workspace.folder, "model")),
            name=model.dataset.manifest.name,
            evaluation=local_file(storage.join(evaluation.uri, EVALUATION_NAME), workspace.folder) if evaluation else "",
            config=self.config,
            parent=os.getpid(),
        )
        run_child("threadmill.training.processes.exporter", spec, workspace.folder, stage=EXPORT, unit="models")
        for name in _files(workspace.export):
            if storage.is_local(output.uri):
                _make_folder(folder, os.path.dirname(name))
            write_file(output, name, os.path.join(workspace.export, name))
        storage.remove_tree(workspace.folder)
        return output.result(task, Counters(read=1, kept=1, written=1), {"parameters": model.described["parameters"]})

    def _evaluation(self, model: Dataset) -> InputEntry | None:
        """The evaluation, where the format tells it and it is of ``model`` as it is now."""
        uri = self.evaluation_uri
        manifest = find_manifest(uri) if self.config.to == HUGGING_FACE else None
        if manifest is None or manifest.stage != EVALUATE:
            return None
        is_of_model = model.manifest.digest in {entry.digest for entry in manifest.inputs}
        return InputEntry(manifest.name, manifest.digest, uri) if is_of_model else None


def run_export(model_uri: str, output_uri: str, config: ExportConfig | None = None, *, allow_partial: bool = False) -> Manifest:
    """Exports a model into ``output_uri``; left as it is where it has been exported so before.

    Raises:
        ThreadmillError: a setting, an input, or the exporter's end; see `ExportStage`.
    """
    return run_stage(ExportStage(model_uri, config), output_uri, allow_partial=allow_partial)


def _files(folder: str) -> Iterator[str]:
    """The files below ``folder``, by their paths in it, in the order of these."""
    found = glob.glob("**", root_dir=folder, recursive=True, include_hidden=True)
    return (name for name in sorted(found) if os.path.isfile(os.path.join(folder, name)))


def _make_folder(folder: str, name: str) -> None:
    """The folder ``name`` in ``folder``, less what a killed run left half-written there; the run tidies ``folder`` itself."""
    path = os.path.join(folder, name)
    os.makedirs(path, exist_ok=True)
    for stale in glob.glob(f"{glob.escape(path)}/{storage.TEMPORARY_PREFIX}*") if name else ():
        os.remove(stale)
