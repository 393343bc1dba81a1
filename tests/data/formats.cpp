// Every format of training data against transformers' Qwen3-VL processor on the same lines; see
// tests/golden/make_data_cases.py. And lines with damage: a conversation or one clear error.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <vlm/core/random.hpp>
#include <vlm/data/pack.hpp>
#include <vlm/data/processor.hpp>
#include <vlm/data/source.hpp>
#include <vlm/data/weights.hpp>
#include <vlm/model/batch.hpp>

#include "text/qwen3_vocabulary.hpp"
#include "tiny.hpp"

namespace {

using vlm::Index;

const std::string goldens = "tests/golden/data";

vlm::Processor qwen3_processor(vlm::ChatVariant variant) {
  std::string config = vlm::tests::tiny_config_text(vlm::tests::tiny_tokenizer());
  vlm::ModelConfig model = vlm::ModelConfig::parse(config, "config.json");
  model.text.vocabulary = 151936;
  model.image_token = 151655;
  model.video_token = 151656;
  model.vision_start_token = 151652;
  model.vision_end_token = 151653;
  model.vision.patch_size = 16;
  vlm::ImageSettings images;
  images.budget = {4096, 16384};
  vlm::VideoSettings videos = vlm::VideoSettings::for_images(images);
  videos.patches.budget = {4096, 65536};
  return vlm::Processor(vlm::Tokenizer(qwen3_definition()), images, std::move(model), videos, variant);
}

// The clips that the lines name are no files: 12 black frames, 4 a second.
struct Clips {
  Clips() {
    vlm::register_video_opener([](const vlm::VideoSource&, const vlm::VideoFileOptions&) {
      return vlm::Video(12, {64, 96}, vlm::FrameClock::rate(4), [](Index) { return vlm::Image(64, 96); });
    });
  }
  Clips(const Clips&) = delete;
  Clips& operator=(const Clips&) = delete;
  ~Clips() { vlm::register_video_opener(nullptr); }
};

std::vector<std::int32_t> unpacked(const vlm::Json& ids) {
  std::vector<std::int32_t> result;
  std::size_t count = 1;
  for (const vlm::Json& id : ids.items()) {
    const auto value = static_cast<std::int32_t>(id.integer());
    if (value < 0) {
      count = static_cast<std::size_t>(-value);
    } else {
      result.insert(result.end(), count, value);
      count = 1;
    }
  }
  return result;
}

std::int64_t hash_of(const std::vector<std::int32_t>& positions) {
  std::int64_t hash = 0;
  for (const std::int32_t position : positions) hash = (31 * hash + position) % 1000000007;
  return hash;
}

void compare(const vlm::Sample& sample, const vlm::Batch& batch, const vlm::Json& golden) {
  BOOST_TEST(sample.tokens == unpacked(golden.at("ids")), boost::test_tools::per_element());
  for (std::size_t axis = 0; axis < 3; ++axis)
    BOOST_TEST(hash_of(batch.axes[axis]) == golden.at("positions").at(axis).integer());
  std::vector<std::uint8_t> labels(sample.tokens.size());
  std::vector<std::int32_t> targets;
  for (const vlm::Json& range : golden.at("labels").items())
    for (auto i = static_cast<std::size_t>(range.at(std::size_t{0}).integer());
         i < static_cast<std::size_t>(range.at(std::size_t{1}).integer()); ++i) {
      labels.at(i) = 1;
      targets.push_back(sample.tokens.at(i));
    }
  BOOST_TEST(sample.supervised == labels, boost::test_tools::per_element());
  BOOST_TEST(batch.targets == targets, boost::test_tools::per_element());
  for (const float weight : batch.weights)
    BOOST_TEST(std::abs(weight - golden.at("weight").number()) <= 6e-8 * golden.at("weight").number());
}

// Text, images and videos in one batch: each sample is there as it is alone.
void check_packed(const std::vector<vlm::Sample>& samples, const std::vector<vlm::Batch>& alone,
                  const vlm::ModelConfig& config) {
  std::vector<vlm::Batch> step(1);
  vlm::Packer packer(step, 1 << 20, config);
  std::vector<std::int32_t> tokens, targets, axes[3];
  const auto append = [](std::vector<std::int32_t>& list, const std::vector<std::int32_t>& more) {
    list.insert(list.end(), more.begin(), more.end());
  };
  for (std::size_t i = 0; i < samples.size(); ++i) {
    BOOST_TEST((packer.add(samples[i]) == vlm::Packer::Place::Packed));
    append(tokens, alone[i].tokens);
    append(targets, alone[i].targets);
    for (std::size_t axis = 0; axis < 3; ++axis) append(axes[axis], alone[i].axes[axis]);
    BOOST_TEST(step[0].offsets.back() == static_cast<std::int32_t>(tokens.size()));
  }
  BOOST_TEST((step[0].tokens == tokens));
  BOOST_TEST((step[0].targets == targets));
  for (std::size_t axis = 0; axis < 3; ++axis) BOOST_TEST((step[0].axes[axis] == axes[axis]));
}

// Both templates on the twenty samples of a file.
void check_file(const std::string& name) {
  static const vlm::Json results =
      vlm::parse_json(vlm::read_file(goldens + "/results.json"), goldens + "/results.json");
  static const vlm::Processor processors[] = {qwen3_processor(vlm::ChatVariant::Instruct),
                                              qwen3_processor(vlm::ChatVariant::Thinking)};
  const Clips clips;
  const vlm::SourceFiles source({goldens + "/" + name});
  BOOST_TEST_REQUIRE(source.size() == 20);
  for (const vlm::Processor& processor : processors) {
    const bool thinking = processor.variant() == vlm::ChatVariant::Thinking;
    const vlm::Json& golden = results.at(name).at(thinking ? "thinking" : "instruct");
    std::vector<vlm::Sample> samples;
    std::vector<vlm::Batch> step(20);
    for (std::size_t i = 0; i < 20; ++i) {
      samples.push_back(processor.training_sample(source.conversation(static_cast<Index>(i))));
      step[i].append(samples.back(), processor.config());
    }
    check_packed(samples, step, processor.config());
    vlm::set_loss_weights(step, 0.5);
    for (std::size_t i = 0; i < 20; ++i) {
      BOOST_TEST_CONTEXT(name << (thinking ? ", thinking, sample " : ", instruct, sample ") << i)
      compare(samples[i], step[i], golden.at(i));
    }
  }
}

struct Draws {
  std::size_t below(std::size_t bound) { return random.below(count++, bound); }
  vlm::Random random{1, "damaged lines"};
  std::uint64_t count = 0;
};

// A line with one to four places changed.
std::string damaged(std::string line, Draws& draws) {
  constexpr std::string_view pieces[] = {"\"",       "{",
                                         "}",        "[",
                                         "]",        ",",
                                         ":",        "\\",
                                         "null",     "-1",
                                         "<image>",  "<video>",
                                         "\xff",     "\xc3",
                                         "\"from\"", "\"messages\"",
                                         "tool",     "data:;base64,",
                                         "1e999"};
  const auto below = [&draws](std::size_t bound) { return draws.below(bound); };
  for (std::size_t change = 1 + below(4); change > 0 && !line.empty(); --change) {
    const std::size_t at = below(line.size());
    const std::size_t length = std::min(line.size() - at, below(8));
    switch (below(4)) {
      case 0:
        line.erase(at, length);
        break;
      case 1:
        line[at] = static_cast<char>(below(256));
        break;
      case 2:
        line.insert(at, pieces[below(std::size(pieces))]);
        break;
      default:
        line.insert(below(line.size()), line.substr(at, 4 * length));
        break;
    }
  }
  return line;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(data_formats)

BOOST_AUTO_TEST_CASE(messages) { check_file("messages.jsonl"); }
BOOST_AUTO_TEST_CASE(openai) { check_file("openai.jsonl"); }
BOOST_AUTO_TEST_CASE(qwen_finetune) { check_file("qwen_finetune.json"); }
BOOST_AUTO_TEST_CASE(llava) { check_file("llava.json"); }
BOOST_AUTO_TEST_CASE(sharegpt) { check_file("sharegpt.jsonl"); }
BOOST_AUTO_TEST_CASE(web_dataset) { check_file("shard.tar"); }
BOOST_AUTO_TEST_CASE(captions) { check_file("captions"); }

BOOST_AUTO_TEST_CASE(a_hundred_thousand_damaged_lines) {
  std::vector<std::string> lines;
  for (const char* name :
       {"messages.jsonl", "openai.jsonl", "qwen_finetune.json", "llava.json", "sharegpt.jsonl"}) {
    const vlm::JsonlFile file(goldens + "/" + name);
    for (Index i = 0; i < file.size(); ++i)
      if (file.line(i).size() < 1500) lines.emplace_back(file.line(i));
  }
  const std::string path = goldens + "/damaged.jsonl";
  const std::string beginning =
      "vlm::DataError [data-line]\n  file      " + path + "\n  line      3\n  field     ";
  const vlm::Processor processor = vlm::tests::tiny_processor();
  Draws draws;
  int good = 0, refused = 0, unclear = 0, samples = 0;
  std::string example;
  for (int i = 0; i < 100000; ++i) {
    const std::string line = damaged(lines[draws.below(lines.size())], draws);
    try {
      const vlm::DataPlace place{path, 3};
      const vlm::Conversation read =
          vlm::parse_conversation(vlm::detail::parse_record(line, place), place.file, place.line);
      if (++good % 100 == 0) samples += !processor.training_sample(read).tokens.empty();
    } catch (const vlm::DataError& error) {
      ++refused;
      const std::string message = error.what();
      const bool clear = message.starts_with(beginning) &&
                         message.find("\n  expected  ") != std::string::npos &&
                         message.find("\n  got       ") != std::string::npos;
      if (!clear && unclear++ == 0) example = line + "\n" + message;
    }
  }
  BOOST_TEST(unclear == 0, example);
  BOOST_TEST(good > 5000);
  BOOST_TEST(refused > 50000);
  BOOST_TEST(samples > 10);
}

BOOST_AUTO_TEST_SUITE_END()
