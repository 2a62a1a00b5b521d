"""Data sets: immutable, digested, split and checked, made by `lambent data add` and read by recipes.

    def data(_settings):
        return DataSet.open("flowers")  # the newest version; "flowers@2" is that one for ever

A version is a folder ``.lambent/data/NAME/NUMBER/`` that appears whole or not at all:

manifest.jsonl   one line an item: id, path, sha256, size, label or target, split, slices, what it is a duplicate of
dataset.json     what it was made from and how; the manifest's sha256, which is the version's identity
items.jsonl      the items themselves, a line each as in the manifest, where they came from rows of a table
checks.json      what the checks found
report.html      the same for people, with plots and pictures

Pictures and texts that are files of their own stay where they are, in a folder or under an S3 prefix: nobody wants
copies of large data. Every reading compares their digests, so that an item that changed is refused instead of learned.
Rows of a table are copied, for a table is edited in place more often than it is kept.
"""

from lambent_toolkit.modelkit.datasets.data_set import DataSet

__all__ = ["DataSet"]
