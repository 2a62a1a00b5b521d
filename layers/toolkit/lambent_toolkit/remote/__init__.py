"""Steps of a model's life as jobs of the GPU lane: `lambent train --remote` and `lambent evaluate --remote`.

Here: `contents` says what a job needs, `bundle` packs it, `runs` uploads, submits, follows (`following`) and brings
back (`fetching`). There, in the worker's image: `job` unpacks, runs the very step that this machine would run, keeps
its checkpoints in S3 (`mirror`) and leaves the result. Both sides meet in files of the data bucket, a run each under
``training/{tenant}/{run}/``:

run.json             what was asked for, written before anything is submitted
bundle-….zip         recipe, data and files, named by its sha256
job.json             AWS Batch's id of its job
state/               checkpoints and logs of an unfinished training
result/…             the artifact, file by file
outcome.json         written last: the sha256 of every result, or the error
"""
