#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "cairn/error.h"
#include "cairn/nn/tokens.h"
#include "conformance/checks.h"
#include "conformance/network_checks.h"

namespace cairn::conformance {
namespace {

constexpr std::int64_t kEncoded = 3;
constexpr double kDifferent = 1e-3;  // relative: less is no difference
constexpr double kAlike = 1e-6;      // relative: less than this is rounding

/// The encoder as a seed makes it, in evaluation mode; parameters are moved away from their first values, which may be
/// zero and hide what they do.
std::shared_ptr<Encoder> built(const Part& part, const Situation& situation) {
  at::manual_seed(1);
  auto encoder = part.encoder(situation.encoder_setting());
  const at::NoGradGuard no_grad;
  for (at::Tensor& parameter : encoder->parameters()) parameter.add_(at::randn_like(parameter), 0.02);
  encoder->eval();
  return encoder;
}

TokenSet rows_of(const std::vector<std::int64_t>& tokens, std::int64_t batch = kEncoded) {
  return {at::tensor(tokens, at::kLong).unsqueeze(0).expand({batch, -1}).contiguous()};
}

/// Every k-th token, the first ones of `tokens` places left out.
std::vector<std::int64_t> every(std::int64_t count, std::int64_t step, std::int64_t from = 0) {
  std::vector<std::int64_t> tokens;
  for (std::int64_t token = from; token < count; token += step) tokens.push_back(token);
  return tokens;
}

std::vector<std::int64_t> all_blocks(Encoder& encoder) { return every(encoder.depth(), 1); }

std::string check_shapes(Encoder& encoder, const Situation& situation) {
  const std::int64_t width = encoder.width();
  require(width > 0, fmt::format("width() is {}", width));
  for (std::size_t v = 0; v < situation.views.size(); ++v) {
    const View view = situation.view(v, kEncoded, 0);
    const Encoded encoded = encoder.encode(view, {{}, {}, all_blocks(encoder)});
    const std::vector<std::int64_t> tokens = {kEncoded, view.grid.count(), width};
    require(encoded.tokens.defined() && encoded.pooled.defined(), "tokens or pooled is undefined");
    require(encoded.tokens.sizes() == at::IntArrayRef(tokens),
            fmt::format("tokens are {}, expected {}", shape_text(encoded.tokens.sizes()), shape_text(tokens)));
    require(encoded.pooled.sizes() == at::IntArrayRef({kEncoded, width}),
            fmt::format("pooled is {}, expected {} x {}", shape_text(encoded.pooled.sizes()), kEncoded, width));
    require(static_cast<std::int64_t>(encoded.taps.size()) == encoder.depth(),
            fmt::format("{} taps for {} blocks", encoded.taps.size(), encoder.depth()));
    for (const at::Tensor& tap : encoded.taps)
      require(tap.sizes() == at::IntArrayRef(tokens), "a tap has another shape than the tokens");
    require(encoded.tokens.isfinite().all().item<bool>() && encoded.pooled.isfinite().all().item<bool>(),
            "features are not finite");
  }
  return fmt::format("{} wide, {} blocks", width, encoder.depth());
}

/// As it is before training: the encoder is built without the noise of built().
std::string check_start(const Part& part, const Situation& situation) {
  at::manual_seed(1);
  const auto encoder = part.encoder(situation.encoder_setting());
  encoder->eval();
  const at::Tensor tokens = encoder->encode(situation.view(0, 2, 0), {}).tokens;
  const double difference = relative_error(tokens.narrow(0, 0, 1), tokens.narrow(0, 1, 1));
  require(difference > kAlike, "two samples of random values get the same features");
  return {};
}

std::string check_rows(Encoder& encoder, const Situation& situation) {
  View view = situation.view(0, kEncoded, 0);
  const at::Tensor all = encoder.encode(view, {}).tokens;
  view.data = view.data.narrow(0, 1, 1);
  const double error = relative_error(encoder.encode(view, {}).tokens, all.narrow(0, 1, 1));
  require(error < kSame, fmt::format("a sample alone differs by {:.2g} from the same in a batch", error));
  return {};
}

std::string check_order(Encoder& encoder, const Situation& situation) {
  const View view = situation.view(0, kEncoded, 0);
  const TokenSet shuffled = rows_of(Rng(1, Stream::user).permutation(view.grid.count()));
  const at::Tensor whole = encoder.encode(view, {}).tokens;
  const double error =
      relative_error(encoder.encode(view, {shuffled, {}, {}}).tokens, nn::gather_tokens(whole, shuffled));
  require(error < kSame, fmt::format("all tokens named in another order differ by {:.2g} from the whole view", error));
  return {};
}

/// Random values in the patches of `tokens`, those of `content` in that order, zero elsewhere.
View with_content(const View& view, const Situation& situation, const std::vector<std::int64_t>& tokens,
                  const at::Tensor& content) {
  View out = view;
  out.data = at::zeros_like(view.data);
  const std::size_t axes = view.grid.extent.size();
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    at::Tensor patch = out.data;
    std::int64_t rest = tokens[i], stride = view.grid.count();
    for (std::size_t axis = 0; axis < axes; ++axis) {
      stride /= view.grid.extent[axis];
      const std::int64_t size = situation.tokenizer.patch[axis];
      patch = patch.narrow(static_cast<std::int64_t>(axis) + 2, rest / stride * size, size);
      rest %= stride;
    }
    patch.copy_(content.select(1, static_cast<std::int64_t>(i)).reshape(patch.sizes()));
  }
  return out;
}

std::string check_unseen(Encoder& encoder, const Situation& situation) {
  const View view = situation.view(0, kEncoded, 0);
  const auto tokens = every(view.grid.count(), 2);
  const at::Tensor content = nn::gather_tokens(nn::cut_patches(view.data, situation.tokenizer), rows_of(tokens));
  const View blank = with_content(view, situation, tokens, content);
  const Look look{rows_of(tokens), {}, {}};
  const double error = relative_error(encoder.encode(blank, look).tokens, encoder.encode(view, look).tokens);
  require(error < kSame, fmt::format("features change by {:.2g} with what is in the hidden patches", error));
  return {};
}

std::string check_places(Encoder& encoder, const Situation& situation) {
  const View view = situation.view(0, kEncoded, 0);
  const std::int64_t count = view.grid.count();
  const auto here = every(count / 4, 1), there = every(count, 4, 1);
  const std::vector<std::int64_t> first(here.begin(), here.begin() + std::min(here.size(), there.size()));
  const std::vector<std::int64_t> second(there.begin(), there.begin() + first.size());
  const at::Tensor content = nn::gather_tokens(nn::cut_patches(view.data, situation.tokenizer), rows_of(first));
  const auto seen = [&](const std::vector<std::int64_t>& tokens) {
    return encoder.encode(with_content(view, situation, tokens, content), {rows_of(tokens), {}, {}}).tokens;
  };
  const auto whole = [&](const std::vector<std::int64_t>& tokens) {
    return nn::gather_tokens(encoder.encode(with_content(view, situation, tokens, content), {}).tokens,
                             rows_of(tokens));
  };
  if (relative_error(whole(second), whole(first)) < kDifferent)
    throw Skip{"it does not tell places apart in a whole view either"};
  const double difference = relative_error(seen(second), seen(first));
  require(difference > kDifferent,
          "the same patches at other places give the same features, though not in a whole view");
  return {};
}

/// Two rows, of which the second sees half as much, and each of them alone.
std::string check_packing(Encoder& encoder, const Situation& situation) {
  const View view = situation.view(0, 2, 0);
  const auto tokens = every(view.grid.count(), 2);
  const auto most = static_cast<std::int64_t>(tokens.size()), fewest = std::max<std::int64_t>(1, most / 2);
  Look look{{rows_of(tokens, 2).index, {most, fewest}}, {}, {0}};
  look.visible.index[1].narrow(0, fewest, most - fewest).fill_(tokens[static_cast<std::size_t>(fewest) - 1]);
  const Encoded packed = encoder.encode(view, look);
  for (std::int64_t row = 0; row < 2; ++row) {
    const std::int64_t seen = look.visible.lengths[static_cast<std::size_t>(row)];
    const View own{view.data.narrow(0, row, 1), view.grid, view.role};
    const Encoded alone = encoder.encode(own, {{look.visible.index.narrow(0, row, 1).narrow(1, 0, seen)}, {}, {0}});
    const auto part = [&](const at::Tensor& all) { return all.narrow(0, row, 1).narrow(1, 0, seen); };
    const double error = std::max({relative_error(part(packed.tokens), alone.tokens),
                                   relative_error(part(packed.taps.front()), alone.taps.front()),
                                   relative_error(packed.pooled.narrow(0, row, 1), alone.pooled)});
    require(error < kSame,
            fmt::format("a row of {} of {} tokens differs by {:.2g} from itself alone", seen, most, error));
  }
  require(most == fewest || packed.tokens[1].narrow(0, fewest, most - fewest).eq(0).all().item<bool>(),
          "what follows the tokens of a shorter row is not zero");
  return {};
}

Network network(const Part& part, const Situation& situation) {
  return {[=] { return part.encoder(situation.encoder_setting()); },
          [=](torch::nn::Module& module, at::Device device) {
            auto& encoder = static_cast<Encoder&>(module);
            View view = situation.view(0, kEncoded, 0);
            view.data = view.data.to(device);
            const Encoded encoded = encoder.encode(view, {});
            std::vector<at::Tensor> outputs = {encoded.tokens, encoded.pooled};
            if (encoded.special.defined()) outputs.push_back(encoded.special);
            if (!encoder.can_hide_tokens()) return outputs;
            const TokenSet hidden{rows_of(every(view.grid.count(), 2)).index.to(device)};
            try {
              outputs.push_back(encoder.encode(view, {{}, hidden, {}}).tokens);
            } catch (const Error&) {
              // It has no mask token, and says so.
            }
            return outputs;
          }};
}

/// The situations that the encoder takes; why it took none is in `refusal`.
std::vector<Situation> all_accepted(const Part& part, std::span<const Situation> situations, std::string& refusal) {
  std::vector<Situation> taken;
  for (const Situation& situation : situations) try {
      const at::NoGradGuard no_grad;
      built(part, situation)->encode(situation.view(0, 1, 0), {});
      taken.push_back(situation);
    } catch (const Error& error) {
      refusal = situation.text + ": " + error.what();
    }
  return taken;
}

void check_subsets(Encoder& encoder, const Situation& situation, Findings& findings) {
  const at::NoGradGuard no_grad;
  findings.check("naming the tokens in another order only reorders the features",
                 "add positions by the ids in Look::visible, not by the place in the list",
                 [&] { return check_order(encoder, situation); });
  findings.check("what is hidden is not looked at",
                 "embed only the patches of Look::visible; norms or convolutions over the whole view see the others",
                 [&] { return check_unseen(encoder, situation); });
  findings.check("seen tokens keep their places", "number positions in the whole view, before tokens are dropped",
                 [&] { return check_places(encoder, situation); });
  if (encoder.can_pack())
    findings.check("rows of unequal length are encoded as each alone",
                   "heed TokenSet::lengths of Look::visible, as nn::Packing does, or leave can_pack() false",
                   [&] { return check_packing(encoder, situation); });
}

}  // namespace

std::optional<Trial> check_encoder(const Part& part, std::span<const Situation> situations, Findings& findings) {
  std::vector<Situation> taken;
  findings.check("it encodes some kind of view",
                 "it refused views of one, two and three axes; ConfigError is for views that it cannot take", [&] {
                   std::string refusal;
                   taken = all_accepted(part, situations, refusal);
                   require(!taken.empty(), refusal);
                   return fmt::format("{} of {}: first {}", taken.size(), situations.size(), taken.front().text);
                 });
  if (taken.empty()) return std::nullopt;
  const auto encoder = built(part, taken.front());
  findings.check("features have the shapes it declares",
                 "tokens are [B,N,width()], pooled [B,width()], a tap [B,N,width()] for each block of Look::taps", [&] {
                   const at::NoGradGuard no_grad;
                   std::string seen;
                   for (const Situation& situation : taken) seen = check_shapes(*built(part, situation), situation);
                   return seen;
                 });
  findings.check("an untrained encoder tells samples apart",
                 "weights that start at zero learn slowly or never: call nn::initialise(*this, ...) at the end of the "
                 "constructor; nn::PatchEmbed is zero before it",
                 [&] {
                   const at::NoGradGuard no_grad;
                   return check_start(part, taken.front());
                 });
  findings.check("samples do not see each other", "in evaluation no value may depend on the other rows of the batch",
                 [&] {
                   const at::NoGradGuard no_grad;
                   return check_rows(*encoder, taken.front());
                 });
  if (encoder->can_hide_tokens()) check_subsets(*encoder, taken.front(), findings);
  check_network(network(part, taken.front()), findings);
  if (encoder->can_hide_tokens()) return Trial{taken.front(), {Level::tokens}};
  for (const Situation& situation : taken)
    if (situation.views.size() == 2) return Trial{situation, {Level::pooled}};
  return std::nullopt;
}

}  // namespace cairn::conformance
