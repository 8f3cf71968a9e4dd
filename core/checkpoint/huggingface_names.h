#pragma once

#include <cstdint>

namespace cairn {

/// Which of queries, keys and values have biases.
enum class Biases : std::uint8_t { none, all, query_value };

/// What a family of models calls the parts of a block.
struct BlockNames {
  const char *norm1, *norm2;
  const char *query, *key, *value, *projection;
  const char *fc1, *fc2;
};

inline constexpr BlockNames kVitNames = {
    "layernorm_before",          "layernorm_after",        "attention.attention.query", "attention.attention.key",
    "attention.attention.value", "attention.output.dense", "intermediate.dense",        "output.dense"};
inline constexpr BlockNames kDinoNames = {"norm1",
                                          "norm2",
                                          "attention.attention.query",
                                          "attention.attention.key",
                                          "attention.attention.value",
                                          "attention.output.dense",
                                          "mlp.fc1",
                                          "mlp.fc2"};
inline constexpr BlockNames kJepaNames = {"norm1",           "norm2",          "attention.query", "attention.key",
                                          "attention.value", "attention.proj", "mlp.fc1",         "mlp.fc2"};
inline constexpr BlockNames kPoolerNames = {"layer_norm1",      "layer_norm2",      "self_attn.q_proj",
                                            "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj",
                                            "mlp.fc1",          "mlp.fc2"};

}  // namespace cairn
