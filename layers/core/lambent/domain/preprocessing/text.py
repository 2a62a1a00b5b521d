"""Texts into token ids, by any tokenizer.json of the `tokenizers` library (https://huggingface.co/docs/tokenizers)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer

from lambent.contracts.model import Limits, ModelContract, TextPreprocessing
from lambent.contracts.tensor import DTYPE_BY_DATATYPE, Array
from lambent.domain.model import TOKENIZER_FILE, digest
from lambent.errors import MediaTypeUnsupported, Misconfigured, ModelContractMismatch, PayloadTooLarge, TextInvalid

if TYPE_CHECKING:
    from lambent.domain.preprocessing import RawItem

_FIELD = "text"
# C0 without tab, line feed and carriage return; and halves of surrogate pairs, which are no characters.
_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


class TextPreprocessor:
    """Fills the contract's inputs with token ids, attention mask and token types.

    One text at a time through `Tokenizer.encode`, which starts no threads; the library's batch calls would.
    """

    accepted_media = ("text/plain",)
    item_name = _FIELD

    def __init__(self, contract: ModelContract, assets: Mapping[str, bytes]) -> None:
        if not isinstance(contract.preprocessing, TextPreprocessing):
            raise Misconfigured("A text preprocessor needs a contract with text preprocessing.")
        self._spec = contract.preprocessing
        self._limits = contract.limits
        self._fewest_tokens = max((tensor.min_shape[1] for tensor in contract.inputs if tensor.min_shape), default=1)
        self._dtypes = {tensor.name: DTYPE_BY_DATATYPE[tensor.datatype] for tensor in contract.inputs}
        self._tokenizer = _load_tokenizer(self._spec, assets.get(TOKENIZER_FILE))
        largest = max(self._tokenizer.get_vocab_size() - 1, self._spec.pad_id)
        if largest > np.iinfo(self._dtypes[self._spec.ids_input]).max:
            raise ModelContractMismatch(
                f"Token ids go up to {largest}, which input {self._spec.ids_input} cannot hold.",
                field=f"inputs.{self._spec.ids_input}.datatype",
                got=largest,
            )

    def prepare(self, item: RawItem) -> dict[str, Array]:
        """Return one text's tokens, each array of shape (tokens,): at least one, at most ``max_tokens``.

        Parameters
        ----------
        item : str or bytes   bytes are UTF-8, a byte order mark is dropped

        Raises
        ------
        MediaTypeUnsupported   not a text
        PayloadTooLarge        more bytes than the contract's limit
        TextInvalid            empty, not UTF-8, with control characters, too many characters or tokens
        """
        text = _check_text(item, self._spec, self._limits)
        encoding = self._tokenizer.encode(text)
        self._check_tokens(len(encoding))
        spec = self._spec
        columns = {
            spec.ids_input: encoding.ids,
            spec.mask_input: encoding.attention_mask,
            spec.types_input: encoding.type_ids,
        }
        return {name: np.array(columns[name], dtype=dtype) for name, dtype in self._dtypes.items()}

    def check_together(self, items: Sequence[RawItem]) -> None:
        """Take any number: the size of the request bounds the work."""

    def collate(self, prepared: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
        """Return (n, tokens) each, padded on the right: ids with ``pad_id``, masks and types with 0.

        There are as many tokens as the contract says that the model needs, also where all texts are shorter.
        """
        spec = self._spec
        longest = max(self._fewest_tokens, *(len(arrays[spec.ids_input]) for arrays in prepared))
        tokens = spec.max_tokens if spec.pad_to == "max_tokens" else longest
        batch = {}
        for name, dtype in self._dtypes.items():
            rows = np.full((len(prepared), tokens), spec.pad_id if name == spec.ids_input else 0, dtype=dtype)
            for row, arrays in zip(rows, prepared, strict=True):
                row[: len(arrays[name])] = arrays[name]
            batch[name] = rows
        return batch

    def _check_tokens(self, tokens: int) -> None:
        if tokens > self._spec.max_tokens:
            raise TextInvalid(
                f"The text has {tokens} tokens, the model takes at most {self._spec.max_tokens}; shorten or split it.",
                field=_FIELD,
                limit=self._spec.max_tokens,
                got=tokens,
            )
        if not tokens:
            raise TextInvalid("The text holds nothing that the model's tokenizer knows.", field=_FIELD, got=0)


def _load_tokenizer(spec: TextPreprocessing, asset: bytes | None) -> Tokenizer:
    if asset is None:
        raise ModelContractMismatch(f"The contract preprocesses texts, but there is no {TOKENIZER_FILE}.")
    if digest(asset) != spec.tokenizer_sha256:
        raise ModelContractMismatch(
            f"{TOKENIZER_FILE} is not the one that the contract was made with.",
            field="preprocessing.tokenizer_sha256",
            limit=spec.tokenizer_sha256[:12],
            got=digest(asset)[:12],
        )
    tokenizer = _parse(asset)
    if tokenizer.num_special_tokens_to_add(False) >= spec.max_tokens:
        raise ModelContractMismatch(
            "The tokenizer's special tokens alone fill max_tokens.",
            field="preprocessing.max_tokens",
            got=spec.max_tokens,
        )
    # The file may bring settings of its own; padding and truncation are the contract's.
    tokenizer.no_padding()
    if spec.too_long == "truncate":
        tokenizer.enable_truncation(spec.max_tokens)
    else:
        tokenizer.no_truncation()
    return tokenizer


def _parse(asset: bytes) -> Tokenizer:
    try:
        return Tokenizer.from_buffer(asset)
    except Exception as exc:  # the library raises no narrower one
        raise ModelContractMismatch(f"{TOKENIZER_FILE} is no file of the tokenizers library.") from exc


def _check_text(item: RawItem, spec: TextPreprocessing, limits: Limits) -> str:
    if isinstance(item, bytes):
        item = _decode(item, limits)
    if not isinstance(item, str):
        raise MediaTypeUnsupported("This model takes texts.", limit=list(TextPreprocessor.accepted_media))
    if len(item) > spec.max_characters:
        raise TextInvalid(
            f"The text has {len(item)} characters, the model takes at most {spec.max_characters}; shorten or split it.",
            field=_FIELD,
            limit=spec.max_characters,
            got=len(item),
        )
    if not item or item.isspace():
        raise TextInvalid("The text is empty.", field=_FIELD, got=0)
    odd = _NOT_TEXT.search(item)
    if odd is not None:
        raise TextInvalid(
            f"The text holds the control character U+{ord(odd[0]):04X} at character {odd.start()}; of these, only tabs "
            "and line ends are text.",
            field=_FIELD,
            got=f"U+{ord(odd[0]):04X}",
        )
    return item


def _decode(body: bytes, limits: Limits) -> str:
    if len(body) > limits.max_input_bytes:
        raise PayloadTooLarge(
            f"The text has {len(body)} bytes, the model takes at most {limits.max_input_bytes}.",
            field=_FIELD,
            limit=limits.max_input_bytes,
            got=len(body),
        )
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise TextInvalid(f"The text is not UTF-8: byte {exc.start} begins no character.", field=_FIELD) from exc
