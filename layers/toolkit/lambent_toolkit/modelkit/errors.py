"""What may stop the model kit, each with the exit code that `lambent` ends with.

ModelkitError
├── RecipeUnknown          11   no recipe of this name
├── StepMissing            12   an earlier step has not been run in this folder
├── ServingCheckFailed     13   the serving interpreter could not be started, or died
├── ServingRefused         14   the serving interpreter refused the model; has its coded error
├── DataChanged            16   the recipe's data is not what the model was trained on
├── ConversionFailed       17   the converter cannot make a file of this form
├── DataUnknown            19   no data of this name
├── DataNeeded             21   an imported model is to be measured, and no data was named
├── DataUnfit              22   the data has classes that the model's contract does not have
├── KeyUnusable            30   a signing key cannot be read, opened or written
├── GateClosed             31   a version failed checks before publishing
├── NoVariantHolds         40   no variant of the model keeps to the limit, or the named one has no figures
├── ValidationMissing      41   there are too few validation items to measure anything on
├── ModelNotFinite         42   the float model has weights or answers that are NaN or infinite
├── FolderNotWritable      43   a file of the step could not be written, e.g. the disk is full
├── LimitUnfit             44   a limit in the unit of another kind of model
├── QuantizedAlready       45   the model came as a .tflite file, there is nothing to quantize it from
├── ForeignModelRefused    50   a file that somebody else made is unknown, damaged or may run code
├── ContractDisagrees      51   contract and model contradict each other
├── DraftUndecided         52   a contract cannot be drafted without being told more
├── LayerUnsupported       60   a layer has no fake-quantized form to be fine-tuned in
├── RecipeFailed           70   the recipe's own code raised
├── RecipeUnfit            71   what the recipe's functions return does not go together
├── SettingInvalid         72   a setting is unknown, or its value is not what its type allows
├── DataUnusable           73   the data is empty, has one class only, or cannot be split
├── TrainingDiverged       74   the loss became NaN or infinite
├── OtherTraining          75   the folder holds checkpoints of another training
├── BackboneUnfit          76   what transfer learning starts from is missing, refused, or takes no pictures
├── SourceUnusable         80   a data set's source does not exist, or is not of the form that was said
├── ItemsUnreadable        81   items of the source cannot be read; up to 20 of them are named
├── DataSetUnknown         82   no data set, or no version of it, is called so
├── ItemChanged            83   an item is gone, or is not what was added to the data set
├── DataSetDamaged         84   a file of the data set is not what was written
├── SourceUnavailable      85   the source did not answer; trying again may help
├── ReportOutdated         90   a report.json was written by another release
├── AnswersNotFinite       91   a model answers test items with NaN or infinity
├── ModelFileExchanged     92   model.tflite is not the file that was quantized
├── ModelsIncomparable     93   two models do not answer the same question
├── ServiceUnreachable     96   no answer from the stack's HTTP door, or one that is not its own
├── InputUnusable          97   a file or folder that cannot be a batch's input
├── LaneMissing           110   the stack has no GPU lane to run a job on
├── BundleTooLarge        111   what a job needs is larger than a bundle may be
├── RunUnknown            112   there is no run of this id
├── RunFailed             113   a job ended without a result and without telling why
├── RunCancelled          114   a job was cancelled
├── ResultDamaged         115   what came back of a job is not what the job wrote
├── FolderOccupied        116   the folder for a job's artifact holds something already
├── ImageOutdated         117   the worker's image has other packages than this machine
├── RunNotStarted         118   a run was stored and no job was submitted for it
├── RunUnreadable         119   a run's bundle or record is not what was stored
├── StepFailedRemotely      *   the job's own error, with the exit code that it has on this machine
├── FollowingStopped      130   Ctrl-C while a job was watched; the job goes on
└── TrainingInterrupted   130   Ctrl-C; the same command goes on
"""

from __future__ import annotations


class ModelkitError(Exception):
    """The model kit cannot do what it was asked; the message says what to do about it."""

    exit_code = 10


class RecipeUnknown(ModelkitError):
    """No recipe of this name."""

    exit_code = 11


class StepMissing(ModelkitError):
    """A file of an earlier step is not in the folder."""

    exit_code = 12


class ServingCheckFailed(ModelkitError):
    """The process with the layers' packages ended without an answer, or gave none within ``waited_s``."""

    exit_code = 13

    def __init__(self, message: str, *, waited_s: float | None = None) -> None:
        super().__init__(message)
        self.waited_s = waited_s


class ServingRefused(ModelkitError):
    """The serving interpreter refused the model; ``code`` is the error's code in `lambent.errors`."""

    exit_code = 14

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{detail} ({code})")
        self.code = code
        self.detail = detail


class DataChanged(ModelkitError):
    """The recipe gives other data, or other tensors, than the model in the folder was trained on."""

    exit_code = 16


class ConversionFailed(ModelkitError):
    """TensorFlow's converter cannot make a .tflite file of this form of the model; ``said`` is the reason."""

    exit_code = 17

    def __init__(self, message: str, *, said: str = "") -> None:
        super().__init__(message)
        self.said = said


class DataUnknown(ModelkitError):
    """No data of this name."""

    exit_code = 19


class DataNeeded(ModelkitError):
    """An imported model has no data of its own, and none was named."""

    exit_code = 21


class DataUnfit(ModelkitError):
    """The data has classes that the contract's labels do not have."""

    exit_code = 22


class NoVariantHolds(ModelkitError):
    """No variant keeps to the limit of quality, or the one that was named could not be measured."""

    exit_code = 40


class ValidationMissing(ModelkitError):
    """The validation part is empty, or too small for its figures to mean anything."""

    exit_code = 41


class ModelNotFinite(ModelkitError):
    """The float model has weights or answers that are no finite numbers."""

    exit_code = 42


class FolderNotWritable(ModelkitError):
    """A file could not be written; the folder is as it was before the step."""

    exit_code = 43


class LimitUnfit(ModelkitError):
    """A limit of the loss that is no limit, or in the unit of another kind of model."""

    exit_code = 44


class QuantizedAlready(ModelkitError):
    """The model came as a .tflite file: it is served as it is."""

    exit_code = 45


class KeyUnusable(ModelkitError):
    """There is no P-256 key in a file, or it cannot be written."""

    exit_code = 30


class ForeignModelRefused(ModelkitError):
    """A model from elsewhere that is no model, is damaged, or would run code when it is loaded."""

    exit_code = 50


class ContractDisagrees(ModelkitError):
    """Contract and model contradict each other; the message lists every contradiction."""

    exit_code = 51


class DraftUndecided(ModelkitError):
    """A contract cannot be drafted from the model alone."""

    exit_code = 52


class LayerUnsupported(ModelkitError):
    """Quantization-aware fine-tuning has no form of a layer of this model."""

    exit_code = 60


class GateClosed(ModelkitError):
    """A version failed checks; the message tells all of them."""

    exit_code = 31


class RecipeFailed(ModelkitError):
    """The recipe's own code raised; the message names file, line and exception."""

    exit_code = 70


class RecipeUnfit(ModelkitError):
    """What the recipe's functions return does not go together: data, contract and model."""

    exit_code = 71


class SettingInvalid(ModelkitError):
    """A setting is unknown to the recipe, or its value is not what its type allows."""

    exit_code = 72


class DataUnusable(ModelkitError):
    """Nothing can be learned from the data, or it cannot be split into three parts."""

    exit_code = 73


class TrainingDiverged(ModelkitError):
    """The loss is no number any more."""

    exit_code = 74


class OtherTraining(ModelkitError):
    """The folder holds checkpoints of a training that is not the one asked for."""

    exit_code = 75


class BackboneUnfit(ModelkitError):
    """The backbone is missing, is refused before it is loaded, or takes something else than pictures."""

    exit_code = 76


class SourceUnusable(ModelkitError):
    """No data set can be made of what was named: it does not exist, or has another form than was said."""

    exit_code = 80


class ItemsUnreadable(ModelkitError):
    """Items of the source cannot be read, as serving could not read them; nothing was added."""

    exit_code = 81


class DataSetUnknown(ModelkitError):
    """The store has no data set, or no version, of this name."""

    exit_code = 82


class ItemChanged(ModelkitError):
    """An item that lies outside of the store is gone, or has other bytes than when it was added."""

    exit_code = 83


class DataSetDamaged(ModelkitError):
    """A file in the store does not have the digest that it was written with."""

    exit_code = 84


class SourceUnavailable(ModelkitError):
    """The store of objects that the items lie in did not answer."""

    exit_code = 85


class ReportOutdated(ModelkitError):
    """report.json has another schema, or is damaged."""

    exit_code = 90


class AnswersNotFinite(ModelkitError):
    """A model answers NaN or infinity, of which no figure can be made."""

    exit_code = 91


class ModelFileExchanged(ModelkitError):
    """model.tflite is another file than quantization.json says."""

    exit_code = 92


class ModelsIncomparable(ModelkitError):
    """Two models take other items, or answer something else."""

    exit_code = 93


class LaneMissing(ModelkitError):
    """The stack was deployed without a GPU lane."""

    exit_code = 110


class BundleTooLarge(ModelkitError):
    """Recipe, data and files of a job are too large together; nothing was uploaded."""

    exit_code = 111


class RunUnknown(ModelkitError):
    """There is no run of this id under this tenant."""

    exit_code = 112


class RunFailed(ModelkitError):
    """A job ended without a result, and not by an error of its own: no image, killed, out of time."""

    exit_code = 113


class RunCancelled(ModelkitError):
    """Somebody cancelled the job."""

    exit_code = 114


class ResultDamaged(ModelkitError):
    """A file of a job's result is missing, or has another digest than the job wrote."""

    exit_code = 115


class FolderOccupied(ModelkitError):
    """A job's artifact is for a folder of its own."""

    exit_code = 116


class ImageOutdated(ModelkitError):
    """The worker's image has other packages than the machine that sent the job."""

    exit_code = 117


class RunNotStarted(ModelkitError):
    """The command that stored a run ended before AWS Batch had its job."""

    exit_code = 118


class RunUnreadable(ModelkitError):
    """A run's record or bundle is not what was stored, or is of another release."""

    exit_code = 119


class StepFailedRemotely(ModelkitError):
    """A step failed in its job as it would have here; ``exit_code`` is that of its own error."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class FollowingStopped(ModelkitError):
    """Ctrl-C while a job was watched: the job goes on."""

    exit_code = 130


class TrainingInterrupted(ModelkitError):
    """Ctrl-C; 130 is what shells use for it."""

    exit_code = 130


class ServiceUnreachable(ModelkitError):
    """The stack's HTTP door did not answer, or somebody else did in its place."""

    exit_code = 96


class InputUnusable(ModelkitError):
    """A local file or folder cannot be a batch's input."""

    exit_code = 97
