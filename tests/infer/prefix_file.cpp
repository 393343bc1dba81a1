#include <vlm/infer/prefix_file.hpp>

#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "infer/logits.hpp"
#include "infer/tiny_chat.hpp"
#include "message_of.hpp"

using namespace vlm;
using namespace vlm::tests;

namespace {

Prompt prompt_with_picture(Index length) {
  const auto files = tiny_files();
  ChatTurn turn{.message = {"user", {}}};
  files->append(turn, image(tiny_image(7)));
  files->append(turn, "What is it?");
  Prompt prompt = files->prompt(std::span(&turn, 1));
  for (Index i = static_cast<Index>(prompt.tokens.size()); i < length; ++i)
    prompt.tokens.push_back(static_cast<std::int32_t>(i * i % 200));
  return prompt;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(infer_prefix_file)

BOOST_AUTO_TEST_CASE(what_is_loaded_is_what_was_saved) {
  const TinyNet net = tiny_net();
  const Folder folder;
  for (const CellFormat format : {CellFormat::F32, CellFormat::BF16, CellFormat::I8}) {
    const auto saved = std::make_shared<PrefixCache>(), loaded = std::make_shared<PrefixCache>();
    Session<TinyNet> first(net, {.threads = 1, .cells = format, .cache = saved});
    Prompt prompt = prompt_with_picture(200);
    first.prefill(prompt, 0);
    prompt.tokens[150] += 1;  // a second branch
    first.prefill(prompt, 0);
    BOOST_TEST(saved->page_count() == 4);
    save_prefix_cache(*saved, folder / "cache.safetensors");

    Session<TinyNet> second(net, {.threads = 1, .cells = format, .cache = loaded});
    load_prefix_cache(*loaded, folder / "cache.safetensors");
    BOOST_TEST(loaded->page_count() == 4);
    BOOST_TEST(loaded->picture_count() == 1);
    second.prefill(prompt, 0);
    BOOST_TEST(second.counts().reused == 192);
    BOOST_TEST(second.counts().encoded == 0);
    BOOST_TEST(same_bits(logits_of(second), logits_of(first)));
    prompt.tokens[2] += 1;  // nothing but the picture is known
    second.prefill(prompt, 0);
    first.prefill(prompt, 0);
    BOOST_TEST(second.counts().reused < 64);
    BOOST_TEST(second.counts().encoded == 0);
    BOOST_TEST(same_bits(logits_of(second), logits_of(first)));
  }
}

BOOST_AUTO_TEST_CASE(what_is_loaded_keeps_to_the_limit) {
  const TinyNet net = tiny_net();
  const Folder folder;
  const auto saved = std::make_shared<PrefixCache>();
  Session<TinyNet> first(net, {.threads = 1, .cache = saved});
  first.prefill(prompt_with_picture(320), 0);
  BOOST_TEST(saved->page_count() == 5);
  save_prefix_cache(*saved, folder / "cache.safetensors");
  const auto small =
      std::make_shared<PrefixCache>(PrefixCacheSettings{.page_bytes = 2 * first.cell_bytes(64)});
  const Session<TinyNet> second(net, {.threads = 1, .cache = small});
  load_prefix_cache(*small, folder / "cache.safetensors");
  BOOST_TEST(small->page_count() == 2);
}

BOOST_AUTO_TEST_CASE(damaged_and_foreign_files_are_refused) {
  const TinyNet net = tiny_net(), stranger = tiny_net(2);
  const Folder folder;
  const std::string path = folder / "cache.safetensors";
  const auto cache = std::make_shared<PrefixCache>(), other = std::make_shared<PrefixCache>();
  Session<TinyNet> session(net, {.threads = 1, .cache = cache});
  session.prefill(prompt_with_picture(130), 0);
  save_prefix_cache(*cache, path);
  const Session<TinyNet> foreign(stranger, {.threads = 1, .cache = other});
  const auto refusal = [&](std::string_view expected, std::string_view got) {
    return "vlm::FileError [prefix-file]\n  file      " + path + "\n  at        identity\n  expected  " +
           std::string(expected) + "\n  got       " + std::string(got) +
           "\n  try       remove this file, which is damaged, or of another model or version";
  };
  BOOST_TEST(message_of([&] { load_prefix_cache(*other, path); }) ==
             refusal("what the model of this cache computed",
                     "what another did: other weights, or formats of weights, or settings"));
  // The same weights in other cells, and in another format.
  const auto narrow = std::make_shared<PrefixCache>(), rounded = std::make_shared<PrefixCache>();
  const Session<TinyNet> other_cells(net, {.threads = 1, .cells = CellFormat::I8, .cache = narrow});
  BOOST_TEST(message_of([&] { load_prefix_cache(*narrow, path); }) ==
             refusal("cells in int8", "cells in f32"));
  std::filesystem::create_directory(folder / "model");
  net.save(folder / "model");
  const TinyNet blocks = TinyNet::load(folder / "model", FrozenWeights::Int8);
  const Session<TinyNet> other_weights(blocks, {.threads = 1, .cache = rounded});
  BOOST_TEST(message_of([&] { load_prefix_cache(*rounded, path); }) ==
             refusal("what the model of this cache computed",
                     "what another did: other weights, or formats of weights, or settings"));
  // A file of another version, whose cells may be laid out in another way.
  {
    const std::string old = folder / "old.safetensors";
    std::vector<std::int64_t> identity = detail::numbers_of(*cache->identity());
    const std::string own = std::to_string(identity[0]), before = std::to_string(--identity[0]);
    const std::vector<std::int64_t> sums = {crc32c(std::as_bytes(std::span(identity)))};
    SafetensorsWriter writer(old);
    writer.declare("identity", DType::I64, {7});
    writer.declare("checksums", DType::I64, {1});
    writer.write("identity", std::as_bytes(std::span(identity)));
    writer.write("checksums", std::as_bytes(std::span(sums)));
    writer.commit();
    const std::string message = message_of([&] { load_prefix_cache(*cache, old); });
    BOOST_TEST(
        message.find("expected  version " + own + "\n  got       version " + before) != std::string::npos,
        message);
  }
  // The same model from a file.
  const TinyNet same = TinyNet::load(folder / "model");
  const auto again = std::make_shared<PrefixCache>();
  const Session<TinyNet> loaded(same, {.threads = 1, .cache = again});
  load_prefix_cache(*again, path);
  BOOST_TEST(again->page_count() == 2);

  // Any bit that is turned, wherever it is.
  const std::string whole = read_file(path);
  for (std::size_t at = 0; at < whole.size(); at += at < 3000 ? 7 : 977) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    folder.write("damaged", damaged);
    const auto fresh = std::make_shared<PrefixCache>();
    const Session<TinyNet> reader(net, {.threads = 1, .cache = fresh});
    try {
      load_prefix_cache(*fresh, folder / "damaged");
      BOOST_TEST_INFO("byte " << at);
      BOOST_TEST(false);
    } catch (const Error&) {
      BOOST_TEST(fresh->page_count() == 0);
    }
  }
  // Cut off anywhere.
  folder.write("short", whole);
  const auto fresh = std::make_shared<PrefixCache>();
  const Session<TinyNet> reader(net, {.threads = 1, .cache = fresh});
  for (std::size_t size = whole.size() - 1; size > 100; size -= 100) {
    std::filesystem::resize_file(folder / "short", size);
    BOOST_CHECK_THROW(load_prefix_cache(*fresh, folder / "short"), FileError);
  }
  BOOST_TEST(fresh->page_count() == 0);
  PrefixCache unused;
  BOOST_TEST(message_of([&] { load_prefix_cache(unused, path); }) ==
             "vlm::ConfigError [cache-model]\n"
             "  expected  a cache that a session has used\n"
             "  got       a new one\n"
             "  try       make the session or the chat first");
  BOOST_CHECK_THROW(save_prefix_cache(unused, path), ConfigError);
  BOOST_TEST(read_file(path) == whole);
}

BOOST_AUTO_TEST_SUITE_END()
