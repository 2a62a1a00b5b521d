"""Numbers of TFLite's schema, as far as a file is looked at before its interpreter sees it (tflite/schema.fbs)."""

from __future__ import annotations

# Fields of tables.
OPERATOR_CODES, SUBGRAPHS, DESCRIPTION, BUFFERS, METADATA_BUFFERS, METADATA, SIGNATURES = 1, 2, 3, 4, 5, 6, 7
OLD_CODE, CUSTOM_CODE, NEW_CODE = 0, 1, 3
TENSORS, INPUTS, OUTPUTS, OPERATORS, GRAPH_NAME = 0, 1, 2, 3, 4
SHAPE, TYPE, BUFFER, TENSOR_NAME, QUANTIZATION, SPARSITY, SHAPE_SIGNATURE, VARIANTS = 0, 1, 2, 3, 4, 6, 7, 9
OPCODE, OP_INPUTS, OP_OUTPUTS, OPTIONS_TYPE, OPTIONS, CUSTOM_OPTIONS, MUTATING, INTERMEDIATES = 0, 1, 2, 3, 4, 5, 7, 8
LARGE_OFFSET, LARGE_SIZE, OPTIONS_2_TYPE, OPTIONS_2 = 9, 10, 11, 12
DATA, DATA_OFFSET, DATA_SIZE = 0, 1, 2
SIGNATURE_INPUTS, SIGNATURE_OUTPUTS, SIGNATURE_KEY, SIGNATURE_GRAPH = 0, 1, 2, 4
QUANTIZATION_KINDS, QUANTIZATION_DETAILS_TYPE, QUANTIZATION_DETAILS = "cccd1-4", 4, 5
DETAILS_KINDS = {1: "a", 2: "444"}
SPARSITY_KINDS, DIMENSIONS, DIMENSION_KINDS = "cc", 2, "141-1-"
# Of a dimension of a sparse tensor: type and table of its segments and of its indices; what the tables hold.
SPARSE_PLACES, SPARSE_KINDS = ((2, 3), (4, 5)), {1: "c", 2: "b", 3: "a"}

# Bits of a number of each type; a text and what is no number have none.
BITS = {
    0: 32,
    1: 16,
    2: 32,
    3: 8,
    4: 64,
    6: 8,
    7: 16,
    8: 64,
    9: 8,
    10: 64,
    11: 128,
    12: 64,
    15: 32,
    16: 16,
    17: 4,
    18: 16,
}
INT32, INT64, TEXT = 2, 4, 5

CUSTOM, DELEGATE = 32, 51

# Kinds of the fields of each operator's options, by their number in the unions BuiltinOptions and BuiltinOptions2; "."
# for none. tests/faults/tflite compare them with the runtime's own schema.
_KINDS = (
    "1441441 1444144 4cc 1 144441 411 11 11111 4 41 11 1 4444 14411 --11 4 c 441 4 1 1 . 44 . . . 1 11 1 c 111 444441 "
    ". . 4 . 11 . . 1 . . . . . . . . 14411 1 . . . . 1 . 1 4441 44 . 4 . . 44 . . . . 144111 1111 144111 . . 11 4 . 1 "
    ". 4 1 . . . . . . 44 . . . . 44 44 4 . . . . . . 111 11 4 . . 14441444 411 . . . ss . . 88 c 1 . . . . . . . . . ."
)
_KINDS_2 = "8 d ddd dddda88d88d88d88c s1s4ca d4 1ddd814 44 d ddd 8 ddddc ddddd4 814 44 ddd8d1 d . 1 4 s4a14 . c"
OPTION_KINDS = dict(enumerate(_KINDS.split(), start=1))
OPTION_2_KINDS = dict(enumerate(_KINDS_2.split(), start=1))
# Fields of options that name other graphs, which must not lead back; options → fields.
CALLS = {16: (0,), 92: (0, 1), 93: (0, 1), 103: (0,)}
CALLS_2 = {6: (1,), 7: (6,), 13: (5,), 14: (2,), 15: (0, 1), 21: (1,)}
CALL_LISTS_2 = {5: 4, 23: 0}
# Fields of options by which something is divided or stepped: options → field, and what it is where it is left out.
DIVISORS = {
    1: ((1, 0), (2, 0), (4, 1), (5, 1)),
    2: ((1, 0), (2, 0), (5, 1), (6, 1)),
    5: ((1, 0), (2, 0), (3, 0), (4, 0)),
    19: ((0, 0),),
    35: ((0, 0),),
    49: ((1, 0), (2, 0)),
    79: ((0, 0),),
    94: ((0, 0),),
    106: ((1, 0), (2, 0), (3, 0), (5, 1), (6, 1), (7, 1)),
}
NEW_SHAPE_OPTIONS = 17
# Operator → inputs that hold one number for each dimension of another tensor.
RANK_INPUTS = {
    22: (1,),
    130: (1,),
    94: (0,),
    69: (1,),
    39: (1,),
    65: (1, 2),
    45: (1, 2, 3),
    34: (1,),
    60: (1,),
    100: (1,),
    37: (1,),
    38: (1,),
    67: (0,),
    141: (0,),
    148: (0,),
    146: (0,),
    68: (1,),
    122: (2,),
}
# Those of them whose numbers are the shape of what is made.
SHAPE_INPUTS = {22: 1, 130: 1, 94: 0, 67: 0, 141: 0, 148: 0, 146: 0, 68: 1, 122: 2, 23: 1, 97: 1}
