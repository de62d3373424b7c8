"""What parameters are called, by what they are likely to be: patterns for whole names."""

from __future__ import annotations

import re

WEIGHTS = re.compile(
    r"(w|weights?|kernels?|filters?|proj\w*|matrix|mat\d?|[ABUVW])(_?\d)?|w_\w+|\w+_(weight|w|kernel)"
)
BIASES = re.compile(r"(bias|shift|beta|offset)(_?\d)?|b_?\d|b_\w+|\w+_bias")
VECTORS = re.compile(r"(gamma|scales?|gain|mean|var|std|running_\w+|gate|g|eta|loc|mu|alphas?)(_?\d)?")
INDICES = re.compile(
    r"(index|idx|inds?|indices|labels?|ids?|tokens?|src|dst|segments?|segment_ids|batch|classes|"
    r"perm|permutation|order|pos|positions|neighbors|edges?|lengths|lens)|\w+_(index|idx|ids?|indices|labels?)"
)
TARGETS = re.compile(r"(targets?|y|y_true|gt|truth|ground_truth|classes)")
SCORES = re.compile(r"(logits?|log_?probs?|logp|probs?|scores|preds?|predictions?|input|outputs?)")
SHAPES = re.compile(r"(shape|size|sizes|normalized_shape|output_size|dims)|\w+_shape")
OTHERS = re.compile(r"(centers?|centres?|centroids|codebook|prototypes|landmarks|memory)")
GRIDS = re.compile(r"(grid|flow|coords)")
MASKS = re.compile(r"(mask|keep|valid|attn_mask)|\w+_mask|is_\w+_mask")
INTS = re.compile(
    r"(dim|axis|n|k|m|num|size|count|groups?|strides?|paddings?|pad|dilations?|kernel_size|steps?|bits?|"
    r"nbits|levels|heads|chunks?|chunk_size|block_size|window\w*|order|degree|iters?|max_iter|repeats?|"
    r"num_bits|width|height|length|depth|offset)|n_\w+|num_\w+|\w+_num|\w+_(size|dim|bits|steps|len|length|width)"
)
FLOATS = re.compile(
    r"(eps|epsilon|alpha|beta|gamma|slope|p|prob|rate|temperature|temp|tau|momentum|lambd?a?_?|lam|threshold|"
    r"thr|thresh|margin|delta|sigma|lr|decay|coeffs?|coef|factor|value|c|h|dt|scale|smooth\w*|clip|bound|"
    r"limit|strength|width|scaling|r0|power|exponent|radius|noise|weight_decay)|\w+_(slope|rate|prob|scale|eps|"
    r"factor|value|threshold|weight|coef|coeff|alpha)"
)
LOWS = re.compile(r"(lo|low|min|minimum|lower|qmin|quant_min|vmin|amin|a_min)|min_\w+|\w+_min")
HIGHS = re.compile(r"(hi|high|max|maximum|upper|qmax|quant_max|vmax|amax|a_max)|max_\w+|\w+_max")
BOOLS = re.compile(
    r"(training|train|inplace|flag|causal|is_causal|normalize|normalise|keepdims?|affine|log|reverse|"
    r"transpose|symmetric|signed|verbose|deterministic|fast|exact)|(is|use|has|with|do|return)_\w+"
)
LISTS = re.compile(r"(tensors|xs|inputs|params|parameters|args|arrays|weights|grads)")
WORDS = re.compile(r"(reduction|reduce)")

NORMS = frozenset(
    ["eps", "epsilon", "mean", "var", "running_mean", "running_var", "num_groups", "normalized_shape"]
)
"""Beside one of these, a weight is a vector of one number for each feature or channel."""

FACTORS = frozenset(["gamma", "scale", "g", "gain"])
SPATIAL = frozenset(["kernel_size", "stride", "dilation", "output_size", "scale_factor", "grid", "flow"])
